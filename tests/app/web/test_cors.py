"""CORS, as the Fetch standard defines it: what scripts of other origins can read."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from botocore.exceptions import EndpointConnectionError
from chalice.test import HTTPResponse

from tests.app.calls import ANY, Calls
from tests.app.conftest import Api, Stores
from tests.app.tokens import SECRET, authorization, token
from tests.errors import error
from tests.pictures import base64_picture

PHOTOS, LOCAL, OTHER = "https://photos.example.org", "http://localhost:5173", "https://example.com"


@pytest.fixture
def photos(api: Api, configured: Callable[..., None]) -> Api:
    """A script of one of the two allowed origins."""
    configured(CORS_ORIGINS=f"{PHOTOS} {LOCAL}")
    return from_origin(PHOTOS, api)


def from_origin(origin: str, api: Api) -> Api:
    return replace(api, headers={**api.headers, "Origin": origin})


def readable_by(answer: HTTPResponse) -> str | None:
    """Return the origin whose scripts may read an answer."""
    return answer.headers.get("Access-Control-Allow-Origin")


def test_a_script_can_read_answers(photos: Api) -> None:
    image_id = photos.upload()["image_id"]
    answer = photos.get(f"/images/{image_id}")
    assert (answer.status_code, readable_by(answer), answer.headers["Vary"]) == (200, PHOTOS, "Origin")
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    # Scripts can always read the first three (Fetch, "CORS-safelisted response-header name").
    not_exposed = {"Cache-Control", "Content-Type", "Last-Modified", "Vary", "X-Content-Type-Options"}
    header_names = {name for name in answer.headers if not name.startswith("Access-Control-")}
    assert header_names - not_exposed == {"ETag", "X-Request-Id"} <= {*exposed}
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
def test_a_script_can_read_errors(photos: Api, method: str, path: str, body: object, status: int) -> None:
    answer = photos.call(method, path, body)
    assert (answer.status_code, readable_by(answer), answer.headers["Vary"]) == (status, PHOTOS, "Origin")


def test_a_script_can_read_a_401(photos: Api, configured: Callable[..., None]) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET)
    answer = photos.call("POST", "/items", {"a": 1})
    assert (answer.status_code, readable_by(answer)) == (401, PHOTOS)
    assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]


def test_a_script_can_read_a_500_and_a_503(photos: Api, stores: Stores, calls: Calls) -> None:
    stores.dynamodb.delete_table(TableName="image_tags")
    internal_error = photos.get("/images")
    assert (internal_error.status_code, readable_by(internal_error)) == (500, PHOTOS)
    calls.fail(ANY, EndpointConnectionError(endpoint_url="http://127.0.0.1:1"))
    unavailable = photos.get("/images")
    assert (unavailable.status_code, readable_by(unavailable)) == (503, PHOTOS)


def test_a_cached_redirect_varies_by_origin(photos: Api) -> None:
    image_id = photos.upload(visibility="private")["image_id"]
    redirect = replace(photos, headers={**photos.headers, "X-User-Id": "alice"}).get(f"/images/{image_id}/render")
    assert (redirect.status_code, readable_by(redirect)) == (302, PHOTOS)
    assert redirect.headers["Vary"] == "Accept, Authorization, X-User-Id, Origin"


def test_other_origins_cannot_read_answers(photos: Api, api: Api) -> None:
    for client in (api, from_origin(OTHER, api), from_origin("null", api)):
        answer = client.get("/health")
        assert (answer.status_code, readable_by(answer), answer.headers["Vary"]) == (200, None, "Origin")


def test_every_origin_can_read_answers_if_all_are_allowed(api: Api, configured: Callable[..., None]) -> None:
    configured(CORS_ORIGINS="*")
    for client in (api, from_origin(OTHER, api), from_origin("null", api)):
        answer = client.get("/nope")
        assert (answer.status_code, readable_by(answer), answer.headers.get("Vary")) == (404, "*", None)


def test_without_the_setting_answers_have_no_cors_headers(api: Api) -> None:
    for method in ("GET", "OPTIONS"):
        headers = from_origin(PHOTOS, api).call(method, "/health").headers
        assert not [name for name in headers if name.startswith("Access-Control-") or name == "Vary"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/images", "POST, GET, HEAD"),
        ("/images/x", "GET, HEAD, DELETE, PUT"),
        ("/upload", "POST"),
        # Without these, a browser would not let the script read the 404.
        ("/no/such/path", "GET, HEAD, POST, PUT, PATCH, DELETE"),
    ],
)
def test_a_preflight_request_gets_the_allowed_methods_and_headers(photos: Api, path: str, methods: str) -> None:
    answer = photos.call("OPTIONS", path)
    assert (answer.status_code, answer.body, readable_by(answer)) == (204, b"", PHOTOS)
    assert answer.headers["Access-Control-Allow-Methods"] == answer.headers["Allow"] == methods
    metadata = {"X-Title", "X-Description", "X-Tags", "X-Filename", "X-Visibility"}
    expected = {
        *metadata,
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "If-Match",
        "If-None-Match",
        "X-Request-Id",
        "X-User-Id",
    }
    assert {*answer.headers["Access-Control-Allow-Headers"].split(", ")} == expected
    assert answer.headers["Access-Control-Max-Age"] == "7200"


def test_a_preflight_request_needs_no_token_and_gets_the_configured_max_age(
    photos: Api, configured: Callable[..., None]
) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET, CORS_MAX_AGE_SECONDS="0")
    answer = photos.call("OPTIONS", "/items")
    assert (answer.status_code, answer.headers["Access-Control-Max-Age"]) == (204, "0")


def test_a_preflight_request_of_another_origin_gets_only_the_methods(photos: Api, api: Api) -> None:
    for client in (api, from_origin(OTHER, api)):
        answer = client.call("OPTIONS", "/images")
        assert (answer.status_code, answer.headers["Allow"], answer.headers["Vary"]) == (
            204,
            "POST, GET, HEAD",
            "Origin",
        )
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]
        assert client.call("OPTIONS", "/no/such/path").status_code == 404


FOREIGN = {"Origin": OTHER, "Sec-Fetch-Site": "cross-site", "Host": "127.0.0.1:8000"}


def test_a_page_of_another_site_changes_nothing_in_open_mode(photos: Api) -> None:
    image_id = photos.upload()["image_id"]
    foreign = replace(photos, headers=FOREIGN)
    sentence = "Web pages of this origin may not write; CORS_ORIGINS can name the origin to allow it."
    for method, path, body in (
        ("POST", "/images", {"user_id": "a", "image_data": base64_picture()}),
        ("POST", "/items", {"a": 1}),
        ("POST", f"/images/{image_id}/abort", None),
        ("PUT", f"/images/{image_id}", {"title": "theirs"}),
        ("DELETE", f"/images/{image_id}", None),
    ):
        answer = foreign.call(method, path, body)
        assert (answer.status_code, answer.json_body) == (403, error(sentence))
        assert readable_by(answer) is None
    assert [image["title"] for image in photos.get("/images").json_body["images"]] != ["theirs"]
    assert photos.get("/items").json_body["count"] == 0
    assert foreign.get(f"/images/{image_id}").status_code == 200


def test_a_page_of_the_service_itself_may_write(photos: Api) -> None:
    own = replace(photos, headers={"Origin": "http://127.0.0.1:8000", "Host": "127.0.0.1:8000"})
    assert own.call("POST", "/items", {"a": 1}).status_code == 201


def test_a_token_is_enough_for_a_page_of_another_site(api: Api, configured: Callable[..., None]) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET)
    foreign = replace(api, headers=FOREIGN | authorization(token("alice")))
    assert foreign.call("POST", "/items", {"a": 1}).status_code == 201
