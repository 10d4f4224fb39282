import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from chalice.constants import LAMBDA_TRUST_POLICY
from chalice.deploy.models import (
    APIMapping,
    APIType,
    DeploymentPackage,
    DomainName,
    IAMPolicy,
    LambdaFunction,
    ManagedIAMRole,
    RestAPI,
    S3BucketNotification,
    ScheduledEvent,
    TLSVersion,
)

from chalicelib.config import Settings
from deploy import gateway, mark
from deploy.drift import compare
from deploy.drift.actual import Actual
from deploy.drift.expected import Expected, Failures
from deploy.options import Options
from deploy.target import Target

PLACE = Target(None, "aws", "eu-west-1", "123456789012", "")  # type: ignore[arg-type]
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
SECRET = "a secret that no sentence shows"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:letters"
MADE = mark.Mark("f" * 64, "00" * 32, "first")


def function(name: str, **others: Any) -> LambdaFunction:
    role = ManagedIAMRole(f"{name}_role", f"images-api-dev-{name}", LAMBDA_TRUST_POLICY, IAMPolicy(POLICY))
    defaults: dict[str, Any] = {
        "resource_name": name,
        "function_name": f"images-api-dev-{name}",
        "deployment_package": DeploymentPackage("deployment.zip"),
        "environment_variables": {"CURSOR_SECRET": SECRET},
        "xray": False,
        "runtime": "python3.13",
        "handler": f"app.{name}",
        "tags": {"aws-chalice": "version=1:stage=dev:app=images-api"},
        "timeout": 30,
        "memory_size": 1024,
        "role": role,
        "security_group_ids": [],
        "subnet_ids": [],
        "reserved_concurrency": None,
        "layers": [],
    }
    return LambdaFunction(**defaults | others)


API = function("api_handler", function_name="images-api-dev", handler="app.app")
CREATED = function("on_object_created", timeout=120, reserved_concurrency=5)
SWEEP = function("sweep", timeout=300)
FUNCTIONS = {"api_handler": API, "on_object_created": CREATED, "sweep": SWEEP}
EXPECTED = Expected(
    functions=FUNCTIONS,
    roles={name: each.role for name, each in FUNCTIONS.items()},  # type: ignore[misc]
    policies=dict.fromkeys(FUNCTIONS, POLICY),
    failures={"on_object_created": Failures(QUEUE, 2, 21_600)},
    notifications=(
        S3BucketNotification("e", CREATED, bucket="originals", events=["s3:ObjectCreated:*"], prefix=None, suffix=None),
    ),
    schedules=(ScheduledEvent("s", SWEEP, "images-api-dev-sweep-event", "rate(5 minutes)"),),
    api=RestAPI("rest_api", {}, "1024", "dev", "EDGE", API),
    swagger={
        "x-amazon-apigateway-binary-media-types": ["*/*", "image/png"],
        "paths": {"/images": {"get": {}, "post": {}}},
    },
    responses=gateway.responses(Settings()),
    options=Options(),
    fingerprint=MADE.deployed,
    place=PLACE,
    stage="dev",
)


def statement(service: str, arn: str, **condition: Any) -> dict[str, Any]:
    return {
        "Sid": service,
        "Effect": "Allow",
        "Action": "lambda:InvokeFunction",
        "Resource": "a function",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Condition": {"ArnLike": {"AWS:SourceArn": arn}, **condition},
    }


STATEMENTS = {
    "api_handler": [statement("apigateway", "arn:aws:execute-api:eu-west-1:123456789012:api1/*")],
    "on_object_created": [
        statement("s3", "arn:aws:s3:::originals", StringEquals={"AWS:SourceAccount": "123456789012"})
    ],
    "sweep": [statement("events", "arn:aws:events:eu-west-1:123456789012:rule/images-api-dev-sweep-event")],
}


def configured(model: LambdaFunction) -> dict[str, Any]:
    """Return what GetFunction answers."""
    reserved = model.reserved_concurrency
    return {
        "Configuration": {
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "Handler": model.handler,
            "Runtime": "python3.13",
            "Architectures": ["x86_64"],
            "MemorySize": 1024,
            "Timeout": model.timeout,
            "TracingConfig": {"Mode": "PassThrough"},
            "Role": f"arn:aws:iam::123456789012:role/{model.role.role_name}",  # type: ignore[attr-defined]
            "Environment": {"Variables": dict(model.environment_variables)},
            "CodeSha256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""},
        },
        "Concurrency": {} if reserved is None else {"ReservedConcurrentExecutions": reserved},
        "Tags": {**model.tags, "cost-centre": "added by the account's owner"},
    }


def method(uri: str) -> dict[str, Any]:
    integration = {"type": "AWS_PROXY", "uri": uri, "timeoutInMillis": 29_000}
    return {"authorizationType": "NONE", "apiKeyRequired": False, "methodIntegration": integration}


def state() -> Actual:
    """Return what AWS has after a deployment."""
    routes = EXPECTED.routes()
    return Actual(
        functions={name: configured(model) for name, model in FUNCTIONS.items()},
        released=True,
        callers={"Policy": json.dumps({"Statement": STATEMENTS["api_handler"]})},
        others=(),
        policies={name: {"Policy": json.dumps({"Statement": each})} for name, each in STATEMENTS.items()},
        failures={
            "on_object_created": {
                "MaximumRetryAttempts": 2,
                "MaximumEventAgeInSeconds": 21_600,
                "DestinationConfig": {"OnFailure": {"Destination": QUEUE}},
            }
        },
        roles={
            name: {
                "AssumeRolePolicyDocument": LAMBDA_TRUST_POLICY,
                "Inline": {f"images-api-dev-{name}": POLICY},
                "Attached": [],
            }
            for name in FUNCTIONS
        },
        notifications={
            "originals": {
                "LambdaFunctionConfigurations": [
                    {"LambdaFunctionArn": EXPECTED.arn("on_object_created"), "Events": ["s3:ObjectCreated:*"]}
                ]
            }
        },
        rules={
            "images-api-dev-sweep-event": {
                "State": "ENABLED",
                "ScheduleExpression": "rate(5 minutes)",
                "Targets": [{"Id": "1", "Arn": EXPECTED.arn("sweep")}],
            }
        },
        apis=(
            {
                "id": "api1",
                "endpointConfiguration": {"types": ["EDGE"]},
                "minimumCompressionSize": 1024,
                "binaryMediaTypes": ["image/png", "*/*"],
                "resources": [
                    {"path": "/"},
                    {"path": "/images", "resourceMethods": {name: method(uri) for (_, name), uri in routes.items()}},
                ],
                "responses": {
                    kind: {"responseType": kind, **response} for kind, response in EXPECTED.responses.items()
                },
                "stage": {
                    "deploymentId": "first",
                    "tracingEnabled": False,
                    "cacheClusterEnabled": False,
                    "methodSettings": {
                        "*/*": {"throttlingRateLimit": 500.0, "throttlingBurstLimit": 1000, "metricsEnabled": False}
                    },
                    "accessLogSettings": {
                        "destinationArn": gateway.access_log_arn(PLACE, "dev"),
                        "format": gateway.ACCESS_LOG,
                    },
                    "variables": {
                        "deployed": MADE.deployed,
                        "code_sha256": MADE.code_sha256,
                        "deployment_id": MADE.deployment_id,
                    },
                },
            },
        ),
        domain=None,
    )


def differences(damage: Callable[[Actual], object]) -> list[str]:
    damaged = copy.deepcopy(state())
    damage(damaged)
    return compare.differences(EXPECTED, damaged)


def configuration(actual: Actual, name: str) -> dict[str, Any]:
    found: dict[str, Any] = actual.functions[name]["Configuration"]
    return found


def granted(actual: Actual, name: str, *statements: dict[str, Any]) -> None:
    actual.policies[name]["Policy"] = json.dumps({"Statement": list(statements)})


def test_a_complete_deployment_has_no_differences() -> None:
    assert compare.differences(EXPECTED, state()) == []


def test_an_api_that_is_rolled_back_differs() -> None:
    assert compare.differences(EXPECTED, replace(state(), released=False)) == [
        "api_handler: the API does not call the function as it is, but an earlier version or none."
    ]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda a: configuration(a, "sweep").update(Timeout=1), "sweep: the time-out is 1 s, not 300 s."),
        (lambda a: configuration(a, "sweep").update(MemorySize=128), "sweep: the memory is 128 MB, not 1024 MB."),
        (
            lambda a: configuration(a, "sweep").update(Runtime="python3.9"),
            "sweep: the runtime is python3.9, not python3.13.",
        ),
        (lambda a: configuration(a, "sweep").update(Handler="x.y"), "sweep: the handler is x.y, not app.sweep."),
        (lambda a: configuration(a, "sweep").update(State="Failed"), "sweep: the state is Failed, not Active."),
        (
            lambda a: configuration(a, "sweep").update(Layers=[{"Arn": "arn:layer"}]),
            "sweep: the layer is arn:layer, not none.",
        ),
        (
            lambda a: configuration(a, "sweep")["VpcConfig"].update(SubnetIds=["b", "a"]),
            "sweep: the subnet is a, b, not none.",
        ),
        (
            lambda a: configuration(a, "sweep").update(Role="arn:aws:iam::123456789012:role/admin"),
            "sweep: the role is arn:aws:iam::123456789012:role/admin, "
            "not arn:aws:iam::123456789012:role/images-api-dev-sweep.",
        ),
        (
            lambda a: configuration(a, "sweep").update(CodeSha256="AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            "sweep: the code is not that of the last deployment.",
        ),
        (
            lambda a: configuration(a, "sweep")["Environment"]["Variables"].clear(),
            "sweep: environment variables that are missing: CURSOR_SECRET.",
        ),
        (
            lambda a: configuration(a, "sweep").pop("Environment"),
            "sweep: environment variables that are missing: CURSOR_SECRET.",
        ),
        (
            lambda a: configuration(a, "sweep")["Environment"]["Variables"].update(CURSOR_SECRET="another secret"),
            "sweep: environment variables with another value: CURSOR_SECRET.",
        ),
        (
            lambda a: configuration(a, "sweep")["Environment"]["Variables"].update(DEBUG="1"),
            "sweep: environment variables that no deployment sets: DEBUG.",
        ),
        (
            lambda a: a.functions["on_object_created"].pop("Concurrency"),
            "on_object_created: the reserved concurrency is none, not 5.",
        ),
        (
            lambda a: a.functions["on_object_created"]["Concurrency"].update(ReservedConcurrentExecutions=0),
            "on_object_created: the reserved concurrency is 0, not 5.",
        ),
        (lambda a: a.functions["sweep"].pop("Tags"), "sweep: tags that are missing: aws-chalice."),
        (
            lambda a: a.failures.pop("on_object_created"),
            "on_object_created: its failed events do not go to a queue.",
        ),
        (
            lambda a: a.failures["on_object_created"].update(MaximumEventAgeInSeconds=60),
            "on_object_created: the time for failed events is 60 s, not 21600 s.",
        ),
        (
            lambda a: a.policies.pop("on_object_created"),
            "on_object_created: s3 has no permission to invoke it for arn:aws:s3:::originals.",
        ),
        (
            lambda a: granted(a, "sweep", *STATEMENTS["sweep"], {"Sid": "any", "Effect": "Allow", "Principal": "*"}),
            "sweep: the permission any is not one of the deployment.",
        ),
        (
            lambda a: a.callers.clear(),
            "api_handler: not exactly the API may call the function by its alias.",
        ),
        (
            lambda a: a.apis[0]["stage"]["methodSettings"]["*/*"].update(metricsEnabled=True),
            "API: the switch of metrics for each method is on, not off.",
        ),
        (
            lambda a: a.apis[0]["stage"]["accessLogSettings"].update(destinationArn="arn:other"),
            f"API: the log group of the access log is arn:other, not {gateway.access_log_arn(PLACE, 'dev')}.",
        ),
        (lambda a: a.apis[0].update(policy="{}"), "API: the resource policy is {}, not none."),
        (lambda a: a.roles.pop("sweep"), "The role images-api-dev-sweep does not exist."),
        (
            lambda a: a.roles["sweep"]["Attached"].append("arn:aws:iam::aws:policy/AdministratorAccess"),
            "The role images-api-dev-sweep: the list of attached policies is "
            "arn:aws:iam::aws:policy/AdministratorAccess, not none.",
        ),
        (
            lambda a: a.roles["sweep"]["Inline"].update({"images-api-dev-sweep": {"Statement": []}}),
            "The role images-api-dev-sweep: its inline policy is not the one of the deployment.",
        ),
        (
            lambda a: a.roles["sweep"].update(AssumeRolePolicyDocument={"Statement": [{"Principal": "*"}]}),
            "The role images-api-dev-sweep: another service or account than Lambda may assume it.",
        ),
        (
            lambda a: a.notifications["originals"].clear(),
            "on_object_created: the bucket originals does not invoke it for s3:ObjectCreated:*.",
        ),
        (
            lambda a: a.notifications["originals"]["LambdaFunctionConfigurations"].append(
                {"LambdaFunctionArn": EXPECTED.arn("sweep"), "Events": ["s3:ObjectCreated:*"]}
            ),
            "The bucket originals has other notifications of the stage's functions than the deployment.",
        ),
        (
            lambda a: a.rules["images-api-dev-sweep-event"].update(State="DISABLED"),
            "The rule images-api-dev-sweep-event: the state is DISABLED, not ENABLED.",
        ),
        (
            lambda a: a.rules["images-api-dev-sweep-event"].update(ScheduleExpression="rate(1 day)"),
            "The rule images-api-dev-sweep-event: the rate is rate(1 day), not rate(5 minutes).",
        ),
        (
            lambda a: a.rules["images-api-dev-sweep-event"]["Targets"].clear(),
            "The rule images-api-dev-sweep-event: its target is not exactly the function sweep.",
        ),
        (
            lambda a: a.rules.pop("images-api-dev-sweep-event"),
            "sweep: the rule images-api-dev-sweep-event does not exist.",
        ),
        (
            lambda a: a.apis[0]["resources"][1]["resourceMethods"].pop("POST"),
            "API: /images has no method POST.",
        ),
        (
            lambda a: a.apis[0]["resources"][0].update(resourceMethods={"GET": method("uri")}),
            "API: app.py has no route GET /.",
        ),
        (
            lambda a: a.apis[0]["resources"][1]["resourceMethods"]["POST"].update(authorizationType="AWS_IAM"),
            "API: POST /images: the authorization is AWS_IAM, not NONE.",
        ),
        (
            lambda a: a.apis[0].update(minimumCompressionSize=1),
            "API: the smallest compressed response is 1 bytes, not 1024 bytes.",
        ),
        (
            lambda a: a.apis[0]["binaryMediaTypes"].remove("*/*"),
            "API: the list of binary media types is image/png, not */*, image/png.",
        ),
        (
            lambda a: a.apis[0]["stage"]["methodSettings"]["*/*"].update(throttlingRateLimit=10_000.0),
            "API: the request rate is 10000/s, not 500/s.",
        ),
        (
            lambda a: a.apis[0]["stage"].update(tracingEnabled=True),
            "API: the tracing is on, not off.",
        ),
        (
            lambda a: a.apis[0]["stage"]["variables"].update(mine="1"),
            "API: the stage variable mine is not one of the deployment.",
        ),
        (
            lambda a: a.apis[0]["stage"].update(deploymentId="second"),
            "API: its stage shows another deployment than the last one of `make deploy`.",
        ),
        (
            lambda a: a.apis[0]["responses"].pop("THROTTLED"),
            "API: the response THROTTLED is not the one of the deployment.",
        ),
        (
            lambda a: a.apis[0]["stage"]["variables"].update(deployed="e" * 64),
            "The code or the configuration differs from what was deployed last.",
        ),
        (
            lambda a: a.apis[0]["stage"]["variables"].pop("code_sha256"),
            "The last deployment was not completed, or an older version or `chalice deploy` made it.",
        ),
    ],
)
def test_each_change_by_hand_is_one_sentence(damage: Callable[[Actual], object], sentence: str) -> None:
    assert differences(damage) == [sentence]


def test_no_sentence_shows_the_value_of_an_environment_variable() -> None:
    changes = {"CURSOR_SECRET": "s3cret", "JWT_SECRET": "s3cret"}
    found = differences(lambda a: configuration(a, "sweep")["Environment"]["Variables"].update(changes))
    assert len(found) == 2
    assert not [text for text in found if SECRET in text or "s3cret" in text]


def test_a_missing_function_is_one_sentence_whatever_it_had() -> None:
    functions = {name: found for name, found in state().functions.items() if name != "sweep"}
    found = compare.differences(EXPECTED, replace(state(), functions=functions))
    assert found == ["sweep: the function does not exist."]


def test_a_function_that_app_py_no_longer_has_is_reported() -> None:
    found = compare.differences(EXPECTED, replace(state(), others=("resize",)))
    assert found == ["resize: app.py has no such function."]


def test_two_apis_of_a_stage_are_reported() -> None:
    twice = state()
    second = copy.deepcopy(twice.apis[0]) | {"id": "api2"}
    found = compare.differences(EXPECTED, replace(twice, apis=(*twice.apis, second)))
    assert "The stage has 2 APIs, not one." in found


def test_the_custom_domain_of_a_stage_is_compared() -> None:
    domain = DomainName(
        "api_gateway_custom_domain",
        "images.example.com",
        APIType.HTTP,
        APIMapping("api_mapping", "/v1", "dev"),
        "arn:certificate",
        tls_version=TLSVersion.TLS_1_2,
    )
    expected = replace(EXPECTED, api=replace(EXPECTED.api, domain_name=domain))
    assert compare.differences(expected, state()) == ["The domain images.example.com does not exist."]
    found: dict[str, Any] = {
        "regionalCertificateArn": "arn:certificate",
        "securityPolicy": "TLS_1_2",
        "Mappings": [{"basePath": "v1", "restApiId": "api1", "stage": "dev"}],
    }
    assert compare.differences(expected, replace(state(), domain=found)) == []
    found |= {"regionalCertificateArn": "arn:other", "Mappings": []}
    assert compare.differences(expected, replace(state(), domain=found)) == [
        "The domain images.example.com: the certificate is arn:other, not arn:certificate.",
        "The domain images.example.com does not lead to the API.",
    ]


def test_a_closed_address_and_a_web_acl_are_compared() -> None:
    expected = replace(EXPECTED, options=Options(close_execute_api=True, web_acl_arn="arn:acl"))
    assert compare.differences(expected, state()) == [
        "API: the closing of the default address is off, not on.",
        "API: the web ACL is none, not arn:acl.",
    ]


def test_notifications_of_other_functions_stay() -> None:
    others = [{"LambdaFunctionArn": "arn:of:another", "Events": ["s3:ObjectRemoved:*"]}]
    twice = {"LambdaFunctionArn": EXPECTED.arn("on_object_created"), "Events": ["s3:ObjectCreated:*"]}
    found = {"LambdaFunctionConfigurations": [*others, twice, {**twice, "Id": "second"}]}
    assert compare.notifications(EXPECTED, "originals", found) == [*others, twice]
