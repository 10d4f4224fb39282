"""A stage as one CloudFormation template: Chalice's functions and API, resources.yaml, and the links between them."""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from chalice.app import S3EventConfig
from chalice.config import Config
from chalice.package import TemplateDeepMerger, YAMLTemplateSerializer
from chalice.utils import to_cfn_resource_name

from chalicelib.config import Settings
from chalicelib.permissions import API, declared, lambda_name
from deploy import functions, gateway, parameters
from deploy.options import Options
from deploy.stage import Stage
from project.resources import RESOURCES, names

Template = dict[str, Any]

_SECRET = {"Type": "String", "NoEcho": True, "MinLength": 32, "Description": "a secret of at least 32 characters"}


def complete(generated: Template, stage: Stage, events: Iterable[S3EventConfig], secrets: Iterable[str]) -> Template:
    """Add everything else that a stage consists of to Chalice's template."""
    merge = TemplateDeepMerger().merge
    config, chosen, options = stage.config, stage.settings, stage.options
    others: Template = YAMLTemplateSerializer().load_template(RESOURCES.read_text())
    values = parameters.of(stage.name, chosen, options)
    added = {
        "Description": f"The stage {stage.name} of the image service.",
        "Parameters": {
            **_parameters(others["Parameters"], values, {"Stage", *names(chosen)}),
            **{_camel(name): _SECRET for name in secrets},
        },
        "Resources": {
            "RestAPI": _api(config, chosen, options),
            **dict(_functions(config, others["Resources"], secrets, options)),
            **dict(_notifications(events, others["Resources"], values)),
            **_firewall(stage.name, options),
        },
    }
    whole: Template = merge(added, merge(others, generated))
    return whole


def _parameters(declared: Template, values: Mapping[str, str], repeated: Container[str]) -> Template:
    """Return the values as defaults. A value that functions and policies repeat cannot be changed."""
    defaults = {name: type(declared[name]["Default"])(value) for name, value in values.items()}
    return {
        name: {"Default": default, **({"AllowedValues": [default]} if name in repeated else {})}
        for name, default in defaults.items()
    }


def _functions(
    config: Config, others: Template, secrets: Iterable[str], options: Options
) -> Iterator[tuple[str, Template]]:
    app, stage = config.chalice_app, config.chalice_stage
    logs = {
        resource["Properties"]["LogGroupName"]["Fn::Sub"].replace("${Stage}", stage): name
        for name, resource in others.items()
        if resource["Type"] == "AWS::Logs::LogGroup"
    }
    with_dead_letters = functions.with_dead_letters(app)
    for function in declared(app):
        called = lambda_name(app, function, stage)
        properties: Template = {
            "FunctionName": called,
            "Environment": {"Variables": {name: {"Ref": _camel(name)} for name in secrets}},
        }
        if function in with_dead_letters:
            properties["EventInvokeConfig"] = {
                "MaximumRetryAttempts": functions.ATTEMPTS_AFTER_THE_FIRST,
                "MaximumEventAgeInSeconds": options.event_age_seconds,
                "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": _arn("DeadLetterQueue")}},
            }
        # A function that runs before its log group exists cannot write to its log.
        yield _logical(function), {"DependsOn": [logs[f"/aws/lambda/{called}"]], "Properties": properties}


def _notifications(
    events: Iterable[S3EventConfig], others: Template, values: Mapping[str, str]
) -> Iterator[tuple[str, Template]]:
    """Yield the permissions of S3 to invoke functions, and the notifications of buckets.

    S3 checks the permission when the notification is configured, so the bucket depends on it. The permission names the
    bucket by the parameter, because a reference to the bucket would be circular.
    """
    buckets = {
        values[resource["Properties"]["BucketName"]["Ref"]]: name
        for name, resource in others.items()
        if resource["Type"] == "AWS::S3::Bucket"
    }
    for event in events:
        function, bucket = _logical(event.name), buckets[event.bucket]
        permission = f"{function}FromS3"
        called = others[bucket]["Properties"]["BucketName"]["Ref"]
        yield (
            permission,
            {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": _arn(function),
                    "Principal": "s3.amazonaws.com",
                    "SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::${{{called}}}"},
                    "SourceAccount": {"Ref": "AWS::AccountId"},
                },
            },
        )
        invoked = [{"Event": kind, "Function": _arn(function)} for kind in event.events]
        yield (
            bucket,
            {
                "DependsOn": [permission],
                "Properties": {"NotificationConfiguration": {"LambdaConfigurations": invoked}},
            },
        )


def _api(config: Config, chosen: Settings, options: Options) -> Template:
    return {
        "Properties": {
            "OpenApiVersion": "2.0",  # without it SAM creates another stage, called Stage
            "DisableExecuteApiEndpoint": options.close_execute_api,
            "TracingEnabled": bool(config.xray_enabled),
            "MethodSettings": [
                {
                    "HttpMethod": "*",
                    "ResourcePath": "/*",
                    "ThrottlingRateLimit": options.api_requests_per_second,
                    "ThrottlingBurstLimit": options.api_burst,
                }
            ],
            "DefinitionBody": {gateway.RESPONSES: gateway.responses(chosen)},
        }
    }


def _firewall(stage: str, options: Options) -> Template:
    if not options.web_acl_arn:
        return {}
    arn = f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}::/restapis/${{RestAPI}}/stages/{stage}"
    association = {"ResourceArn": {"Fn::Sub": arn}, "WebACLArn": options.web_acl_arn}
    return {
        "WebACLAssociation": {
            "Type": "AWS::WAFv2::WebACLAssociation",
            # SAM's logical id of the stage: that of the API, of the stage's name, and "Stage".
            "DependsOn": [f"RestAPI{stage}Stage"],
            "Properties": association,
        }
    }


def _logical(function: str) -> str:
    """Return Chalice's logical id of a function."""
    return "APIHandler" if function == API else str(to_cfn_resource_name(function))


def _camel(variable: str) -> str:
    return variable.title().replace("_", "")


def _arn(logical: str) -> Template:
    return {"Fn::GetAtt": [logical, "Arn"]}
