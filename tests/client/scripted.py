"""An HTTP server that answers as a test tells it, also by breaking the connection, and notes what it received."""

import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import requests

Reply = Callable[["Handler", "Received"], None]

_UPSTREAM_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str  # with the query
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    at: float  # of a monotonic clock, in seconds


@dataclass(slots=True)
class Scripted:
    """The server: each request takes the next of the replies, and the last one again and again."""

    url: str
    replies: deque[Reply]
    received: list[Received] = field(default_factory=list)
    connections: int = 0  # that clients opened
    arrived: threading.Event = field(default_factory=threading.Event)  # set by the first request
    released: threading.Event = field(default_factory=threading.Event)  # ends `hanging`, when the server ends

    def headers(self, name: str) -> list[str | None]:
        """Return a header of each request."""
        return [received.headers.get(name.lower()) for received in self.received]


@contextmanager
def scripted(*replies: Reply, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Run a server on a free port."""
    with _Server(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        script = Scripted(url, deque(replies))
        server.script = script
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield script
        finally:
            script.released.set()
            server.shutdown()


def answer(status: int = 200, document: Any = None, **headers: str) -> Reply:
    """Answer with JSON, or with a text if the document is one. `Retry_After` is the header Retry-After."""
    content = document if isinstance(document, str) else json.dumps({} if document is None else document)

    def reply(handler: "Handler", received: Received) -> None:
        handler.respond(status, {name.replace("_", "-"): text for name, text in headers.items()}, content.encode())

    return reply


def error(status: int, sentence: str, **headers: str) -> Reply:
    """Answer an error as the service does."""
    return answer(status, {"error": sentence, "message": sentence}, X_Request_Id="request-1", **headers)


def closing(handler: "Handler", received: Received) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def half(handler: "Handler", received: Received) -> None:
    """Close the connection in the middle of the answer."""
    handler.respond(200, {"Content-Length": "100"}, b'{"count": ')
    handler.close_connection = True


def hanging(handler: "Handler", received: Received) -> None:
    """Answer nothing until the test ends."""
    handler.script.released.wait()
    handler.close_connection = True


def passing_on(upstream: str) -> Reply:
    """Answer as another server does."""

    def reply(handler: "Handler", received: Received) -> None:
        got = forwarded(upstream, received)
        handler.respond(got.status_code, {"Content-Type": got.headers["Content-Type"]}, got.content)

    return reply


def losing_the_answer_of(upstream: str) -> Reply:
    """Let another server carry out the request, and close the connection without its answer."""

    def reply(handler: "Handler", received: Received) -> None:
        assert forwarded(upstream, received).ok
        handler.close_connection = True

    return reply


def forwarded(upstream: str, received: Received) -> requests.Response:
    """Send a request on to another server, and return its answer."""
    headers = {name: text for name, text in received.headers.items() if name not in ("host", "content-length")}
    return requests.request(
        received.method, upstream + received.path, data=received.body, headers=headers, timeout=_UPSTREAM_SECONDS
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    script: Scripted

    def get_request(self) -> tuple[socket.socket, Any]:
        self.script.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: clients break connections off."""


class Handler(BaseHTTPRequestHandler):
    """Handles a connection."""

    protocol_version = "HTTP/1.1"

    @property
    def script(self) -> Scripted:
        return cast(_Server, self.server).script

    def respond(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, text in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def handle_any(self) -> None:
        headers = {name.lower(): text for name, text in self.headers.items()}
        length = int(headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the client broke the request off
            self.close_connection = True
            return
        received = Received(self.command, self.path, headers, body, time.monotonic())
        script = self.script
        script.received.append(received)
        reply = script.replies.popleft() if len(script.replies) > 1 else script.replies[0]
        script.arrived.set()
        reply(self, received)
        if self.close_connection:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
