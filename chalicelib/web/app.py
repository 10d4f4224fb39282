"""The HTTP edge: what every request and every answer has in common, whatever the route."""

import logging
from collections.abc import Callable
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Request, Response, S3Event, ScheduleExpression

from chalicelib import logs
from chalicelib.config import settings
from chalicelib.errors import ApiError, BadInput, NotYet, UnknownPath, WrongMethod
from chalicelib.permissions import needs
from chalicelib.web import cors, invocations

# Chalice has no route that catches all: paths of up to this many segments are answered by routes of their own.
_DEPTH = 8

# Those that API Gateway knows, but for OPTIONS, which every path answers alike.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_UNKNOWN_PATH, _WRONG_METHOD, _OPTIONS = "unknown_path", "wrong_method", "options"  # routes of no contract

log = logging.getLogger("images-api")


class ImagesApi(Chalice):
    """A Chalice app whose every error is `{"error": "<one clear sentence>"}`."""

    current_request: Request  # in a route there is one

    def __init__(self, app_name: str) -> None:
        super().__init__(app_name=app_name, configure_logs=False)
        logs.configure()
        # Every body comes as bytes, and every answer goes as it is, whatever Content-Type and Accept say.
        self.api.binary_types = ["*/*"]
        self.register_middleware(_answer, "http")
        self.register_middleware(_trace, "s3")
        self.register_middleware(_trace, "scheduled")
        for depth in range(1, _DEPTH + 1):
            path = "".join(f"/{{segment{i}}}" for i in range(1, depth + 1))
            self.route(path, methods=_METHODS, name=_UNKNOWN_PATH)(_unknown_path)

    def route(self, path: str, **kwargs: Any) -> Callable[..., Any]:
        """As Chalice's; the reader of a body, not the route, says which content types it takes."""
        return super().route(path, content_types=["*/*"], **kwargs)

    def answer_every_method(self) -> None:
        """Route the methods that paths lack, once all that they have are routed.

        API Gateway would answer these itself, with a 403 that speaks of a missing token.
        """
        for path, routes in self.routes.items():
            lacking = [method for method in _METHODS if method not in routes]
            self.route(path, methods=lacking, name=_WRONG_METHOD)(self._wrong_method)
            self.route(path, methods=["OPTIONS"], name=_OPTIONS)(self._options)

    def on_s3_event(
        self,
        bucket: str,
        events: list[str] | None = None,
        prefix: str | None = None,
        suffix: str | None = None,
        name: str | None = None,
    ) -> Callable[..., Any]:
        """As Chalice's; the handler can have an event without an object, as S3's test event."""
        return _taking(AnyS3Event, super().on_s3_event(bucket, events, prefix, suffix, name))

    def schedule(
        self, expression: str | ScheduleExpression, name: str | None = None, description: str = ""
    ) -> Callable[..., Any]:
        """As Chalice's; the handler can be invoked by hand with any event."""
        return _taking(AnyScheduledEvent, super().schedule(expression, name, description))

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an event of API Gateway.

        A client without an Accept header accepts everything (RFC 9110 section 12.5.1); Chalice would refuse it.
        """
        headers = {"accept": "*/*"} | {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        return super().__call__({**event, "headers": headers}, context)

    def invoke(self, method: str, path: str, event: object, context: Any) -> dict[str, Any]:
        """Answer a direct invocation as the route of a path answers a request: as a Lambda proxy."""
        try:
            request = invocations.api_event(method, path, event)
        except BadInput as error:
            with logs.request(context.aws_request_id, method, path):
                logs.note(status=error.status)
            return _json(_error(error)).to_dict()
        return self(request, context)

    @needs()
    def _wrong_method(self, **segments: str) -> Response:
        raise WrongMethod(self.current_request.method, self._taken())

    @needs()
    def _options(self, **segments: str) -> Response:
        """Say which methods the path takes, and to an origin of CORS_ORIGINS what its scripts may send.

        That goes for an unknown path too: else a browser would hide from a script that there is none.
        """
        origin, limits = self.current_request.headers.get("origin", ""), settings()
        allowed = cors.preflight(origin, limits.origins, self._taken(), limits.cors_max_age_seconds)
        if not allowed and self.routes[self.current_request.path]["GET"].view_name == _UNKNOWN_PATH:
            raise UnknownPath
        return Text("", {"Allow": ", ".join(self._taken()), **allowed}, 204)

    def _taken(self) -> list[str]:
        """The methods that the path of the request takes."""
        routes = self.routes[self.current_request.path]
        return [method for method, route in routes.items() if route.view_name not in (_WRONG_METHOD, _OPTIONS)]


class AnyS3Event(S3Event):
    """An event of S3 of any number of objects; Chalice's own wants one at least, and knows the first alone."""

    def _extract_attributes(self, event_dict: dict[str, Any]) -> None:
        """Leave the event as it is: requests.objects_created reads it."""


class AnyScheduledEvent(CloudWatchEvent):
    """An event of a schedule, or what someone invokes its function with by hand."""

    def _extract_attributes(self, event_dict: dict[str, Any]) -> None:
        """Leave the event as it is: requests.is_dry_run reads it."""


def _taking(event_class: type, register: Callable[..., Any]) -> Callable[..., Any]:
    def registering(handler: Callable[..., Any]) -> Any:
        registered = register(handler)
        registered.event_class = event_class
        return registered

    return registering


class Text(Response):
    """An answer that needs no base64 on its way through API Gateway, though its content type counts as binary."""

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        """As the base's where no type is binary."""
        return super().to_dict()


@needs()
def _unknown_path(**segments: str) -> Response:
    raise UnknownPath


def _answer(request: Request, get_response: Callable[[Request], Response]) -> Response:
    request_id = request.lambda_context.aws_request_id if request.lambda_context else ""
    # The path is the route's pattern: what a client puts into a path or a query stays out of the log.
    with logs.request(request_id, request.method, request.path):
        logs.note_image((request.uri_params or {}).get("image_id", ""))
        try:
            response = _in_our_shape(get_response(request))
        except ApiError as error:
            if error.status >= 500 and not isinstance(error, NotYet):
                log.error("%s", error, exc_info=True)
            response = _error(error)
        if not isinstance(response.body, bytes | str):
            response = _json(response)
        response.headers["X-Request-Id"] = request_id
        response.headers = cors.readable(response.headers, request.headers.get("origin", ""), settings().origins)
        logs.note(status=response.status_code)
    return response


def _json(response: Response) -> Text:
    import orjson

    # In UTF-8, and not escaped to ASCII, which would make a page of emoji three times as long.
    text = orjson.dumps(response.body).decode()
    return Text(text, {**response.headers, "Content-Type": "application/json"}, response.status_code)


def _error(error: ApiError) -> Response:
    return Response({"error": error.message}, {**error.headers}, error.status)


def _in_our_shape(response: Response) -> Response:
    """An answer with Chalice's own error in the shape of ours."""
    if response.status_code == 500:  # Chalice has logged the exception
        error = "Something went wrong on our side; the log has it under this request_id."
        return Response({"error": error, "request_id": logs.request_id()}, status_code=500)
    return response


def _trace(event: Any, get_response: Callable[[Any], Any]) -> Any:
    with logs.event(event.context.aws_request_id, event.context.function_name):
        return get_response(event)
