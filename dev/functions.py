"""AWS Lambda's Invoke API for the app's functions, as `aws lambda invoke` and boto3 speak it.

Lambda API Reference, "Invoke". There are no versions or aliases but $LATEST, and neither ClientContext nor LogType.
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import orjson
from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LambdaContext

from chalicelib.permissions import lambda_name
from dev import Refused

log = logging.getLogger("dev")

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # Lambda's
_MAX_EVENT_BYTES = 1024 * 1024  # Lambda's where the client doesn't wait for the answer

_PATH = re.compile(r"/2015-03-31/functions/([^/?]+)/invocations(?:\?.*)?")
# Also after what comes before it in an ARN, whole or from the account on.
_NAME = re.compile(r"(?:(?:arn:[a-z-]+:lambda:[a-z0-9-]+:)?[0-9]{12}:function:)?([A-Za-z0-9_-]+)(?::\$LATEST)?")
_SIGNED = "AWS4-HMAC-SHA256 "
_ERROR_TYPES = {
    HTTPStatus.BAD_REQUEST: "InvalidRequestContentException",
    HTTPStatus.FORBIDDEN: "MissingAuthenticationTokenException",
    HTTPStatus.NOT_FOUND: "ResourceNotFoundException",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "RequestTooLargeException",
    HTTPStatus.SERVICE_UNAVAILABLE: "ServiceException",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the Invoke API answers."""

    status: HTTPStatus
    headers: dict[str, str]
    body: str = ""  # JSON


def named(target: str) -> str | None:
    """The function that a request's path is to invoke, as the client names it; None: the path is the app's."""
    path = _PATH.fullmatch(target)
    return unquote(path[1]) if path else None


def refused(refusal: Refused) -> Answer:
    """A refusal as boto3 makes an exception of it."""
    headers = {"x-amzn-errortype": _ERROR_TYPES[refusal.status]}
    return Answer(refusal.status, headers, json.dumps({"Type": "User", "Message": str(refusal)}))


class Functions:
    """The app's functions, but for the one behind all routes: those invoked directly, by events and by schedules."""

    def __init__(self, app: Chalice, config: Config, settle: Callable[[], None]) -> None:
        self._app, self._config, self._settle = app, config, settle
        names = [each.name for each in app.pure_lambda_functions] + [each.name for each in app.event_sources]
        self._names = {lambda_name(app, name, config.chalice_stage): name for name in names}
        self._names |= {name: name for name in names}

    def invoke(self, function: str, headers: Mapping[str, str], payload: bytes) -> Answer:
        """Invoke a function by its name in the app, its name on AWS, or an ARN.

        What it returns is the answer, once that is settled; what it raises is one too, with X-Amz-Function-Error.
        Raises Refused: the request isn't signed, no such function, a wrong payload or header, or it can't be settled.
        """
        # Whose key it is doesn't matter; but no web page that finds the port can send this header without a preflight.
        if not headers.get("Authorization", "").startswith(_SIGNED):
            raise Refused(HTTPStatus.FORBIDDEN, f"Sign the request with Signature Version 4 ({_SIGNED.strip()}).")
        name = self._found(function)
        kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        event = _event(payload)
        if kind == "RequestResponse":
            return self._answer(name, event)
        if kind == "Event":
            if len(payload) > _MAX_EVENT_BYTES:
                reason = f"The payload of an Event may have at most {_MAX_EVENT_BYTES} bytes."
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
            threading.Thread(target=self._call, args=(name, event), daemon=True).start()
            return Answer(HTTPStatus.ACCEPTED, {})
        if kind == "DryRun":
            return Answer(HTTPStatus.NO_CONTENT, {})
        reason = "X-Amz-Invocation-Type must be RequestResponse, Event or DryRun."
        raise Refused(HTTPStatus.BAD_REQUEST, reason)

    def _found(self, function: str) -> str:
        match = _NAME.fullmatch(function)
        name = self._names.get(match[1]) if match else None
        if name is None:
            there = ", ".join(sorted(set(self._names.values()))) or "none"
            raise Refused(HTTPStatus.NOT_FOUND, f"Function not found: {function}. There are: {there}.")
        return name

    def _answer(self, name: str, event: Any) -> Answer:
        answer = self._call(name, event)
        if "X-Amz-Function-Error" not in answer.headers:  # a failure promises nothing
            self._settle()
        return answer

    def _call(self, name: str, event: Any) -> Answer:
        """Call a function as Lambda does: whatever it raises is an answer, and logged."""
        deployed = lambda_name(self._app, name, self._config.chalice_stage)
        milliseconds = (self._config.lambda_timeout or 60) * 1000
        context = LambdaContext(deployed, self._config.lambda_memory_size, milliseconds)
        headers = {"x-amzn-RequestId": context.aws_request_id, "X-Amz-Executed-Version": context.function_version}
        self._app.current_request = None  # else that of the last request on this connection, whose thread this is
        try:
            body = json.dumps(self._app.handler_map[name](event, context))
        except Exception as error:
            log.exception("The function %s failed.", name)
            body = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            headers["X-Amz-Function-Error"] = "Unhandled"
        return Answer(HTTPStatus.OK, headers, body)


def _event(payload: bytes) -> Any:
    try:
        return orjson.loads(payload or b"{}")
    except ValueError:
        raise Refused(HTTPStatus.BAD_REQUEST, "Could not parse the payload as JSON.") from None
