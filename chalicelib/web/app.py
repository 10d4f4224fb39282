"""What all requests, answers and events have in common, whatever the route: errors, logs, CORS and HTTP methods."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Request, Response, S3Event, ScheduleExpression

from chalicelib import deadline, logs
from chalicelib.config import WrongSetting, settings
from chalicelib.errors import ApiError, BadInput, Forbidden, UnknownPath, WrongMethod
from chalicelib.model import EXTENSIONS
from chalicelib.permissions import needs
from chalicelib.web import caching, cors, invocations, readers
from chalicelib.web.contracts import contract

# Chalice has no catch-all route. Unknown paths of up to this many segments have routes of their own, which answer 404.
_MAX_UNKNOWN_SEGMENTS = 8

# The methods that API Gateway supports, except OPTIONS, which every path answers in the same way.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

_API_GATEWAY_SECONDS = 29  # API Gateway Developer Guide, "Quotas": integration timeout
_ANSWER_SECONDS = 0.5  # to write an answer and its log line

# Names of the views that belong to no contract: they answer unknown paths, wrong methods and OPTIONS.
_UNKNOWN_PATH, _WRONG_METHOD, _OPTIONS = "unknown_path", "wrong_method", "options"

log = logging.getLogger("images-api")


class ImagesApi(Chalice):
    """A Chalice app that answers every error as `{"error": "<one clear sentence>"}`."""

    current_request: Request  # not None while a route runs

    def __init__(self, app_name: str) -> None:
        super().__init__(app_name=app_name, configure_logs=False)
        logs.configure()
        # Chalice passes every body in as bytes and every answer out unchanged, whatever Content-Type and Accept say.
        # LocalStack ignores the wildcard: it decodes an answer only if the type that the client accepts is listed.
        self.api.binary_types = ["*/*", "application/json", *EXTENSIONS]
        self.register_middleware(_handle_request, "http")
        self.register_middleware(_handle_event, "s3")
        self.register_middleware(_handle_event, "scheduled")
        for segments in range(1, _MAX_UNKNOWN_SEGMENTS + 1):
            path = "".join(f"/{{segment{i}}}" for i in range(1, segments + 1))
            self.route(path, methods=_METHODS, name=_UNKNOWN_PATH)(_unknown_path)

    def route(self, path: str, **kwargs: Any) -> Callable[..., Any]:
        """Register a route as Chalice does, for all content types: the body's reader checks the content type.

        A route for GET also answers HEAD (RFC 9110 section 9.3.2).
        """
        methods = kwargs.pop("methods", ["GET"])
        methods = [*methods, "HEAD"] if "GET" in methods and "HEAD" not in methods else methods
        return super().route(path, methods=methods, content_types=["*/*"], **kwargs)

    def answer_every_method(self) -> None:
        """Add routes for the methods that paths do not allow. Call this after all other routes are registered.

        Without these routes API Gateway answers 403, with a message about a missing authentication token.
        """
        for path, routes in self.routes.items():
            missing = [method for method in _METHODS if method not in routes]
            self.route(path, methods=missing, name=_WRONG_METHOD)(self._wrong_method)
            self.route(path, methods=["OPTIONS"], name=_OPTIONS)(self._options)

    def on_s3_event(
        self,
        bucket: str,
        events: list[str] | None = None,
        prefix: str | None = None,
        suffix: str | None = None,
        name: str | None = None,
    ) -> Callable[..., Any]:
        """Register a handler as Chalice does. The handler also accepts an event without objects: S3's test event."""
        return _with_event_class(AnyS3Event, super().on_s3_event(bucket, events, prefix, suffix, name))

    def schedule(
        self, expression: str | ScheduleExpression, name: str | None = None, description: str = ""
    ) -> Callable[..., Any]:
        """Register a handler as Chalice does. An operator can also invoke the handler with any event."""
        return _with_event_class(AnyScheduledEvent, super().schedule(expression, name, description))

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an event of API Gateway, a function URL or a load balancer.

        A client without an Accept header accepts everything (RFC 9110 section 12.5.1), but Chalice would refuse it.
        """
        try:
            request = invocations.gateway_event(event, self.routes)
        except UnknownPath as error:  # deeper than the paths that answer 404
            return invocations.gateway_answer(event, _refusal(error, context, "", "unknown path"))
        headers = {"accept": "*/*", **request["headers"]}
        return invocations.gateway_answer(event, super().__call__({**request, "headers": headers}, context))

    def invoke(self, method: str, path: str, event: object, context: Any) -> dict[str, Any]:
        """Answer a direct invocation as the route of this path answers a request: in the shape of a Lambda proxy."""
        try:
            request = invocations.api_event(method, path, event)
        except BadInput as error:
            return _refusal(error, context, method, path)
        return self(request, context)

    @needs()
    def _wrong_method(self, **segments: str) -> Response:
        raise WrongMethod(self.current_request.method, self._allowed_methods())

    @needs()
    def _options(self, **segments: str) -> Response:
        """Return the methods that the path allows and, to an origin of CORS_ORIGINS, the answer to a CORS preflight.

        An unknown path answers a preflight too. Otherwise a browser would hide from the script that the path is
        unknown.
        """
        origin, limits = self.current_request.headers.get("origin", ""), settings()
        allowed = cors.preflight(origin, limits.origins, self._allowed_methods(), limits.cors_max_age_seconds)
        if not allowed and self.routes[self.current_request.path]["GET"].view_name == _UNKNOWN_PATH:
            raise UnknownPath
        return TextResponse("", {"Allow": ", ".join(self._allowed_methods()), **allowed}, 204)

    def _allowed_methods(self) -> list[str]:
        routes = self.routes[self.current_request.path]
        return [method for method, route in routes.items() if route.view_name not in (_WRONG_METHOD, _OPTIONS)]


class AnyS3Event(S3Event):
    """An event of S3 about any number of objects. Chalice's own class needs at least one and reads only the first."""

    def _extract_attributes(self, event_dict: dict[str, Any]) -> None:
        """Extract nothing: s3_events.objects_created reads the event."""


class AnyScheduledEvent(CloudWatchEvent):
    """An event of a schedule, or any event that an operator invokes the handler with."""

    def _extract_attributes(self, event_dict: dict[str, Any]) -> None:
        """Extract nothing: readers.is_dry_run reads the event."""


@contextmanager
def wrong_settings_reported() -> Iterator[None]:
    """End the process with one line on stderr, instead of a traceback, if a setting or a secret cannot be used.

    Printed here: `chalice local` imports the app in a thread, where the message of a SystemExit is dropped.
    """
    try:
        yield
    except WrongSetting as wrong:
        print(wrong, file=sys.stderr)
        raise SystemExit(1) from None


def _with_event_class(event_class: type, register: Callable[..., Any]) -> Callable[..., Any]:
    def register_handler(handler: Callable[..., Any]) -> Any:
        registered = register(handler)
        registered.event_class = event_class
        return registered

    return register_handler


class TextResponse(Response):
    """An answer that is passed to API Gateway as text, not base64, although binary_types includes its content type."""

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        """Return the answer as Chalice does if no content type is binary."""
        return super().to_dict()


@needs()
def _unknown_path(**segments: str) -> Response:
    raise UnknownPath


def _refusal(error: ApiError, context: Any, method: str, path: str) -> dict[str, Any]:
    """Return and log the answer to an event that is not a request of any route."""
    with logs.request(context.aws_request_id, method, path):
        logs.note(status=error.status)
    return _as_json(_error_response(error)).to_dict()


def _handle_request(request: Request, get_response: Callable[[Request], Response]) -> Response:
    request_id = request.lambda_context.aws_request_id if request.lambda_context else ""
    # request.path is the route's pattern. The path and the query that the client sent stay out of the log.
    with logs.request(request_id, request.method, request.path), deadline.after(_seconds_left(request)):
        logs.note_image((request.uri_params or {}).get("image_id", ""))
        if clients_id := readers.request_id(request.headers):
            logs.note(client_request_id=clients_id)
        try:
            _check_origin(request)
            response = _internal_error_replaced(get_response(request))
        except ApiError as error:
            if error.status >= 500:
                log.error("%s", error, exc_info=True)
            response = _error_response(error)
        response = _to_send(response, request)
        response.headers["X-Request-Id"] = clients_id or request_id
        response.headers = cors.readable(response.headers, request.headers.get("origin", ""), settings().origins)
        logs.note(status=response.status_code)
    return response


def _check_origin(request: Request) -> None:
    """Raise Forbidden if a page of another site writes under AUTH=open. A bearer token needs a preflight anyway."""
    limits = settings()
    if limits.auth == "open" and cors.is_foreign_write(request.method, request.headers, limits.origins):
        raise Forbidden("Web pages of this origin may not write; CORS_ORIGINS can name the origin to allow it.")


def _to_send(response: Response, request: Request) -> Response:
    """Return an answer as it is sent: as JSON, or without its body for HEAD and for a client that has it already."""
    headers = {**caching.NO_STORE, "X-Content-Type-Options": "nosniff", **response.headers}
    if request.method in ("GET", "HEAD") and response.status_code == 200:
        if "ETag" not in headers and headers["Cache-Control"] != "no-store":
            headers["ETag"] = caching.content_etag(response.body, headers, time.time(), settings().cursor_seconds)
        if caching.is_unchanged(request.headers.get("if-none-match", ""), headers):
            return TextResponse("", headers, 304)
    kind = TextResponse if isinstance(response.body, str) else Response
    response = kind(response.body, headers, response.status_code)
    if not isinstance(response.body, bytes | str):
        response = _as_json(response)
    if request.method != "HEAD":
        return response
    length = len(response.body if isinstance(response.body, bytes) else response.body.encode())
    return TextResponse("", {**response.headers, "Content-Length": str(length)}, response.status_code)


def _as_json(response: Response) -> TextResponse:
    import orjson

    # UTF-8, not escaped to ASCII: the escapes would make a page of emoji three times as long.
    text = orjson.dumps(response.body).decode()
    return TextResponse(text, {**response.headers, "Content-Type": "application/json"}, response.status_code)


def _error_response(error: ApiError) -> Response:
    return Response(contract().error(error.message), {**error.headers}, error.status)


def _internal_error_replaced(response: Response) -> Response:
    """Return the answer, or the service's own answer to an uncaught exception in place of Chalice's."""
    if response.status_code == 500:  # Chalice has logged the exception
        error = "An internal error occurred; the service's log has the details under this request_id."
        return Response({**contract().error(error), "request_id": logs.request_id()}, status_code=500)
    return response


def _seconds_left(request: Request) -> float:
    """Return how long a request may run: API Gateway's time or, if that is shorter, what its function has left."""
    # API Gateway's time includes the cold start, which is over when the function's time begins. A test event has any
    # time, and a direct invocation none.
    received_ms = request.context.get("requestTimeEpoch", inf)
    waited = time.time() - received_ms / 1000
    left = _API_GATEWAY_SECONDS - (waited if 0 < waited < _API_GATEWAY_SECONDS else 0)
    if request.lambda_context:
        left = min(left, request.lambda_context.get_remaining_time_in_millis() / 1000)
    return left - _ANSWER_SECONDS


def _handle_event(event: Any, get_response: Callable[[Any], Any]) -> Any:
    seconds = event.context.get_remaining_time_in_millis() / 1000 - _ANSWER_SECONDS
    with logs.event(event.context.aws_request_id, event.context.function_name), deadline.after(seconds):
        return get_response(event)
