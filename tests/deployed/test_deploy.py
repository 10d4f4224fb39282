"""`make deploy` creates every resource on a real LocalStack, and `make destroy` deletes them."""

import json
import re
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests

from chalicelib.config import read
from chalicelib.permissions import API, declared, lambda_name
from deploy import gateway, versions
from deploy.options import Options
from deploy.target import Target
from project import PROJECT, CannotRun
from project.stages import stage_config
from project.template import parse
from tests.deployed.conftest import eventually, inventory, run

FUNCTIONS = "images-api-local"
EVENT_HANDLERS = {"on_object_created", "on_upload_staged"}
QUEUE = "arn:aws:sqs:us-east-1:000000000000:images-dead-letters"
BUCKETS = ("images-originals", "images-derived", "images-staged")

UNCHANGED = ("Stack images-api-local: nothing to change.", "Functions and API: nothing to change.")

TEMPLATE = parse((PROJECT / "resources.yaml").read_text())
CONFIG = stage_config("local")
NAMES = {name: lambda_name(CONFIG.chalice_app, name, "local") for name in declared(CONFIG.chalice_app)}


@pytest.fixture(scope="module")
def api(address: str) -> str:
    """Return the id of the REST API."""
    return urlsplit(address).path.split("/")[3]


def client(service: Any) -> Any:
    return boto3.client(service)


def last_changes(api: str) -> Any:
    """Return revisions and times that change with every deployment."""
    functions = client("lambda").list_functions()["Functions"]
    (stack,) = client("cloudformation").describe_stacks(StackName="images-api-local")["Stacks"]
    stages = client("apigateway").get_stages(restApiId=api)["item"]
    return (
        {function["FunctionName"]: function["RevisionId"] for function in functions},
        stack.get("LastUpdatedTime"),
        [(stage["deploymentId"], stage["lastUpdatedDate"]) for stage in stages],
    )


def test_a_run_after_a_crash_leaves_one_api_and_one_of_each_function(address: str) -> None:
    resources = inventory()
    assert len(resources["APIs"]) == 1
    assert resources["functions"] == set(NAMES.values())
    assert resources["roles"] == {f"images-api-local-{name}" for name in NAMES}


def test_a_second_run_changes_nothing(address: str, api: str) -> None:
    before = last_changes(api)
    again = run("deploy").stdout
    assert again.splitlines()[1:] == [*UNCHANGED, f"Gallery: {address}/", address]
    assert last_changes(api) == before


def test_secrets_are_in_no_function_no_file_and_no_log(address: str) -> None:
    parameter = client("ssm").get_parameter(Name="/images-api/local/secrets", WithDecryption=True)["Parameter"]
    assert parameter["Type"] == "SecureString"
    (secret,) = json.loads(parameter["Value"]).values()  # CURSOR_SECRET: callers of this stage need no token
    functions, logs = client("lambda"), client("logs")
    found = [
        json.dumps(functions.get_function_configuration(FunctionName=name), default=str) for name in NAMES.values()
    ]
    assert all('"SECRETS_PARAMETER": "/images-api/local/secrets"' in configuration for configuration in found)
    found += [path.read_text() for path in (PROJECT / ".chalice").rglob("*.json")]
    for name in NAMES.values():
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
        found += [event["message"] for page in pages for event in page["events"]]
    assert not [text for text in found if secret in text]


def test_a_cursor_survives_the_rotation_of_its_key_until_the_rotation_is_finished(address: str) -> None:
    for number in range(2):
        requests.post(f"{address}/items", json={"name": f"item {number}"}, timeout=60).raise_for_status()
    page = f"{address}/items?limit=1"
    cursor = requests.get(page, timeout=60).json()["last_evaluated_key"]
    statuses = []
    for finish in ([], ["--finish"]):
        run("rotate", "CURSOR_SECRET", *finish)
        statuses.append(requests.get(f"{page}&last_evaluated_key={cursor}", timeout=60).status_code)
    assert statuses == [200, 400]
    assert run("deploy").stdout.splitlines()[1:] == [*UNCHANGED, f"Gallery: {address}/", address]


def test_properties_that_chalice_cannot_set_are_set(address: str, api: str) -> None:
    functions = client("lambda")
    for name in EVENT_HANDLERS:
        failures = functions.get_function_event_invoke_config(FunctionName=NAMES[name])
        assert failures["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}
        assert (failures["MaximumRetryAttempts"], failures["MaximumEventAgeInSeconds"]) == (2, 21_600)
    reserved = {
        name: functions.get_function_concurrency(FunctionName=function).get("ReservedConcurrentExecutions")
        for name, function in NAMES.items()
    }
    assert reserved == {**dict.fromkeys(NAMES), **dict.fromkeys(EVENT_HANDLERS, 5), "sweep": 1}

    rest = client("apigateway")
    (stage,) = rest.get_stages(restApiId=api)["item"]
    limits = stage["methodSettings"]["*/*"]
    options = Options()
    expected = (options.api_requests_per_second, options.api_burst)
    assert (limits["throttlingRateLimit"], limits["throttlingBurstLimit"]) == expected
    assert limits["metricsEnabled"] is False
    log_group = f"arn:aws:logs:us-east-1:000000000000:log-group:{gateway.access_log('local')}"
    assert stage["accessLogSettings"] == {"destinationArn": log_group, "format": gateway.ACCESS_LOG}
    for kind, response in gateway.responses(read(CONFIG.environment_variables)).items():
        actual = rest.get_gateway_response(restApiId=api, responseType=kind)
        assert {name: actual[name] for name in response} == response


def live_version() -> str:
    version: str = client("lambda").get_alias(FunctionName=NAMES[API], Name=versions.ALIAS)["FunctionVersion"]
    return version


def test_make_rollback_leads_the_api_to_the_version_before(address: str) -> None:
    functions, deployed = client("lambda"), live_version()
    functions.update_function_configuration(FunctionName=NAMES[API], Description="newer")
    functions.get_waiter("function_updated_v2").wait(FunctionName=NAMES[API])
    newer = functions.publish_version(FunctionName=NAMES[API])["Version"]
    functions.update_alias(FunctionName=NAMES[API], Name=versions.ALIAS, FunctionVersion=newer)
    rolled_back = run("rollback").stdout  # ends when the API is healthy
    assert rolled_back.startswith(f"The API of local runs version {deployed} instead of {newer}, ")
    assert live_version() == deployed


def test_a_stage_can_start_from_snapshots_or_have_instances_that_are_ready(
    address: str, api: str, localstack: Target
) -> None:
    functions = client("lambda")
    versions.release(localstack, NAMES[API], api, Options(snap_start=True))
    snapshot = functions.get_function_configuration(FunctionName=NAMES[API], Qualifier=live_version())
    assert snapshot["SnapStart"]["ApplyOn"] == "PublishedVersions"
    versions.release(localstack, NAMES[API], api, Options(provisioned_concurrency=1))
    ready = functions.list_provisioned_concurrency_configs(FunctionName=NAMES[API])["ProvisionedConcurrencyConfigs"]
    assert [each["RequestedProvisionedConcurrentExecutions"] for each in ready] == [1]
    versions.release(localstack, NAMES[API], api, Options())
    ready = functions.list_provisioned_concurrency_configs(FunctionName=NAMES[API])["ProvisionedConcurrencyConfigs"]
    assert ready == []
    assert requests.get(f"{address}/health", timeout=60).ok


def test_access_logs_need_a_role_of_api_gateway(localstack: Target) -> None:
    rest = client("apigateway")
    role = rest.get_account()["cloudwatchRoleArn"]

    def use(arn: str) -> None:
        rest.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}])

    gateway.check_access_log(localstack, Options())
    use("")
    try:
        gateway.check_access_log(localstack, Options(access_logs=False))
        with pytest.raises(CannotRun, match=r"^API Gateway has no role to write access logs in LocalStack"):
            gateway.check_access_log(localstack, Options())
    finally:
        use(role)


def test_each_role_has_the_policy_in_its_file_and_only_lambda_may_assume_it(address: str) -> None:
    iam = client("iam")
    for name in NAMES:
        role = f"images-api-local-{name}"
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        assert document == json.loads((PROJECT / ".chalice" / f"policy-local-{name}.json").read_text())
        (trust,) = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_everything_that_chalice_creates_has_the_tags(address: str, api: str) -> None:
    expected = {"service": "images-api", "stage": "local"}

    def named(pairs: list[dict[str, str]]) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in pairs}

    rest = f"arn:aws:apigateway:us-east-1::/restapis/{api}"
    (rule,) = client("events").list_rules()["Rules"]
    found = {
        "API": client("apigateway").get_tags(resourceArn=rest)["tags"],
        "stage of the API": client("apigateway").get_tags(resourceArn=f"{rest}/stages/local")["tags"],
        "rule": named(client("events").list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]),
    }
    for name, function in NAMES.items():
        arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function}"
        found[function] = client("lambda").list_tags(Resource=arn)["Tags"]
        found[f"role of {name}"] = named(client("iam").list_role_tags(RoleName=f"images-api-local-{name}")["Tags"])
    assert {name: {key: tags.get(key) for key in expected} for name, tags in found.items()} == dict.fromkeys(
        found, expected
    )


def test_the_buckets_are_private_and_encrypted_and_require_tls(address: str) -> None:
    s3 = client("s3")
    for bucket in BUCKETS:
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
        (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        (tls,) = [s for s in statements if s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}]
        assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", "s3:*")
    assert s3.get_bucket_versioning(Bucket="images-originals")["Status"] == "Enabled"


def test_events_and_the_schedule_invoke_their_functions(address: str) -> None:
    for bucket, name in (("images-originals", "on_object_created"), ("images-staged", "on_upload_staged")):
        targets = client("s3").get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
        assert [(each["LambdaFunctionArn"].rpartition(":")[2], each["Events"]) for each in targets] == [
            (NAMES[name], ["s3:ObjectCreated:*"])
        ]
    events = client("events")
    (rule,) = events.list_rules()["Rules"]
    (rule_target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(5 minutes)", "ENABLED")
    assert rule_target["Arn"].rpartition(":")[2] == NAMES["sweep"]


def test_the_api_and_each_function_have_a_log_group(address: str) -> None:
    of_functions = {f"/aws/lambda/{function}" for function in NAMES.values()}
    assert inventory()["log groups"] == {gateway.access_log("local"), *of_functions}


def test_the_alarms_match_their_declarations(address: str) -> None:
    alarms = {alarm["AlarmName"]: alarm for alarm in client("cloudwatch").describe_alarms()["MetricAlarms"]}
    declared_alarms = TEMPLATE.resources("AWS::CloudWatch::Alarm", Stage="local")
    assert set(alarms) == {alarm["Properties"]["AlarmName"] for alarm in declared_alarms.values()}
    for declared_alarm in declared_alarms.values():
        expected = declared_alarm["Properties"]
        alarm = alarms[expected["AlarmName"]]
        for name in ("MetricName", "Namespace", "Threshold", "ComparisonOperator", "TreatMissingData"):
            assert alarm.get(name) == expected.get(name)
        assert len(alarm.get("Metrics", [])) == len(expected.get("Metrics", []))

    composites = TEMPLATE.resources("AWS::CloudWatch::CompositeAlarm", Stage="local").values()
    rules = {alarm["Properties"]["AlarmName"]: alarm["Properties"]["AlarmRule"] for alarm in composites}
    found = client("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    logical = {alarm["Properties"]["AlarmName"]: name for name, alarm in declared_alarms.items()}
    assert rules == {
        alarm["AlarmName"]: re.sub(r'"(.*?)"', lambda part: f'"${{{logical[part[1]]}}}"', alarm["AlarmRule"])
        for alarm in found
    }


def test_the_dead_letter_queue_is_encrypted_and_requires_tls(address: str) -> None:
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName="images-dead-letters")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (queue["SqsManagedSseEnabled"], queue["MessageRetentionPeriod"]) == ("true", str(14 * 24 * 3600))
    (tls,) = json.loads(queue["Policy"])["Statement"]
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_pages_of_every_origin_may_use_presigned_urls(address: str) -> None:
    for bucket, methods in zip(BUCKETS, (["GET", "HEAD"], ["GET", "HEAD"], ["PUT", "POST"]), strict=True):
        (rule,) = client("s3").get_bucket_cors(Bucket=bucket)["CORSRules"]
        assert (rule["AllowedMethods"], rule["ExposeHeaders"]) == (methods, ["ETag"])
        assert rule["AllowedOrigins"] == ["*"]


def test_only_s3_may_invoke_the_event_handlers(address: str) -> None:
    for name in EVENT_HANDLERS:
        (allowed,) = json.loads(client("lambda").get_policy(FunctionName=NAMES[name])["Policy"])["Statement"]
        assert (allowed["Principal"], allowed["Action"]) == ({"Service": "s3.amazonaws.com"}, "lambda:InvokeFunction")
        assert allowed["Condition"]["StringEquals"] == {"AWS:SourceAccount": "000000000000"}
        assert allowed["Condition"]["ArnLike"]["AWS:SourceArn"].startswith("arn:aws:s3:::images-")


def black_box(url: str, *tests: str) -> None:
    """Run black-box tests against a URL."""
    options = ["--url", url, "--lambda-endpoint", boto3.client("lambda").meta.endpoint_url]
    options += ["--function-prefix", f"{FUNCTIONS}-"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, *options]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=1_200)
    print(ended.stdout[-20_000:])
    assert ended.returncode == 0


@pytest.mark.timeout(1_200)
def test_the_black_box_tests_pass(address: str) -> None:
    black_box(address, "tests/http")


def test_the_black_box_tests_pass_at_the_other_form_of_the_url(address: str, api: str, localstack: Target) -> None:
    url = f"{localstack.endpoint_url}/restapis/{api}/local/_user_request_"
    black_box(url, "tests/http/contracts", "tests/http/test_images.py", "tests/http/test_errors.py")


def background(command: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "scripts.background", command, "local"]
    return subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, timeout=300)


def test_make_sweep_runs_the_schedule(address: str) -> None:
    ended = background("sweep")
    assert (ended.returncode, json.loads(ended.stdout)["count"]) == (0, 0), ended.stderr


def test_an_event_that_fails_three_times_becomes_a_dead_letter_for_make_redrive(address: str) -> None:
    function = NAMES["on_object_created"]
    client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps({"Records": [{}]}))
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName="images-dead-letters")["QueueUrl"]

    def message_count() -> int:
        response = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(response["Attributes"]["ApproximateNumberOfMessages"])

    # Lambda waits one minute before its second attempt, and two minutes before the third.
    eventually(lambda: message_count() == 1, seconds=240)
    failed = background("redrive")
    assert failed.stdout.splitlines()[-1] == "0 events processed, 1 failed again."
    assert failed.stdout.startswith(f"{function} failed again: ")
    sqs.purge_queue(QueueUrl=url)


def test_make_destroy_asks_before_it_deletes(address: str) -> None:
    before = inventory()
    command = [sys.executable, "-m", "deploy", "destroy", "local"]
    ended = subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith("This deletes the stage local from LocalStack at ")
    assert inventory() == before
