"""AWS Lambda's Invoke API for the app's functions, for `aws lambda invoke` and boto3.

See the Lambda API Reference, "Invoke". The only version is $LATEST. ClientContext and LogType are not supported.
"""

import json
import logging
import re
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import orjson
from botocore.credentials import Credentials
from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LambdaContext

from chalicelib.permissions import lambda_name
from dev import Refused
from dev.signatures import Request, is_signed

log = logging.getLogger("dev")

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # Lambda's limit
_MAX_EVENT_BYTES = 1024 * 1024  # Lambda's limit for an invocation type of Event

_PATH = re.compile(r"/2015-03-31/functions/([^/?]+)/invocations(?:\?.*)?")
# A function name, a partial ARN that starts with the account, or a whole ARN.
_NAME = re.compile(r"(?:(?:arn:[a-z-]+:lambda:[a-z0-9-]+:)?[0-9]{12}:function:)?([A-Za-z0-9_-]+)(?::\$LATEST)?")
_ERROR_TYPES = {
    HTTPStatus.BAD_REQUEST: "InvalidRequestContentException",
    HTTPStatus.FORBIDDEN: "InvalidSignatureException",
    HTTPStatus.NOT_FOUND: "ResourceNotFoundException",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "RequestTooLargeException",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the Invoke API."""

    status: HTTPStatus
    headers: dict[str, str]
    body: str = ""  # JSON


def named(target: str) -> str | None:
    """Return the function that a path of the Invoke API names; None for any other path, which belongs to the app."""
    path = _PATH.fullmatch(target)
    return unquote(path[1]) if path else None


def refused(refusal: Refused) -> Answer:
    """Return a refusal in the form that boto3 turns into an exception."""
    headers = {"x-amzn-errortype": _ERROR_TYPES[refusal.status]}
    return Answer(refusal.status, headers, json.dumps({"Type": "User", "Message": str(refusal)}))


class Functions:
    """The app's Lambda functions that are invoked directly, by events and by schedules."""

    def __init__(self, app: Chalice, config: Config, credentials: Credentials) -> None:
        self._app, self._config, self._credentials = app, config, credentials
        names = [each.name for each in app.pure_lambda_functions] + [each.name for each in app.event_sources]
        self._names = {lambda_name(app, name, config.chalice_stage): name for name in names}
        self._names |= {name: name for name in names}

    def invoke(self, function: str, request: Request) -> Answer:
        """Invoke a function by its name in the app, its name on AWS, or an ARN.

        The response contains what the function returns, or what it raises, with X-Amz-Function-Error.
        Raises Refused: the request is not signed with the key, the function is unknown, or the payload or a header is
        wrong.
        """
        if not is_signed(request, self._credentials, "lambda"):
            reason = "Sign the request with Signature Version 4 and the key that `make run` prints."
            raise Refused(HTTPStatus.FORBIDDEN, reason)
        headers, payload = request.headers, request.body
        name = self._found(function)
        kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        event = _event(payload)
        if kind == "RequestResponse":
            return self._call(name, event)
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
            raise Refused(HTTPStatus.NOT_FOUND, f"Function not found: {function}. The functions are: {there}.")
        return name

    def _call(self, name: str, event: Any) -> Answer:
        """Call a function as Lambda does: an exception is logged and becomes the response."""
        deployed = lambda_name(self._app, name, self._config.chalice_stage)
        milliseconds = (self._config.lambda_timeout or 60) * 1000
        context = LambdaContext(deployed, self._config.lambda_memory_size, milliseconds)
        headers = {"x-amzn-RequestId": context.aws_request_id, "X-Amz-Executed-Version": context.function_version}
        self._app.current_request = None  # this thread may have handled a request of the same connection before
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
