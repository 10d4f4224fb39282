"""Direct invocations of contract A's Lambda functions: each becomes an event of API Gateway."""

import json
import re
from collections.abc import Mapping
from typing import Any

from chalicelib.config import settings
from chalicelib.errors import BadInput

Event = dict[str, Any]

_OBJECTS = ("headers", "queryStringParameters", "pathParameters")


def api_event(method: str, path: str, event: object) -> Event:
    """Return the event of API Gateway that makes the same request: this method on this route's path.

    In a direct invocation `body`, `headers`, `queryStringParameters` and `pathParameters` are objects, or JSON in a
    string.
    Raises BadInput: one of them is neither, a parameter of the path is missing, or one other than `body` is longer than
    MAX_INVOCATION_CHARS.
    """
    if not isinstance(event, dict):
        raise BadInput("The event must be a JSON object.")
    body = event.get("body")
    headers, query, parameters = (_object(event, name) for name in _OBJECTS)
    for name in re.findall(r"{(\w+)}", path):
        if parameters.get(name) is None:
            raise BadInput(f"pathParameters.{name} is missing.")
    return {
        "requestContext": {"httpMethod": method, "resourcePath": path},
        "headers": {"content-type": "application/json", **_headers(headers)},
        "pathParameters": {name: _text(value) for name, value in parameters.items()},
        "multiValueQueryStringParameters": {name: _texts(value) for name, value in query.items()},
        "body": body if isinstance(body, str) else json.dumps(body if body is not None else {}),
        "isBase64Encoded": event.get("isBase64Encoded") is True,
        "stageVariables": None,
    }


def _object(event: Event, name: str) -> Mapping[str, Any]:
    value = event.get(name)
    limit = settings().max_invocation_chars
    if value and len(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) > limit:
        raise BadInput(f"{name} has more than {limit} characters, which is the limit (MAX_INVOCATION_CHARS).")
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise BadInput(f"{name} is not valid JSON.") from None
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise BadInput(f"{name} must be a JSON object.")
    return value


def _headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return headers with lower-case names, as the readers look them up."""
    return {name.lower(): _text(value) for name, value in headers.items() if value is not None}


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [_text(single) for single in values if single is not None]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
