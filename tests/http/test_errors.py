import pytest

from tests.http.client import Service, User
from tests.pictures import base64_picture

JSON = {"Content-Type": "application/json"}
NOBODYS = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"  # an id of no image
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}


@pytest.mark.parametrize(
    ("method", "path", "how", "status"),
    [
        ("GET", "/nope", {}, 404),
        ("POST", "/nope/nope", {}, 404),
        ("GET", f"/images/{NOBODYS}", {}, 404),
        ("DELETE", f"/images/{NOBODYS}", {}, 404),
        ("GET", "/images/%2e%2e%2f%2e%2e", {}, 404),
        ("POST", "/images", {"data": b"{", "headers": JSON}, 400),
        ("POST", "/images", {"data": b"", "headers": JSON}, 400),
        ("POST", "/images", {"json": []}, 400),
        ("POST", "/images", {"json": {"image_data": base64_picture()}}, 400),
        ("POST", "/images", {"json": {"user_id": "alice", "image_data": "not base64!"}}, 400),
        ("POST", "/images", {"json": {"user_id": "alice", "image_data": "aGVsbG8="}}, 415),
        ("POST", "/images", {"json": {"user_id": "alice", "image_data": "A" * 4_700_000}}, 413),
        ("POST", "/images", {"data": "user_id=alice"}, 400),
        ("POST", "/images", {"data": {"user_id": "alice"}}, 415),
        ("GET", "/images?limit=0", {}, 400),
        ("GET", "/images?limit=ten", {}, 400),
        ("GET", "/images?last_evaluated_key=%00", {}, 400),
        ("GET", "/images?user_id=a/b", {}, 400),
    ],
)
def test_every_error_has_its_status_and_one_shape(
    service: Service, method: str, path: str, how: dict[str, object], status: int
) -> None:
    assert service.call(method, path, **how).status_code == status


@pytest.mark.parametrize(
    ("path", "takes"),
    [
        ("/", {"GET"}),
        ("/health", {"GET"}),
        ("/images", {"GET", "POST"}),
        ("/images/count", {"GET"}),
        (f"/images/{NOBODYS}", {"GET", "PUT", "DELETE"}),
        (f"/images/{NOBODYS}/complete", {"POST"}),
        ("/upload", {"POST"}),
        (f"/items/{NOBODYS}", {"GET", "PUT", "DELETE"}),
        (f"/delete/{NOBODYS}", {"DELETE"}),
    ],
)
def test_a_wrong_method_is_405_and_says_which_are_right(service: Service, path: str, takes: set[str]) -> None:
    for method in METHODS - takes:
        answer = service.call(method, path)
        assert (answer.status_code, {*answer.headers["Allow"].split(", ")}) == (405, takes), method
    options = service.call("OPTIONS", path)
    assert (options.status_code, options.content, {*options.headers["Allow"].split(", ")}) == (204, b"", takes)


@pytest.mark.parametrize("path", ["/nope", "/nope/nope", "/a/b/c/d/e/f/g/h"])
def test_an_unknown_path_is_404_by_every_method(service: Service, path: str) -> None:
    for method in (*METHODS, "OPTIONS"):
        assert service.call(method, path).status_code == 404, method


@pytest.mark.parametrize("path", ["/images", "/nope"])
def test_an_answer_to_head_has_no_body(service: Service, path: str) -> None:
    answer = service.call("HEAD", path)
    assert (answer.status_code, answer.content) == (404 if path == "/nope" else 405, b"")


def test_what_was_refused_is_not_there(alice: User) -> None:
    alice.try_upload(b"hello")
    alice.try_upload(b"")
    assert alice.service.ids(user_id=alice.user_id) == []


def test_a_key_of_another_list_is_refused(alice: User) -> None:
    for _ in range(2):
        alice.upload(b"GIF89a\x01\0\x01\0\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b")
    key = alice.service.get("/images", user_id=alice.user_id, limit=1)["last_evaluated_key"]
    assert alice.service.call("GET", f"/images?user_id=bob&last_evaluated_key={key}").status_code == 400
