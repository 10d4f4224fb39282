"""The HTTP server of the embedded stack, with a small test app."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from gzip import decompress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Event, Timer

import pytest
import requests
from chalice.app import BadRequestError, Chalice, Response

from dev.server import MAX_BODY_BYTES, Server
from project import CannotRun
from tests.errors import error
from tests.stack.conftest import serving

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


@app.route("/long", methods=["GET"])
def long() -> Response:
    return Response({"long": "x" * 2_000}, {"ETag": '"3"', "Vary": "Origin"})


@app.route("/long.js", methods=["GET"])
def long_script() -> Response:
    return Response("// " + "x" * 2_000, {"Content-Type": "text/javascript; charset=utf-8"})


@app.route("/long", methods=["HEAD"])
def long_without_body() -> Response:
    return Response("", {"ETag": '"3"', "Vary": "Origin", "Content-Length": "2011"})


@app.route("/unchanged", methods=["GET"])
def unchanged() -> Response:
    return Response("", {"ETag": '"3"'}, 304)


@app.route("/picture", methods=["GET"])
def picture() -> Response:
    return Response(bytes(5_000), {"Content-Type": "image/png"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(app, Path(tmp_path_factory.mktemp("server")), "photos.lan") as server:
        yield server


def exchange(server: Server, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes unchanged; return status, headers and body of the response."""
    with socket.create_connection(server.server_address[:2], timeout=60) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection, method=request.split(b" ")[0].decode())
        answer.begin()
        return answer.status, dict(answer.headers), answer.read()


def post(server: Server, *headers: str, body: bytes = b"", path: str = "/echo/a") -> tuple[int, dict[str, str], bytes]:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
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


@pytest.mark.parametrize("method", ["PROPFIND", "BREW"])
def test_a_method_that_api_gateway_does_not_support_is_501(server: Server, method: str) -> None:
    answer = requests.request(method, f"{server.url}/read", timeout=60)
    assert (answer.status_code, answer.json()) == (501, error(f"Unsupported method ('{method}')."))


def test_trace_is_405_with_the_methods_of_the_path(server: Server) -> None:
    answer = requests.request("TRACE", f"{server.url}/nothing", timeout=60)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert answer.json() == error("TRACE is not allowed on this path, which allows GET.")
    assert requests.request("TRACE", f"{server.url}/no/such/path", timeout=60).status_code == 404


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
            b"POST /echo/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
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
        connection.sendall(b"POST /echo/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
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


def accept(server: Server, path: str, encoding: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Accept-Encoding: {encoding}"]
    return exchange(server, "\r\n".join([*lines, "", ""]).encode())


@pytest.mark.parametrize("encoding", ["gzip", "br, GZIP;q=0.5", "*", "deflate, gzip, br, zstd"])
def test_long_json_is_compressed_for_clients_that_accept_gzip(server: Server, encoding: str) -> None:
    status, headers, body = accept(server, "/long", encoding)
    assert (status, headers["Content-Encoding"], headers["Vary"]) == (200, "gzip", "Origin, Accept-Encoding")
    assert (headers["ETag"], headers["Content-Length"]) == ('"3"', str(len(body)))
    assert json.loads(decompress(body)) == {"long": "x" * 2_000}


def test_a_script_of_a_page_is_compressed(server: Server) -> None:
    _, headers, body = accept(server, "/long.js", "gzip, deflate, br, zstd")
    assert (headers["Content-Encoding"], headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert (len(body) < 100, decompress(body)) == (True, b"// " + b"x" * 2_000)


@pytest.mark.parametrize("encoding", ["", "identity", "gzip;q=0", "*;q=0", "*, gzip;q=0.000", "br"])
def test_long_json_is_not_compressed_for_other_clients(server: Server, encoding: str) -> None:
    _, headers, body = accept(server, "/long", encoding)
    assert "Content-Encoding" not in headers
    assert headers["Vary"] == "Origin, Accept-Encoding"
    assert json.loads(body) == {"long": "x" * 2_000}


@pytest.mark.parametrize(
    ("encoding", "expected"), [("identity", {"Content-Length": "2011"}), ("gzip", {"Content-Encoding": "gzip"})]
)
def test_head_has_the_length_and_the_coding_of_get(server: Server, encoding: str, expected: dict[str, str]) -> None:
    status, headers, body = accept(server, "/long", encoding, "HEAD")
    named = {name: value for name, value in headers.items() if name in ("Content-Length", "Content-Encoding")}
    assert (status, named, headers["Vary"], body) == (200, expected, "Origin, Accept-Encoding", b"")


def test_a_304_has_no_length(server: Server) -> None:
    status, headers, body = accept(server, "/unchanged", "identity")
    assert (status, headers["ETag"], headers.get("Content-Length"), body) == (304, '"3"', None, b"")


@pytest.mark.parametrize("path", ["/read", "/picture"])
def test_short_json_and_pictures_are_not_compressed(server: Server, path: str) -> None:
    _, headers, _ = accept(server, path, "gzip")
    assert not {"Content-Encoding", "Vary"} & headers.keys()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "[::1]:8000",
        "localhost",
        "LOCALHOST.",
        "app.localhost:1",
        "photos.lan",
        "Photos.Lan",
    ],
)
def test_the_names_of_the_server_are_answered(server: Server, host: str) -> None:
    assert requests.get(f"{server.url}/read", headers={"Host": host}, timeout=60).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "192.0.2.1", "127.0.0.1.evil.example", "a@b", ""],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_another_host_is_421(server: Server, method: str, host: str) -> None:
    lines = [f"{method} /echo/a HTTP/1.1", f"Host: {host}", "Connection: close", "", ""]
    assert_is_an_error(exchange(server, "\r\n".join(lines).encode()), 421, "ALLOWED_HOSTS")


@pytest.mark.parametrize("hosts", [[], ["Host: localhost", "Host: evil.example"]])
def test_a_request_without_one_host_is_400(server: Server, hosts: list[str]) -> None:
    assert_is_an_error(exchange(server, "\r\n".join(["GET /read HTTP/1.1", *hosts, "", ""]).encode()), 400, "Host")


def test_a_request_that_runs_when_the_server_ends_is_answered(tmp_path: Path) -> None:
    small, started, ended = Chalice(app_name="small", configure_logs=False), Event(), Event()

    @small.route("/slow")
    def slow() -> dict[str, str]:
        started.set()
        ended.wait(60)
        return {"answered": "yes"}

    with ThreadPoolExecutor(1) as client:
        with serving(small, tmp_path) as server:
            answer = client.submit(requests.get, f"{server.url}/slow", timeout=60)
            assert started.wait(60)
            Timer(0.2, ended.set).start()
        assert answer.result().json() == {"answered": "yes"}


def test_a_full_disk_refuses_writes_and_allows_reads_and_deletions(tmp_path: Path) -> None:
    small = Chalice(app_name="small", configure_logs=False)

    @small.route("/images", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], content_types=["*/*"])
    @small.route("/images/abort", methods=["POST"], content_types=["*/*"])
    @small.route("/health")
    def answer() -> dict[str, str]:
        return {"answered": "yes"}

    with serving(small, tmp_path, margin_mb=10**12) as server:
        for method, path in (("POST", "images"), ("PUT", "images"), ("PATCH", "images"), ("GET", "health?x=1")):
            refused = requests.request(method, f"{server.url}/{path}", timeout=60)
            assert refused.status_code == 503
            assert refused.json()["error"].startswith("The disk is full: ")
        for method, path in (("GET", "images"), ("DELETE", "images"), ("POST", "images/abort")):
            assert requests.request(method, f"{server.url}/{path}", timeout=60).json() == {"answered": "yes"}
