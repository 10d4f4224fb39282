"""The settings of the API that Chalice does not change: throttling, tracing, and API Gateway's own responses."""

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.config import Settings
from chalicelib.web import contracts
from deploy.stage import Stage

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
    }
    operations = [{"op": "replace", "path": path, "value": value} for path, value in settings.items()]
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
