"""A stage as one Terraform document: Chalice's functions and API, resources.yaml as a stack, and what Chalice lacks."""

import json
from collections.abc import Iterable
from typing import Any

from chalice.package import TemplateDeepMerger

from chalicelib.permissions import declared, lambda_name
from deploy import functions, gateway, parameters, stack
from deploy.options import Options
from deploy.stage import Stage

Document = dict[str, Any]

_STACK = "aws_cloudformation_stack.resources"
_REST_API = "${aws_api_gateway_rest_api.rest_api.id}"
_SWAGGER = "chalice_api_swagger"
# Chalice pins a provider that knows no Python after 3.10, and Terraform before 1.4, although 1.x stays compatible. Its
# provider `null` serves only a data source that nothing reads.
_VERSIONS = {"required_version": ">= 1.0, < 2", "required_providers": {"aws": {"version": ">= 5.80, < 7"}}}


def complete(generated: Document, wanted: Stage, secrets: Iterable[str]) -> Document:
    """Add everything else that a stage consists of to Chalice's document."""
    config, chosen, options = wanted.config, wanted.settings, wanted.options
    app, stage = config.chalice_app, wanted.name
    resources = generated["resource"]
    # A deployment's own stage can only have a name, and provider 6 has removed it. The stage is a resource below.
    deployment = resources["aws_api_gateway_deployment"]["rest_api"]
    del deployment["stage_name"], deployment["stage_description"]
    del generated["terraform"]["required_providers"]["null"], generated["data"]["null_data_source"]
    swagger = json.loads(generated["locals"][_SWAGGER]) | {gateway.RESPONSES: gateway.responses(chosen)}
    added: Document = {
        "terraform": _VERSIONS,
        "variable": {
            name.lower(): {"type": "string", "sensitive": True, "description": "a secret of at least 32 characters"}
            for name in secrets
        },
        "locals": {_SWAGGER: json.dumps(swagger)},
        "resource": {
            "aws_cloudformation_stack": {
                "resources": {
                    "name": stack.name(stage),
                    "template_body": '${file("${path.module}/resources.yaml")}',
                    "parameters": dict(parameters.of(stage, chosen, options)),
                    "tags": {**stack.TAGS, "stage": stage},
                }
            },
            "aws_lambda_function": {
                name: {
                    "environment": {"variables": {secret: f"${{var.{secret.lower()}}}" for secret in secrets}},
                    "depends_on": [_STACK],
                }
                for name in declared(app)
            },
            "aws_lambda_function_event_invoke_config": {
                name: _event_invoke_config(name, options) for name in functions.with_dead_letters(app)
            },
            # The name must be unique in the account, so it contains the stage.
            "aws_cloudwatch_event_rule": {
                name: {"name": lambda_name(app, name, stage)} for name in resources["aws_cloudwatch_event_rule"]
            },
            "aws_s3_bucket_notification": {
                name: {"depends_on": [_STACK, *_permissions_of_s3(resources)]}
                for name in resources["aws_s3_bucket_notification"]
            },
            "aws_api_gateway_deployment": {
                "rest_api": {"triggers": {"redeployment": f"${{md5(local.{_SWAGGER})}}"}},
            },
            "aws_api_gateway_stage": {
                "rest_api": {
                    "rest_api_id": _REST_API,
                    "deployment_id": "${aws_api_gateway_deployment.rest_api.id}",
                    "stage_name": config.api_gateway_stage,
                    "xray_tracing_enabled": bool(config.xray_enabled),
                }
            },
            "aws_api_gateway_rest_api": {"rest_api": {"disable_execute_api_endpoint": options.close_execute_api}},
            "aws_api_gateway_method_settings": {
                "rest_api": {
                    "rest_api_id": _REST_API,
                    "stage_name": "${aws_api_gateway_stage.rest_api.stage_name}",
                    "method_path": "*/*",
                    "settings": {
                        "throttling_rate_limit": options.api_requests_per_second,
                        "throttling_burst_limit": options.api_burst,
                    },
                }
            },
        },
        "output": {"EndpointURL": {"value": "${aws_api_gateway_stage.rest_api.invoke_url}"}},
    }
    if options.web_acl_arn:
        added["resource"]["aws_wafv2_web_acl_association"] = {
            "rest_api": {
                "resource_arn": "${aws_api_gateway_stage.rest_api.arn}",
                "web_acl_arn": options.web_acl_arn,
            }
        }
    whole: Document = TemplateDeepMerger().merge(added, generated)
    return whole


def _event_invoke_config(function: str, options: Options) -> Document:
    return {
        "function_name": f"${{aws_lambda_function.{function}.function_name}}",
        "maximum_retry_attempts": functions.ATTEMPTS_AFTER_THE_FIRST,
        "maximum_event_age_in_seconds": options.event_age_seconds,
        "destination_config": {
            "on_failure": {"destination": f'${{{_STACK}.outputs["DeadLetterQueueArn"]}}'},
        },
        # Lambda checks that the function may send there.
        "depends_on": [f"aws_iam_role_policy.{function}_role"],
    }


def _permissions_of_s3(resources: Document) -> list[str]:
    """Return the permissions of S3 to invoke functions. S3 checks them when a notification is configured."""
    permissions = resources["aws_lambda_permission"].items()
    return [
        f"aws_lambda_permission.{name}" for name, granted in permissions if granted["principal"] == "s3.amazonaws.com"
    ]
