"""The settings of the API that Chalice cannot set: throttling, logs, metrics, and API Gateway's own responses."""

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.config import Settings
from chalicelib.web import contracts
from deploy.options import Options
from deploy.stage import Stage
from deploy.target import Target
from project import CannotRun

# A line of the access log (API Gateway Developer Guide, "variables for access logging"). All values are texts, since a
# missing number is a dash. The line has neither path nor query, and not $context.error.message, which can quote the
# header Authorization.
ACCESS_LOG = json.dumps(
    {
        "time": "$context.requestTimeEpoch",
        "request_id": "$context.integration.requestId",  # Lambda's: the request_id of the service's log
        "gateway_request_id": "$context.requestId",
        "method": "$context.httpMethod",
        "route": "$context.resourcePath",
        "status": "$context.status",
        "latency_ms": "$context.responseLatency",
        "integration_latency_ms": "$context.integration.latency",
        "response_bytes": "$context.responseLength",
        "ip": "$context.identity.sourceIp",
        "user_agent": "$context.identity.userAgent",
        "error": "$context.error.responseType",
        "integration_error": "$context.integration.error",
    },
    separators=(",", ":"),
)
RESPONSES = "x-amazon-apigateway-gateway-responses"  # the OpenAPI extension for them

# API Gateway Developer Guide, "gateway response types": status and message. A status of None stays as it is. API
# Gateway's own message is used for DEFAULT_4XX, because it says what was wrong.
_ITS_OWN = "$context.error.messageString"
_RESPONSES: Mapping[str, tuple[str | None, str]] = {
    "DEFAULT_4XX": (None, _ITS_OWN),
    "DEFAULT_5XX": (None, json.dumps("An internal error occurred; try again in a moment.")),
    # API Gateway uses this response for an unknown path, with or without a token.
    "MISSING_AUTHENTICATION_TOKEN": ("404", json.dumps("No route matches this path.")),
    "REQUEST_TOO_LARGE": (
        "413",
        json.dumps("The request is too large; larger images go to POST images/direct-upload."),
    ),
    "THROTTLED": ("429", json.dumps("Too many requests; try again in a moment.")),
    "INTEGRATION_TIMEOUT": ("504", json.dumps("That took too long; try again in a moment.")),
}


def access_log(stage: str) -> str:
    """Return the name of the log group of a stage's access log. resources.yaml creates it."""
    return f"/aws/apigateway/images-api-{stage}"


def access_log_arn(target: Target, stage: str) -> str:
    """Return the ARN of this log group, as API Gateway wants it."""
    return target.arn("logs", f"log-group:{access_log(stage)}")


def check_access_log(target: Target, options: Options) -> None:
    """Raise CannotRun if API Gateway must write an access log and has no role for it."""
    if options.access_logs and not target.client("apigateway").get_account().get("cloudwatchRoleArn"):
        raise CannotRun(
            f"API Gateway has no role to write access logs in {target}. Give it one (docs/deploy.md, step 4), or "
            "set access_logs to false in `deployment` of .chalice/config.json."
        )


def finish(stage: Stage, api_id: str) -> str:
    """Apply the settings that Chalice cannot set to a stage of the API, and return the id of the new deployment."""
    gateway, options = stage.place.client("apigateway"), stage.options
    for kind, response in responses(stage.settings).items():
        gateway.put_gateway_response(restApiId=api_id, responseType=kind, **response)
    deployment_id: str = gateway.create_deployment(restApiId=api_id, stageName=stage.name)["id"]
    settings = {
        "/tracingEnabled": "true" if stage.config.xray_enabled else "false",
        "/*/*/throttling/rateLimit": str(options.api_requests_per_second),
        "/*/*/throttling/burstLimit": str(options.api_burst),
        "/*/*/metrics/enabled": str(options.detailed_metrics).lower(),
    }
    if options.access_logs:
        settings["/accessLogSettings/destinationArn"] = access_log_arn(stage.place, stage.name)
        settings["/accessLogSettings/format"] = ACCESS_LOG
    operations = [{"op": "replace", "path": path, "value": value} for path, value in settings.items()]
    if not options.access_logs and "accessLogSettings" in gateway.get_stage(restApiId=api_id, stageName=stage.name):
        operations.append({"op": "remove", "path": "/accessLogSettings"})
    gateway.update_stage(restApiId=api_id, stageName=stage.name, patchOperations=operations)
    return deployment_id


def responses(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return API Gateway's own responses by type, in the format of the service's errors.

    Their headers are fixed, so with several origins in CORS_ORIGINS they allow all. They contain no data of a caller.
    """
    origins = settings.cors_origins.split()
    allowed = {} if not origins else {"gatewayresponse.header.Access-Control-Allow-Origin": f"'{_one(origins)}'"}
    return {
        kind: {
            **({"statusCode": status} if status else {}),
            "responseParameters": allowed,
            "responseTemplates": {"application/json": _error(settings, sentence)},
        }
        for kind, (status, sentence) in _RESPONSES.items()
    }


def _error(settings: Settings, sentence: str) -> str:
    """Return the template of an error's body. `sentence` is JSON, or a variable that API Gateway replaces by JSON."""
    return json.dumps(contracts.named(settings.contract).error("sentence")).replace('"sentence"', sentence)


def _one(origins: list[str]) -> str:
    return origins[0] if len(origins) == 1 else "*"
