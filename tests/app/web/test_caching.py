"""HEAD, conditional requests, and what caches may keep (RFC 9110 and RFC 9111)."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from chalice.test import HTTPResponse

from app import app
from tests.app.background import object_created
from tests.app.conftest import Api
from tests.app.tokens import SECRET, token, with_token
from tests.pictures import base64_picture

READ = ["/images", "/list", "/images/{}", "/image/{}", "/view/{}", "/images/{}/download", "/images/{}/similar"]


def with_headers(api: Api, **headers: str) -> Api:
    return replace(api, headers={**api.headers, **{name.replace("_", "-"): value for name, value in headers.items()}})


def upload_private(api: Api) -> HTTPResponse:
    body = {"user_id": "alice", "image_data": base64_picture(), "visibility": "private"}
    return api.call("POST", "/images", body)


def test_every_route_for_get_answers_head() -> None:
    for path, methods in app.routes.items():
        assert methods["HEAD"].view_name == methods["GET"].view_name, path


@pytest.mark.parametrize("path", [*READ, "/images/{}/download?type=binary", "/health", "/openapi.json", "/tags"])
def test_head_answers_as_get_does_but_without_a_body(api: Api, path: str) -> None:
    path = path.format(api.upload()["image_id"])
    full, head = api.get(path), api.call("HEAD", path)
    assert (head.status_code, head.body) == (full.status_code, b"")
    assert {*head.headers} - {"Content-Length"} == {*full.headers}
    assert int(head.headers["Content-Length"]) == len(full.body)


@pytest.mark.parametrize("path", ["/images", "/list", "/tags", "/images/count", "/items", "/", "/openapi.json"])
def test_an_answer_that_the_client_has_already_is_a_304(api: Api, path: str) -> None:
    api.upload(tags=["sea"])
    first = api.get(path)
    again = with_headers(api, If_None_Match=first.headers["ETag"]).get(path)
    assert (again.status_code, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert again.headers["Cache-Control"].endswith("no-cache")


def test_a_new_image_changes_the_etag_of_a_list(api: Api) -> None:
    api.upload()
    first = api.get("/images").headers["ETag"]
    api.upload()
    second = with_headers(api, If_None_Match=first).get("/images")
    assert (second.status_code, second.json_body["count"]) == (200, 2)


def test_a_page_with_a_next_page_is_a_304_although_its_cursor_is_another(api: Api) -> None:
    for _ in range(2):
        api.upload()
    first = api.get("/images?limit=1")
    again = with_headers(api, If_None_Match=first.headers["ETag"]).get("/images?limit=1")
    assert (first.json_body["has_more"], again.status_code) == (True, 304)


def test_a_view_is_a_304_until_the_image_changes_or_was_processed(api: Api) -> None:
    metadata = api.upload()
    path = f"/images/{metadata['image_id']}"
    seen = api.get(path).headers["ETag"]
    assert with_headers(api, If_None_Match=seen).get(path).status_code == 304
    object_created(api, metadata["s3_key"])
    processed = with_headers(api, If_None_Match=seen).get(path)
    assert (processed.status_code, processed.json_body["state"]) == (200, "ready")
    seen = processed.headers["ETag"]
    assert with_headers(api, If_None_Match=seen).get(path).status_code == 304
    assert with_headers(api, If_Match=seen).call("PUT", path, {"title": "New"}).status_code == 200
    assert with_headers(api, If_None_Match=seen).get(path).status_code == 200


def test_an_item_has_validators(api: Api) -> None:
    path = f"/items/{api.call('POST', '/items', {'a': 1}).json_body['id']}"
    answer = api.get(path)
    assert answer.headers["Last-Modified"].endswith(" GMT")
    again = with_headers(api, If_None_Match=answer.headers["ETag"]).get(path)
    assert (again.status_code, again.headers["Last-Modified"]) == (304, answer.headers["Last-Modified"])


@pytest.mark.parametrize("path", ["/images/{}", "/image/{}", "/view/{}", "/images/{}/download", "/images?include=url"])
def test_an_answer_with_a_presigned_url_must_not_be_kept(api: Api, path: str) -> None:
    answer = api.get(path.format(api.upload()["image_id"]))
    assert "X-Amz-Signature" in answer.body.decode()
    assert answer.headers["Cache-Control"] == "no-store"


def test_private_bytes_errors_and_answers_to_writes_must_not_be_kept(api: Api) -> None:
    uploaded = upload_private(api)
    alice = with_headers(api, X_User_Id="alice")
    path = f"/images/{uploaded.json_body['image_id']}"
    answers = [uploaded, alice.get(f"{path}/download?type=binary"), alice.get(f"{path}/download?type=base64")]
    answers += [api.get(path), alice.call("PUT", path, {"title": "New"}), alice.call("DELETE", path)]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 404, 200, 200]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_a_list_with_private_images_may_be_kept_only_for_its_caller(api: Api, configured: Callable[..., None]) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET)
    alice = with_token(api, token("alice"))
    upload_private(alice)
    assert alice.get("/images").headers["Cache-Control"] == "private, no-cache"
    assert api.get("/images").headers["Cache-Control"] == "public, no-cache"
    assert api.get("/images").headers["Vary"] == "Authorization, X-User-Id"


@pytest.mark.parametrize("path", [*READ, "/nope", "/images/{}/download?type=binary", "/health"])
def test_a_browser_must_not_guess_a_content_type(api: Api, path: str) -> None:
    answer = api.get(path.format(api.upload()["image_id"]))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
