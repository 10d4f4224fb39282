"""The HTTP server of `chalice local`, made robust and closer to API Gateway.

Chalice's own server closes the connection on a wrong Content-Length, reads a body of any size into memory, answers some
errors in HTML, and passes percent-encoded path parameters and unencoded binary bodies to the app.
"""

import functools
import gzip
import json
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.credentials import Credentials
from chalice.app import Chalice
from chalice.config import Config
from chalice.local import (
    ChaliceRequestHandler,
    CustomLocalChalice,
    LambdaEventConverter,
    LocalChalice,
    LocalGateway,
    LocalGatewayException,
    RouteMatcher,
    ThreadedHTTPServer,
)

from chalicelib.web.contracts import contract
from dev import Refused, functions
from dev.disk import Disk
from dev.functions import Functions
from dev.hosts import is_served
from dev.processes import url
from dev.signatures import Request
from project import CannotRun

MAX_BODY_BYTES = 10 * 1024 * 1024  # API Gateway's limit
_IDLE_SECONDS = 60
_LINGER_SECONDS = 2
_FINISH_SECONDS = 2  # that running requests get at the end
_POLL_SECONDS = 0.1

_WRITES = ("POST", "PUT", "PATCH")

# API Gateway compresses from this size (minimum_compression_size in .chalice/config.json).
_MIN_COMPRESSED_BYTES = 1024
_COMPRESSED = ("application/json", "text/", "image/svg+xml")  # content types; API Gateway compresses all


@dataclass(frozen=True, slots=True)
class Site:
    """What a server serves an app with."""

    disk: Disk | None  # None: the data is not on this machine
    credentials: Credentials  # the key that invokes functions
    hosts: tuple[str, ...] = ()  # further names of this server


class Server(ThreadedHTTPServer):
    """Listens as soon as it exists. Clients that connect early wait until the server serves.

    Forks of the process can serve at the same time. Each connection belongs to the one that accepts it first.
    """

    request_queue_size = 128
    allow_reuse_port = False  # a busy port is an error

    def __init__(self, host: str, port: int) -> None:
        """Listen on an address. Raises CannotRun: it is in use, or not an address of this machine."""
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise CannotRun(f"Port {port} of {host} cannot be used: {reason}.") from None
        self.socket.setblocking(False)  # when a connection comes, all processes wake up, and one of them accepts it
        self.answering: set[Handler] = set()  # connections whose request is being answered

    @property
    def url(self) -> str:
        """The URL at which this machine reaches the server."""
        return url(*self.server_address[:2])

    def server_bind(self) -> None:
        """Bind the socket without looking up this machine's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    @contextmanager
    def serving(self, app: Chalice, config: Config, site: Site) -> Iterator[None]:
        """Serve the app in threads of this process for the length of the block, then let running requests finish."""
        # As in chalice.local.create_local_server: each thread needs its own current_request.
        CustomLocalChalice.__bases__ = (LocalChalice, app.__class__)
        app.__class__ = CustomLocalChalice
        gateway = Gateway(app, config, site.disk)
        gateway.event_converter = Converter(RouteMatcher(list(app.routes)), app.api.binary_types)
        plain = Functions(app, config, site.credentials)
        self.RequestHandlerClass = functools.partial(Handler, gateway=gateway, functions=plain, hosts=site.hosts)
        threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()
        try:
            yield
        finally:
            self.shutdown()
            deadline = time.monotonic() + _FINISH_SECONDS
            while self.answering and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report errors, except those of clients that closed the connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Gateway(LocalGateway):
    """Refuses what would write to a full disk."""

    def __init__(self, app: Chalice, config: Config, disk: Disk | None) -> None:
        super().__init__(app, config)
        self._disk = disk

    def handle_request(self, method: str, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Let the app answer a request.

        Raises Refused: the request writes, or asks for the health, and the disk is full.
        """
        if self._disk:
            _check_space(self._disk, method, urlsplit(path).path)
        response: dict[str, Any] = super().handle_request(method, path, *args, **kwargs)
        return response


def _check_space(disk: Disk, method: str, route: str) -> None:
    # An abort and a deletion free space.
    if method == "DELETE" or route.endswith("/abort"):
        disk.make_room()
    elif (method in _WRITES or route == "/health") and (shortage := disk.shortage):
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, shortage)


class Converter(LambdaEventConverter):
    """Turns requests into Lambda events, closer to API Gateway than its base class in three ways."""

    def create_lambda_event(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the event, with decoded path parameters and with a body that is not binary as text."""
        event: dict[str, Any] = super().create_lambda_event(*args, **kwargs)
        event["pathParameters"] = {name: unquote(value) for name, value in event["pathParameters"].items()}
        if not event.setdefault("isBase64Encoded", False) and event["body"] is not None:
            event["body"] = event["body"].decode(errors="replace")
        return event

    def _is_binary(self, headers: dict[str, Any]) -> bool:
        content_type = headers.get("content-type", "application/json").split(";")[0].strip()
        return bool({content_type, f"{content_type.split('/')[0]}/*", "*/*"} & set(self._binary_types))


class Handler(ChaliceRequestHandler):
    """One connection."""

    disable_nagle_algorithm = True  # headers and body are two writes; with it, the second would wait for an ACK
    timeout = _IDLE_SECONDS
    default_request_version = "HTTP/1.1"  # without it, the response to a malformed request line has no status
    server_version = "images-api"
    sys_version = ""

    def __init__(self, *args: Any, gateway: LocalGateway, functions: Functions, hosts: tuple[str, ...]) -> None:
        """Handle the connection; http.server does this in the constructor."""
        self.local_gateway = gateway
        self._functions, self._hosts = functions, hosts
        BaseHTTPRequestHandler.__init__(self, *args)

    def handle_one_request(self) -> None:
        """Handle one request. A Refused exception becomes the response."""
        try:
            super().handle_one_request()
        except Refused as refusal:
            self.send_error(refusal.status, str(refusal))
        finally:
            self.server.answering.discard(self)

    def parse_request(self) -> bool:
        """Parse the request line and the headers, and refuse a request for another host."""
        self.server.answering.add(self)
        parsed: bool = super().parse_request()
        if parsed:
            self._check_host()
        return parsed

    def _check_host(self) -> None:
        named = self.headers.get_all("Host", [])
        if len(named) != 1 and (named or self.request_version == "HTTP/1.1"):  # RFC 9112 section 3.2
            raise Refused(HTTPStatus.BAD_REQUEST, "A request must have one Host header.")
        if named and not is_served(named[0], str(self.server.server_address[0]), self._hosts):
            reason = f"This service is not {named[0][:255]!r}; if it should be, start it with ALLOWED_HOSTS."
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, reason)

    def handle_expect_100(self) -> bool:
        """Send no 100 Continue yet: `_body` does, unless it refuses the request first."""
        return True

    def do_POST(self) -> None:  # noqa: N802
        """Invoke a function if the path is one of the Invoke API, else let the app answer."""
        function = functions.named(self.path)
        if function is None:
            self._generic_handle()
            return
        try:
            payload = b"".join(self._body(functions.MAX_PAYLOAD_BYTES))
            answer = self._functions.invoke(function, Request(self.command, self.path, self.headers, payload))
        except Refused as refusal:
            answer = functions.refused(refusal)
            self._refuse(answer.status, answer.headers, answer.body)
        else:
            self._send_http_response(answer.status, answer.headers, answer.body)

    def do_TRACE(self) -> None:  # noqa: N802
        """Answer 405 with the methods of the path. API Gateway does not support TRACE."""
        headers, _ = self._parse_payload()
        found = self.local_gateway.handle_request("OPTIONS", self.path, headers, None)
        if found["statusCode"] >= HTTPStatus.BAD_REQUEST:
            self._send_http_response(found["statusCode"], found["headers"], found["body"])
            return
        allowed = found["headers"].get("Allow", "")
        error = contract().error(f"TRACE is not allowed on this path, which allows {allowed}.")
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": allowed}, json.dumps(error))

    def _parse_payload(self) -> tuple[dict[str, str], bytes | None]:
        headers = {name.lower(): _text(value) for name, value in self.headers.items()}
        try:
            self.local_gateway.event_converter._route_matcher.match_route(self.path)
        except ValueError:
            # chalice.local answers as API Gateway does by default, which speaks of authentication.
            raise Refused(HTTPStatus.NOT_FOUND, "No route matches this path.") from None
        body = b"".join(self._body(MAX_BODY_BYTES))
        return headers, body or None

    def _body(self, limit: int) -> Iterator[bytes]:
        lengths = set(self.headers.get_all("Content-Length", []))
        if encoding := self.headers.get("Transfer-Encoding"):
            if encoding.strip().lower() != "chunked" or lengths:
                raise Refused(HTTPStatus.BAD_REQUEST, "Transfer-Encoding must be chunked, without a Content-Length.")
            self._continue()
            yield from self._chunks(limit)
        elif lengths:
            text = lengths.pop()
            if lengths or not re.fullmatch("[0-9]+", text):
                raise Refused(HTTPStatus.BAD_REQUEST, "Content-Length must be one whole number.")
            length = _within(limit, text)
            self._continue()
            yield self._read(length)

    def _chunks(self, limit: int) -> Iterator[bytes]:
        """Yield the chunks of a body (RFC 9112 section 7.1). Extensions and trailers are ignored."""
        total = 0
        while True:
            text = self.rfile.readline(1024).split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", text):
                raise Refused(HTTPStatus.BAD_REQUEST, "A chunk of the body has no size.")
            size = int(text, 16)
            total = _within(limit, total + size)
            if size == 0:
                break
            yield self._read(size)
            if self._read(2) != b"\r\n":
                raise Refused(HTTPStatus.BAD_REQUEST, "A chunk of the body is longer than its size.")
        while self.rfile.readline(1024).strip():
            pass

    def _read(self, length: int) -> bytes:
        body: bytes = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("The client closed the connection in the middle of the body.")
        return body

    def _continue(self) -> None:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer an error as the app does, and close the connection: the rest of a refused body may follow on it."""
        reason = message or HTTPStatus(code).phrase
        self._refuse(code, {}, json.dumps(contract().error(reason if reason.endswith(".") else f"{reason}.")))

    def _refuse(self, code: int, headers: dict[str, str], content: str) -> None:
        self.close_connection = True
        self._send_http_response_with_body(code, {**headers, "Connection": "close"}, content)
        self._linger()

    def _send_error_response(self, error: LocalGatewayException) -> None:
        self.send_error(error.CODE)

    def _linger(self) -> None:
        """Read on for a while. Closing while the client sends would reset the connection and lose the response."""
        deadline = time.monotonic() + _LINGER_SECONDS
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_SECONDS)
            while self.connection.recv(65536) and time.monotonic() < deadline:
                pass
        except OSError:
            return

    def _send_http_response_with_body(self, code: int, headers: dict[str, Any], body: str | bytes) -> None:
        if code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):  # without a Content-Length (RFC 9110 section 8.6)
            self.send_response(code)
            self._send_headers(headers)
            return
        content = body if isinstance(body, bytes) else body.encode()
        # The app leaves out the body of an answer to HEAD, and says how long it would be.
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}
        is_long = int(headers["Content-Length"]) >= _MIN_COMPRESSED_BYTES
        if headers["Content-Type"].startswith(_COMPRESSED) and is_long:
            headers["Vary"] = ", ".join([*_listed(headers.get("Vary", [])), "Accept-Encoding"])
            if accepts_gzip(", ".join(self.headers.get_all("Accept-Encoding", []))):
                content = gzip.compress(content, compresslevel=6, mtime=0)
                headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(content))}
                if self.command == "HEAD":
                    del headers["Content-Length"]
        self.send_response(code)
        self._send_headers(headers)
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Log nothing: the app logs each request."""


def _text(value: str) -> str:
    """Decode a header's value as UTF-8 if possible, as API Gateway does; http.server has decoded it as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client accepts answers in gzip (RFC 9110 section 12.5.3)."""
    weights = {name.strip().lower(): weight for name, weight in map(_weighted, accept_encoding.split(","))}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _weighted(coding: str) -> tuple[str, float]:
    name, _, weight = coding.partition(";")
    match = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight, re.IGNORECASE)
    return name, float(match[1]) if match else 1.0


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _within(limit: int, size: int | str) -> int:
    # The length is compared first: int() refuses a number of thousands of digits.
    if len(str(size)) > len(str(limit)) or int(size) > limit:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may have at most {limit} bytes.")
    return int(size)
