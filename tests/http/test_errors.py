import pytest

from tests.http.client import Service, User
from tests.pictures import base64_picture

JSON = {"Content-Type": "application/json"}
UNKNOWN = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"  # the id of no image
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/nope", {}, 404),
        ("POST", "/nope/nope", {}, 404),
        ("GET", f"/images/{UNKNOWN}", {}, 404),
        ("DELETE", f"/images/{UNKNOWN}", {}, 404),
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
def test_every_error_has_its_status_and_the_common_shape(
    service: Service, method: str, path: str, options: dict[str, object], status: int
) -> None:
    assert service.call(method, path, **options).status_code == status


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", {"GET"}),
        ("/health", {"GET"}),
        ("/images", {"GET", "POST"}),
        ("/images/count", {"GET"}),
        (f"/images/{UNKNOWN}", {"GET", "PUT", "DELETE"}),
        (f"/images/{UNKNOWN}/complete", {"POST"}),
        ("/upload", {"POST"}),
        (f"/items/{UNKNOWN}", {"GET", "PUT", "DELETE"}),
        (f"/delete/{UNKNOWN}", {"DELETE"}),
    ],
)
def test_a_405_lists_the_allowed_methods(service: Service, path: str, allowed: set[str]) -> None:
    allowed = {*allowed, "HEAD"} if "GET" in allowed else allowed
    for method in METHODS - allowed:
        answer = service.call(method, path)
        assert (answer.status_code, {*answer.headers["Allow"].split(", ")}) == (405, allowed), method
    options = service.call("OPTIONS", path)
    assert (options.status_code, options.content, {*options.headers["Allow"].split(", ")}) == (204, b"", allowed)


@pytest.mark.parametrize("path", ["/nope", "/nope/nope", "/a/b/c/d/e/f/g/h"])
def test_an_unknown_path_is_404_for_every_method(service: Service, path: str) -> None:
    for method in (*METHODS, "OPTIONS"):
        assert service.call(method, path).status_code == 404, method


@pytest.mark.parametrize(("path", "status"), [("/images", 200), ("/health", 200), ("/upload", 405), ("/nope", 404)])
def test_a_response_to_head_has_no_body(service: Service, path: str, status: int) -> None:
    answer = service.call("HEAD", path)
    assert (answer.status_code, answer.content) == (status, b"")


def test_a_refused_upload_is_in_no_list(alice: User) -> None:
    alice.try_upload(b"hello")
    alice.try_upload(b"")
    assert alice.service.ids(user_id=alice.user_id) == []


def test_a_cursor_of_another_list_is_refused(alice: User) -> None:
    for _ in range(2):
        alice.upload(b"GIF89a\x01\0\x01\0\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b")
    cursor = alice.service.get("/images", user_id=alice.user_id, limit=1)["last_evaluated_key"]
    assert alice.service.call("GET", f"/images?user_id=bob&last_evaluated_key={cursor}").status_code == 400
