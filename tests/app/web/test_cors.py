"""What scripts of other origins are answered: CORS, as the Fetch standard has it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from botocore.exceptions import EndpointConnectionError
from chalice.test import HTTPResponse

from tests.app.calls import ANY, Calls
from tests.app.conftest import Api, Stores
from tests.app.tokens import SECRET

PHOTOS, LOCAL, OTHER = "https://photos.example.org", "http://localhost:5173", "https://example.com"


@pytest.fixture
def photos(api: Api, configured: Callable[..., None]) -> Api:
    """A script of one of two origins that may use the service."""
    configured(CORS_ORIGINS=f"{PHOTOS} {LOCAL}")
    return of(PHOTOS, api)


def of(origin: str, api: Api) -> Api:
    return replace(api, headers={**api.headers, "Origin": origin})


def readable_by(answer: HTTPResponse) -> str | None:
    """The origin whose scripts may read an answer."""
    return answer.headers.get("Access-Control-Allow-Origin")


def test_a_script_reads_what_it_is_answered(photos: Api) -> None:
    image_id = photos.upload()["image_id"]
    answer = photos.get(f"/images/{image_id}")
    assert (answer.status_code, readable_by(answer), answer.headers["Vary"]) == (200, PHOTOS, "Origin")
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    safelisted = {"Content-Type", "Vary"}  # the first is a script's anyway, the second no concern of its
    own = {name for name in answer.headers if not name.startswith("Access-Control-")}
    assert own - safelisted == {"ETag", "X-Request-Id"} <= {*exposed}
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/images", b"{", 400),
        ("GET", "/images/none", None, 404),
        ("PUT", "/no/such/path", None, 404),
        ("DELETE", "/images", None, 405),
        ("POST", "/images", {"user_id": "a", "image_data": "aGVsbG8="}, 415),
    ],
)
def test_a_script_reads_errors(photos: Api, method: str, path: str, body: object, status: int) -> None:
    answer = photos.call(method, path, body)
    assert (answer.status_code, readable_by(answer), answer.headers["Vary"]) == (status, PHOTOS, "Origin")


def test_a_script_reads_that_it_needs_a_token(photos: Api, configured: Callable[..., None]) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET)
    answer = photos.call("POST", "/items", {"a": 1})
    assert (answer.status_code, readable_by(answer)) == (401, PHOTOS)
    assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]


def test_a_script_reads_that_something_is_wrong_here(photos: Api, stores: Stores, calls: Calls) -> None:
    stores.dynamodb.delete_table(TableName="image_tags")
    broken = photos.get("/images")
    assert (broken.status_code, readable_by(broken)) == (500, PHOTOS)
    calls.fail(ANY, EndpointConnectionError(endpoint_url="http://127.0.0.1:1"))
    away = photos.get("/images")
    assert (away.status_code, readable_by(away)) == (503, PHOTOS)


def test_a_cache_keeps_a_picture_for_each_origin_apart(photos: Api) -> None:
    image_id = photos.upload(visibility="private")["image_id"]
    shown = replace(photos, headers={**photos.headers, "X-User-Id": "alice"}).get(f"/images/{image_id}/render")
    assert (shown.status_code, readable_by(shown)) == (302, PHOTOS)
    assert shown.headers["Vary"] == "Accept, Authorization, X-User-Id, Origin"


def test_other_origins_read_nothing(photos: Api, api: Api) -> None:
    for client in (api, of(OTHER, api), of("null", api)):
        answer = client.get("/images")
        assert (answer.status_code, readable_by(answer), answer.headers["Vary"]) == (200, None, "Origin")


def test_every_origin_reads_where_all_may(api: Api, configured: Callable[..., None]) -> None:
    configured(CORS_ORIGINS="*")
    for client in (api, of(OTHER, api), of("null", api)):
        answer = client.get("/nope")
        assert (answer.status_code, readable_by(answer), answer.headers.get("Vary")) == (404, "*", None)


def test_without_the_setting_nothing_is_said_of_origins(api: Api) -> None:
    for method in ("GET", "OPTIONS"):
        headers = of(PHOTOS, api).call(method, "/images").headers
        assert not [name for name in headers if name.startswith("Access-Control-") or name == "Vary"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/images", "POST, GET"),
        ("/images/x", "GET, DELETE, PUT"),
        ("/upload", "POST"),
        # Else a browser would not let the script see the 404.
        ("/no/such/path", "GET, HEAD, POST, PUT, PATCH, DELETE"),
    ],
)
def test_a_browser_is_told_what_a_script_may_send(photos: Api, path: str, methods: str) -> None:
    answer = photos.call("OPTIONS", path)
    assert (answer.status_code, answer.body, readable_by(answer)) == (204, b"", PHOTOS)
    assert answer.headers["Access-Control-Allow-Methods"] == answer.headers["Allow"] == methods
    asked = {"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-User-Id"}
    assert {*answer.headers["Access-Control-Allow-Headers"].split(", ")} == asked
    assert answer.headers["Access-Control-Max-Age"] == "7200"


def test_a_browser_needs_no_token_to_ask_and_remembers_as_long_as_is_set(
    photos: Api, configured: Callable[..., None]
) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET, CORS_MAX_AGE_SECONDS="0")
    answer = photos.call("OPTIONS", "/items")
    assert (answer.status_code, answer.headers["Access-Control-Max-Age"]) == (204, "0")


def test_other_origins_are_told_only_which_methods_there_are(photos: Api, api: Api) -> None:
    for client in (api, of(OTHER, api)):
        answer = client.call("OPTIONS", "/images")
        assert (answer.status_code, answer.headers["Allow"], answer.headers["Vary"]) == (204, "POST, GET", "Origin")
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]
        assert client.call("OPTIONS", "/no/such/path").status_code == 404
