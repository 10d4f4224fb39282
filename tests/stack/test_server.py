"""The HTTP server of the embedded stack, with a small test app."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse

import pytest
import requests
from chalice.app import BadRequestError, Chalice, Response

from dev.server import MAX_BODY_BYTES, Server
from project import CannotRun
from tests.errors import error
from tests.stack.conftest import Store, serving

app = Chalice(app_name="edge", configure_logs=False)
app.api.binary_types = ["application/octet-stream", "image/*", "multipart/form-data"]


@app.route("/echo/{name}", methods=["POST"], content_types=["*/*"])
def echo(name: str) -> Response:
    request = app.current_request
    assert request
    encoded = request.to_original_event()["isBase64Encoded"] if name == "event" else None
    return Response({"name": name, "size": len(request.raw_body), "encoded": encoded})


@app.route("/whoami", methods=["GET"])
def whoami() -> dict[str, str]:
    request = app.current_request
    assert request
    return {"user": request.headers["x-user-id"]}


@app.route("/refuse", methods=["POST"], content_types=["*/*"])
def refuse() -> None:
    raise BadRequestError("No.")


@app.route("/read", methods=["GET"])
def read() -> dict[str, str]:
    return {"read": "yes"}


@app.route("/nothing", methods=["OPTIONS"])
def nothing() -> Response:
    return Response("", {"Allow": "GET"}, 204)


@pytest.fixture(scope="module")
def store() -> Store:
    return Store()


@pytest.fixture(scope="module")
def server(store: Store) -> Iterator[Server]:
    with serving(app, store) as server:
        yield server


def exchange(server: Server, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes unchanged; return status, headers and body of the response."""
    with socket.create_connection(server.server_address[:2], timeout=60) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection, method=request.split(b" ")[0].decode())
        answer.begin()
        return answer.status, dict(answer.headers), answer.read()


def post(server: Server, *headers: str, body: bytes = b"", path: str = "/echo/a") -> tuple[int, dict[str, str], bytes]:
    lines = [f"POST {path} HTTP/1.1", "Host: here", "Connection: close", *headers, "", ""]
    return exchange(server, "\r\n".join(lines).encode() + body)


def assert_is_an_error(answer: tuple[int, dict[str, str], bytes], status: int, *words: str) -> None:
    assert answer[0] == status
    assert answer[1]["Content-Type"] == "application/json"
    error = json.loads(answer[2])["error"]
    assert error.endswith(".")
    assert all(word in error for word in words)


def test_an_unknown_path_is_404_with_a_json_error(server: Server) -> None:
    answer = requests.get(f"{server.url}/no/such/path", timeout=60)
    assert (answer.status_code, answer.json()) == (404, error("No route matches this path."))


def test_an_unknown_path_is_404_also_with_a_token(server: Server) -> None:
    answer = requests.get(f"{server.url}/no/such/path", headers={"Authorization": "Bearer é".encode()}, timeout=60)
    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD"])
def test_a_405_lists_the_methods_of_the_path(server: Server, method: str) -> None:
    answer = requests.request(method, f"{server.url}/read", timeout=60)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "BREW"])
def test_a_method_that_api_gateway_does_not_support_is_501(server: Server, method: str) -> None:
    answer = requests.request(method, f"{server.url}/read", timeout=60)
    assert (answer.status_code, answer.json()) == (501, error(f"Unsupported method ('{method}')."))


def test_a_response_to_head_has_no_body_and_the_connection_stays_usable(server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request("HEAD", "/no/such/path")
    assert connection.getresponse().read() == b""
    connection.request("HEAD", "/read")
    head = connection.getresponse()
    assert (head.read(), int(head.headers["Content-Length"]) > 0) == (b"", True)
    connection.request("GET", "/read")
    assert json.load(connection.getresponse()) == {"read": "yes"}


def test_a_204_has_no_content_length_and_the_connection_stays_usable(server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request("OPTIONS", "/nothing")
    nothing = connection.getresponse()
    assert (nothing.status, nothing.read(), nothing.headers["Content-Length"]) == (204, b"", None)
    assert (nothing.headers["Content-Type"], nothing.headers["Allow"]) == (None, "GET")
    connection.request("GET", "/read")
    assert json.load(connection.getresponse()) == {"read": "yes"}


@pytest.mark.parametrize("length", ["ten", "-1", "1.5", "", "+3", "٣"])
def test_a_content_length_that_is_not_a_number_is_400(server: Server, length: str) -> None:
    assert_is_an_error(post(server, f"Content-Length: {length}"), 400, "Content-Length")


def test_two_different_content_lengths_are_400(server: Server) -> None:
    assert_is_an_error(post(server, "Content-Length: 1", "Content-Length: 2", body=b"ab"), 400, "Content-Length")


def test_a_body_of_ten_mebibytes_is_accepted(server: Server) -> None:
    body = bytes(MAX_BODY_BYTES)
    answer = requests.post(
        f"{server.url}/echo/a", body, headers={"Content-Type": "application/octet-stream"}, timeout=30
    )
    assert answer.json()["size"] == MAX_BODY_BYTES


def test_a_larger_body_is_413_even_if_the_client_sends_all_of_it(server: Server) -> None:
    answer = requests.post(f"{server.url}/echo/a", bytes(MAX_BODY_BYTES + 1), timeout=60)
    assert answer.status_code == 413
    assert str(MAX_BODY_BYTES) in answer.json()["error"]


def test_a_huge_content_length_is_413_at_once(server: Server) -> None:
    assert_is_an_error(post(server, f"Content-Length: {'9' * 5_000}"), 413, str(MAX_BODY_BYTES))


def test_a_client_that_expects_100_continue_receives_it(server: Server) -> None:
    with socket.create_connection(server.server_address[:2], timeout=60) as connection:
        connection.sendall(
            b"POST /echo/a HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"abc")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_expects_100_continue_for_a_larger_body_receives_413(server: Server) -> None:
    assert_is_an_error(post(server, f"Content-Length: {MAX_BODY_BYTES + 1}", "Expect: 100-continue"), 413)


def test_a_chunked_body_is_read_completely(server: Server) -> None:
    answer = requests.post(f"{server.url}/echo/a", iter([b"abc", b"d" * 70_000]), timeout=60)
    assert answer.json()["size"] == 70_003


def test_chunk_extensions_and_trailers_are_ignored(server: Server) -> None:
    body = b"3;name=value\r\nabc\r\n0\r\nX-Trailer: yes\r\n\r\n"
    status, _, content = post(server, "Transfer-Encoding: chunked", body=body)
    assert (status, json.loads(content)["size"]) == (200, 3)


def test_a_chunked_body_over_the_limit_is_413(server: Server) -> None:
    mebibyte = bytes(1024 * 1024)
    answer = requests.post(f"{server.url}/echo/a", (mebibyte for _ in range(11)), timeout=60)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body", [b"x\r\nabc\r\n0\r\n\r\n", b"\r\n", b"-3\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"2\r\nabc\r\n"]
)
def test_chunks_without_a_valid_size_are_400(server: Server, body: bytes) -> None:
    assert_is_an_error(post(server, "Transfer-Encoding: chunked", body=body), 400, "chunk")


def test_other_transfer_encodings_and_ambiguous_lengths_are_400(server: Server) -> None:
    assert_is_an_error(post(server, "Transfer-Encoding: gzip"), 400, "Transfer-Encoding")
    both = ("Transfer-Encoding: chunked", "Content-Length: 3")
    assert_is_an_error(post(server, *both, body=b"0\r\n\r\n"), 400, "Transfer-Encoding")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET / HTTP/9.9", 505),
        (b"GET / HTTP/one", 400),
        (b"GET", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, 431),
        (b"GET / HTTP/1.1" + b"\r\nX: 1" * 200, 431),
    ],
)
def test_an_invalid_request_is_refused_in_json(server: Server, request_line: bytes, status: int) -> None:
    assert_is_an_error(exchange(server, request_line + b"\r\n\r\n"), status)


def test_path_parameters_are_decoded_as_by_api_gateway(server: Server) -> None:
    answer = requests.post(f"{server.url}/echo/gr%C3%BC%C3%9Fe%20%2F%20x", b"", timeout=60)
    assert answer.json()["name"] == "grüße / x"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_headers_are_decoded_as_utf_8_or_else_as_latin_1(server: Server, encoding: str) -> None:
    headers = {"X-User-Id": "Jürgen".encode(encoding)}
    assert requests.get(f"{server.url}/whoami", headers=headers, timeout=60).json() == {"user": "Jürgen"}


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [("application/json", False), ("image/png", True), ("multipart/form-data; boundary=x", True)],
)
def test_binary_bodies_are_encoded_for_the_app_as_by_api_gateway(
    server: Server, content_type: str, encoded: bool
) -> None:
    answer = requests.post(f"{server.url}/echo/event", b"abc", headers={"Content-Type": content_type}, timeout=60)
    assert answer.json() == {"name": "event", "size": 3, "encoded": encoded}


def test_a_client_that_disconnects_is_not_logged(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(server.server_address[:2], timeout=60) as connection:
        connection.sendall(b"POST /echo/a HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert capfd.readouterr().err == ""


def test_a_hundred_concurrent_clients_are_all_answered(server: Server) -> None:
    with ThreadPoolExecutor(100) as clients:
        answers = clients.map(lambda _: requests.get(f"{server.url}/read", timeout=60).status_code, range(200))
    assert set(answers) == {200}


def test_a_second_server_on_a_port_is_refused_in_one_line(server: Server) -> None:
    host, port = server.server_address[:2]
    with pytest.raises(CannotRun, match=rf"^Port {port} of 127\.0\.0\.1 cannot be used: Address already in use\.$"):
        Server(str(host), port)


def test_writes_are_on_disk_before_they_are_acknowledged(server: Server, store: Store) -> None:
    before = store.settled
    requests.get(f"{server.url}/read", timeout=60)
    assert store.settled == before
    requests.post(f"{server.url}/echo/x", b"x", timeout=60)
    assert store.settled == before + 1


def test_a_refusal_does_not_wait_for_the_store(server: Server, store: Store) -> None:
    before = store.settled
    assert requests.post(f"{server.url}/refuse", b"x", timeout=60).status_code == 400
    assert store.settled == before


def test_an_unreachable_store_is_503(server: Server, store: Store) -> None:
    store.reached = False
    answer = requests.post(f"{server.url}/echo/x", b"x", timeout=60)
    store.reached = True
    assert answer.status_code == 503
    assert answer.json() == error("The store can't be reached; try again in a moment.")
