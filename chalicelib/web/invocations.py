"""Events that ask for a route: each becomes the event that API Gateway's REST API sends for the same request.

Direct invocations of contract A's functions, HTTP APIs and Lambda's function URLs (payload format 2.0), and Application
Load Balancers each have a form of their own.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_plus

from chalicelib.config import settings
from chalicelib.errors import BadInput, UnknownPath

Event = dict[str, Any]


def api_event(method: str, path: str, event: object) -> Event:
    """Return the event of a REST API for a direct invocation: this method on this route's path.

    In a direct invocation `body`, headers and parameters are objects, or JSON in a string.
    Raises BadInput: one of them is neither, a parameter of the path is missing, one other than `body` is longer
    than MAX_INVOCATION_CHARS, or the body is not base64 although `isBase64Encoded` is true.
    """
    if not isinstance(event, dict):
        raise BadInput("The event must be a JSON object.")
    headers, query, parameters = _headers(event), _query(event), _object(event, "pathParameters")
    for name in re.findall(r"{(\w+)}", path):
        if parameters.get(name) is None:
            raise BadInput(f"pathParameters.{name} is missing.")
    return {
        "requestContext": {"httpMethod": method, "resourcePath": path},
        "headers": {"content-type": "application/json", **headers},
        "pathParameters": {name: _text(value) for name, value in parameters.items()},
        "multiValueQueryStringParameters": query,
        "body": _body(event),
        "isBase64Encoded": False,
        "stageVariables": None,
    }


def gateway_event(event: Event, paths: Collection[str]) -> Event:
    """Return the event of a REST API for an event of a REST API, an HTTP API, a function URL or a load balancer.

    `paths` are the paths of the routes.
    Raises UnknownPath: no route has the event's path.
    """
    context = event.get("requestContext") or {}
    merged = {**event, "headers": _headers(event), "multiValueQueryStringParameters": _query(event)}
    if context.get("resourcePath") in paths:
        return merged
    http = context.get("http") or {}
    path = event.get("rawPath") or event.get("path") or "/"
    if http and context.get("stage", "$default") != "$default":  # the path begins with the name of the stage
        path = re.sub(f"^/{re.escape(context['stage'])}(?=/|$)", "", path)
    route, parameters = _route(path, paths)
    method = http.get("method") or event.get("httpMethod") or ""
    return {
        **merged,
        "requestContext": {**context, "httpMethod": method, "resourcePath": route},
        "pathParameters": parameters,
        "body": event.get("body"),
        "stageVariables": event.get("stageVariables"),
    }


def gateway_answer(event: Event, answer: Event) -> Event:
    """Return an answer in the form of the gateway that sent the event.

    A load balancer that sends `multiValueHeaders` reads no others (Elastic Load Balancing, "Multi-value headers").
    """
    if "elb" in (event.get("requestContext") or {}) and event.get("multiValueHeaders"):
        single = {name: [value] for name, value in answer.get("headers", {}).items()}
        return {**answer, "multiValueHeaders": {**single, **answer.get("multiValueHeaders", {})}}
    return answer


def _route(path: str, paths: Collection[str]) -> tuple[str, dict[str, str]]:
    """Return the path of the route that matches a path, and the path's parameters. Fixed segments match first."""
    segments = [unquote(segment) for segment in path.strip("/").split("/")]

    def matches(pattern: list[str]) -> bool:
        pairs = zip(pattern, segments, strict=True)
        return len(pattern) == len(segments) and all(name[:1] == "{" or name == segment for name, segment in pairs)

    patterns = [pattern for pattern in (route.strip("/").split("/") for route in paths) if matches(pattern)]
    if not patterns:
        raise UnknownPath
    best = min(patterns, key=lambda pattern: [name[:1] == "{" for name in pattern])
    parameters = {name[1:-1]: segment for name, segment in zip(best, segments, strict=True) if name[:1] == "{"}
    return "/" + "/".join(best), parameters


def _query(event: Event) -> dict[str, list[str]]:
    """Return every value of each parameter of the query, from all forms that an event may have.

    A form that has several values of a parameter comes before one that has a single value, or has them joined.
    """
    raw = event.get("rawQueryString")  # payload format 2.0, whose queryStringParameters join values with a comma
    if isinstance(raw, str) and raw:
        exact = parse_qs(raw, keep_blank_values=True)
        return {**{name: _texts(value) for name, value in _object(event, "queryStringParameters").items()}, **exact}
    query = {name: _texts(value) for name, value in _object(event, "multiValueQueryStringParameters").items()}
    for name, value in _object(event, "queryStringParameters").items():
        values = query.setdefault(name, [])
        values += [text for text in _texts(value) if text not in values]
    if "elb" in (event.get("requestContext") or {}):  # a load balancer passes the query on as the client encoded it
        query = {unquote_plus(name): [unquote_plus(text) for text in values] for name, values in query.items()}
    return query


def _headers(event: Event) -> dict[str, str]:
    """Return headers with lower-case names. A repeated header is one list (RFC 9110 section 5.3)."""
    headers = {name.lower(): value for name, value in _object(event, "headers").items()}
    headers |= {name.lower(): value for name, value in _object(event, "multiValueHeaders").items() if value}
    return {name: ", ".join(_texts(value)) for name, value in headers.items() if value is not None}


def _body(event: Event) -> str | bytes:
    import pybase64

    body = event.get("body")
    if not isinstance(body, str):
        return json.dumps(body if body is not None else {})
    if event.get("isBase64Encoded") is not True:
        return body
    try:
        return pybase64.b64decode(body, validate=True)
    except ValueError:
        raise BadInput("body is not valid base64, although isBase64Encoded is true.") from None


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


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [_text(single) for single in values if single is not None]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
