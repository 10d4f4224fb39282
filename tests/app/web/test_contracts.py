"""All contracts do the same, through routes and through directly invoked functions."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from requests_toolbelt import MultipartEncoder

from chalicelib.config import settings
from tests.app.calls import Calls
from tests.app.conftest import Api, Stores
from tests.app.tokens import SECRET, authorization, token
from tests.errors import error
from tests.pictures import base64_picture, picture

PHOTO = base64_picture()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a route or of a directly invoked function."""

    status: int
    body: Any
    headers: dict[str, str]


def call(api: Api, method: str, path: str, body: object = None, **headers: str) -> Answer:
    answer = Api(api.client, {**api.headers, **headers}).call(method, path, body)
    return Answer(answer.status_code, answer.json_body, answer.headers)


def post_form(api: Api, path: str, fields: dict[str, Any], **headers: str) -> Answer:
    encoder = MultipartEncoder({**fields, "file": ("dunes.png", picture(), "image/png")})
    return call(api, "POST", path, encoder.to_string(), **{"Content-Type": encoder.content_type, **headers})


def invoke(api: Api, function: str, event: object) -> Answer:
    answer = api.client.lambda_.invoke(function, event).payload
    return Answer(answer["statusCode"], json.loads(answer["body"]), answer["headers"])


def nested(title: str) -> dict[str, Any]:
    image = {"filename": "dunes.png", "content": PHOTO, "contentType": "image/png"}
    return {"image": image, "metadata": {"userId": "alice", "description": title, "tags": ["sea"]}}


# Each uploads the same image of alice with the tag `sea`, a description, and headers.
Uploader = Callable[..., Answer]
UPLOADERS: dict[str, Uploader] = {
    "A": lambda api, text, **headers: call(
        api,
        "POST",
        "/upload",
        {"image_file": PHOTO, "description": text, "user": "alice", "tags": "sea", "filename": "dunes.png"},
        **headers,
    ),
    "A, invoked": lambda api, text, **headers: invoke(
        api,
        "upload_image",
        {
            "body": json.dumps(
                {"image_file": PHOTO, "description": text, "user": "alice", "tags": "sea", "filename": "dunes.png"}
            ),
            "headers": headers,
        },
    ),
    "B": lambda api, text, **headers: call(
        api,
        "POST",
        "/images",
        {"user_id": "alice", "image_data": PHOTO, "description": text, "tags": ["sea"], "filename": "dunes.png"},
        **headers,
    ),
    "C": lambda api, text, **headers: post_form(
        api, "/upload", {"user": "alice", "description": text, "tags": "sea"}, **headers
    ),
    "D": lambda api, text, **headers: call(
        api,
        "POST",
        "/images",
        {
            "user_id": "alice",
            "image_base64": PHOTO,
            "content_type": "image/png",
            "description": text,
            "tags": ["sea"],
            "filename": "dunes.png",
        },
        **headers,
    ),
    "E, form": lambda api, text, **headers: post_form(
        api, "/images/upload", {"userId": "alice", "description": text, "tags": '["sea"]'}, **headers
    ),
    "E, JSON": lambda api, text, **headers: call(api, "POST", "/images/upload", nested(text), **headers),
}

# Each returns the ids of a list.
LISTERS: dict[str, Callable[[Api, str], list[str]]] = {
    "A, invoked": lambda api, query: [
        image["image_id"]
        for image in invoke(api, "list_images", {"queryStringParameters": json.dumps(parse_qs(query))}).body["images"]
    ],
    "B": lambda api, query: api.listed(query),
    "C": lambda api, query: [entry["id"] for entry in api.get(f"/list?{query}").json_body],
}

# Each returns a presigned URL.
VIEWERS: dict[str, Callable[[Api, str], Answer]] = {
    "A": lambda api, image_id: call(api, "GET", f"/image/{image_id}"),
    "A, invoked": lambda api, image_id: invoke(
        api, "view_images", {"pathParameters": json.dumps({"image_id": image_id})}
    ),
    "B": lambda api, image_id: call(api, "GET", f"/images/{image_id}"),
    "C": lambda api, image_id: call(api, "GET", f"/view/{image_id}"),
    "D": lambda api, image_id: call(api, "GET", f"/images/{image_id}/download"),
}

DELETERS: dict[str, Callable[..., Answer]] = {
    "A": lambda api, image_id, **headers: call(api, "DELETE", f"/image/{image_id}", **headers),
    "A, invoked": lambda api, image_id, **headers: invoke(
        api, "delete_images", {"pathParameters": {"image_id": image_id}, "headers": headers}
    ),
    "B": lambda api, image_id, **headers: call(api, "DELETE", f"/images/{image_id}", **headers),
    "C": lambda api, image_id, **headers: call(api, "DELETE", f"/delete/{image_id}", **headers),
}

every_uploader = pytest.mark.parametrize("upload", UPLOADERS.values(), ids=UPLOADERS)


def uploaded(answer: Answer) -> str:
    assert answer.status in (200, 201), answer.body
    return str(answer.body["image_id"])


@every_uploader
def test_an_upload_through_any_contract_is_visible_through_every_other(
    api: Api, stores: Stores, upload: Uploader
) -> None:
    # The description is too long for the index rows, so lists read the record.
    image_id = uploaded(upload(api, "x" * 2000))
    metadata = api.get(f"/images/{image_id}").json_body["metadata"]
    assert {name: metadata[name] for name in ("user_id", "description", "tags", "filename", "content_type")} == {
        "user_id": "alice",
        "description": "x" * 2000,
        "tags": ["sea"],
        "filename": "dunes.png",
        "content_type": "image/png",
    }
    assert stores.objects() == {f"alice/{image_id}": picture()}
    for listed in LISTERS.values():
        assert [listed(api, query) for query in ("", "user_id=alice", "tag=SEA", "tag=sky")] == [[image_id]] * 3 + [[]]
    for view in VIEWERS.values():
        answer = view(api, image_id)
        urls = {value for name, value in answer.body.items() if name in ("url", "download_url", "presigned_url")}
        assert [urlsplit(url).path for url in urls] == [f"/images-originals/alice/{image_id}"]


@pytest.mark.parametrize("delete", DELETERS.values(), ids=DELETERS)
def test_a_deletion_through_any_contract_leaves_nothing(
    api: Api, stores: Stores, delete: Callable[..., Answer]
) -> None:
    image_id = uploaded(UPLOADERS["B"](api, "dunes"))
    refused = delete(api, image_id, **{"If-Match": '"7"'})
    assert (refused.status, refused.body) == (412, error('If-Match names another version; the record is at "1".'))
    assert delete(api, image_id).status == 200
    assert stores.are_empty()
    assert delete(api, image_id).status == 404


@every_uploader
def test_an_upload_with_an_idempotency_key_can_be_repeated(api: Api, stores: Stores, upload: Uploader) -> None:
    first = upload(api, "dunes", **{"Idempotency-Key": "k"})
    before = (stores.objects(), stores.records(), stores.rows())
    second = upload(api, "dunes", **{"Idempotency-Key": "k"})
    assert (second.status, second.body, second.headers["ETag"]) == (first.status, first.body, first.headers["ETag"])
    assert (stores.objects(), stores.records(), stores.rows()) == before
    other = upload(api, "another", **{"Idempotency-Key": "k"})
    assert (other.status, other.body) == (409, error("This Idempotency-Key was used for another upload."))
    assert (stores.objects(), stores.records(), stores.rows()) == before
    assert uploaded(upload(api, "another", **{"Idempotency-Key": "k2"})) != uploaded(first)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "x"},
        {"description": "x"},
        {"tags": ["x"]},
        {"filename": "x"},
        {"visibility": "private"},
        {"image_data": base64_picture(seed=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_idempotency_key_is_valid_for_only_one_upload(api: Api, stores: Stores, change: dict[str, Any]) -> None:
    body = {"user_id": "alice", "image_data": PHOTO}
    assert call(api, "POST", "/images", body, **{"Idempotency-Key": "k"}).status == 201
    assert call(api, "POST", "/images", {**body, **change}, **{"Idempotency-Key": "k"}).status == 409
    assert len(stores.objects()) == 1


@every_uploader
def test_with_tokens_a_caller_cannot_upload_for_another_user(
    api: Api, stores: Stores, upload: Uploader, configured: Callable[..., None]
) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET)
    assert upload(api, "dunes").status == 401
    assert upload(api, "dunes", **{"X-User-Id": "alice"}).status == 401
    assert upload(api, "dunes", **authorization(token("bob"))).status == 403
    assert stores.are_empty()
    assert upload(api, "dunes", **authorization(token("alice"))).status in (200, 201)


def test_with_tokens_only_the_owner_can_use_a_private_image(api: Api, configured: Callable[..., None]) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET)
    alice = Api(api.client, authorization(token("alice")))
    image_id = alice.upload(visibility="private", tags=["sea"])["image_id"]
    views = [f"/images/{image_id}", f"/image/{image_id}", f"/view/{image_id}"]
    views += [f"/images/{image_id}/download{kind}" for kind in ("", "?type=redirect", "?type=binary", "?type=base64")]
    strangers = [api, Api(api.client, {"X-User-Id": "alice"}), Api(api.client, authorization(token("bob")))]
    for stranger in strangers:
        assert [stranger.get(path).status_code for path in views] == [404] * len(views)
        assert stranger.listed("tag=sea") == stranger.listed("user_id=alice") == []
        assert stranger.get("/list?user=alice").json_body == []
        assert stranger.call("PUT", f"/images/{image_id}", {"title": "T"}).status_code == 404
        for path in (f"/images/{image_id}", f"/image/{image_id}", f"/delete/{image_id}"):
            assert stranger.call("DELETE", path).status_code == 404
    event = {"pathParameters": {"image_id": image_id}, "headers": {"X-User-Id": "alice"}}
    assert [invoke(api, name, event).status for name in ("view_images", "delete_images")] == [404, 404]
    assert {alice.get(path).status_code for path in views} == {200, 302}
    assert [entry["id"] for entry in alice.get("/list").json_body] == [image_id]


def test_with_tokens_only_the_owner_can_change_a_public_image(api: Api, configured: Callable[..., None]) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET)
    image_id = Api(api.client, authorization(token("alice"))).upload()["image_id"]
    for headers, status in (({"X-User-Id": "alice"}, 401), (authorization(token("bob")), 403)):
        stranger = Api(api.client, headers)
        assert stranger.call("PUT", f"/images/{image_id}", {"title": "T"}).status_code == status
        for path in (f"/images/{image_id}", f"/image/{image_id}", f"/delete/{image_id}"):
            assert stranger.call("DELETE", path).status_code == status


@every_uploader
def test_two_equal_concurrent_uploads_with_one_key_store_one_image(api: Api, upload: Uploader, calls: Calls) -> None:
    answers: list[Answer] = []

    def send() -> None:
        answers.append(upload(api, "dunes", **{"Idempotency-Key": "k"}))

    calls.before("TransactWriteItems", send)
    send()
    assert [answer.body for answer in answers] == [answers[0].body] * 2
    assert api.listed() == [answers[0].body["image_id"]]


def test_a_different_concurrent_upload_with_the_same_key_is_refused(api: Api, stores: Stores, calls: Calls) -> None:
    calls.before("TransactWriteItems", lambda: UPLOADERS["B"](api, "dunes", **{"Idempotency-Key": "k"}))
    assert UPLOADERS["B"](api, "another", **{"Idempotency-Key": "k"}).status == 409
    assert len(stores.records()) == 1


def test_an_idempotency_key_belongs_to_one_user_and_expires(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    keyed = Api(api.client, {"Idempotency-Key": "k"})
    ids = {keyed.upload(user_id=user_id)["image_id"] for user_id in ("alice", "bob", "alice")}
    assert len(ids) == 2
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + settings().idempotency_seconds + 1)
    assert keyed.upload()["image_id"] not in ids
    assert len(api.listed("user_id=alice")) == 2


def test_a_repeated_upload_gets_the_first_answer_after_the_image_changed(api: Api) -> None:
    keyed = Api(api.client, {"Idempotency-Key": "k"})
    first = keyed.upload(title="T")
    api.call("PUT", f"/images/{first['image_id']}", {"title": "new"})
    assert keyed.upload(title="T") == first


def test_an_idempotency_key_that_is_too_long_is_refused(api: Api, stores: Stores) -> None:
    answer = UPLOADERS["B"](api, "dunes", **{"Idempotency-Key": "x" * 256})
    assert answer.status == 400
    assert stores.are_empty()


class TestDownloads:
    """Downloads of each type."""

    def test_the_redirect_leads_to_an_attachment(self, api: Api) -> None:
        image_id = uploaded(UPLOADERS["C"](api, "dunes"))
        answer = call(api, "GET", f"/images/{image_id}/download?type=redirect")
        assert answer.status == 302
        assert answer.headers["Location"] == answer.body["download_url"]
        assert "response-content-disposition=attachment" in answer.headers["Location"]

    def test_the_binary_answer_has_the_bytes_for_every_accept_header(self, api: Api) -> None:
        photo = picture("JPEG")
        image_id = api.upload(image_data=base64.b64encode(photo).decode(), filename="é.jpg")["image_id"]
        for accept in ("*/*", "image/png", "application/json"):
            answer = Api(api.client, {"Accept": accept}).get(f"/images/{image_id}/download?type=binary")
            assert (answer.status_code, answer.body) == (200, photo)
        assert {name: answer.headers[name] for name in ("Content-Type", "Content-Disposition")} == {
            "Content-Type": "image/jpeg",
            "Content-Disposition": "attachment; filename=\"_.jpg\"; filename*=UTF-8''%C3%A9.jpg",
        }

    def test_the_base64_answer_has_the_bytes_in_json(self, api: Api) -> None:
        image = api.upload()
        answer = api.get(f"/images/{image['image_id']}/download?type=base64").json_body
        assert answer == {"image_id": image["image_id"], "content": PHOTO, "metadata": image}

    def test_a_file_over_the_download_limit_is_a_redirect_or_a_413(
        self, api: Api, configured: Callable[..., None]
    ) -> None:
        image_id = api.upload()["image_id"]
        configured(MAX_DOWNLOAD_BYTES=str(len(picture()) - 1))
        assert api.get(f"/images/{image_id}/download?type=binary").status_code == 302
        answer = api.get(f"/images/{image_id}/download?type=base64")
        assert answer.status_code == 413
        assert answer.json_body["error"].endswith("which is the limit (MAX_DOWNLOAD_BYTES).")
        configured(MAX_DOWNLOAD_BYTES=str(len(picture())))
        assert api.get(f"/images/{image_id}/download?type=binary").status_code == 200

    def test_an_image_deleted_during_the_download_is_not_found(self, api: Api, calls: Calls) -> None:
        image_id = api.upload()["image_id"]
        calls.before("GetObject", lambda: api.call("DELETE", f"/images/{image_id}"))
        assert api.get(f"/images/{image_id}/download?type=binary").status_code == 404

    def test_an_unknown_type_is_refused(self, api: Api) -> None:
        answer = api.get(f"/images/{api.upload()['image_id']}/download?type=zip")
        assert (answer.status_code, answer.json_body) == (
            400,
            error("type must be redirect, binary or base64; without it the answer is JSON."),
        )

    def test_only_the_owner_can_download_a_private_image(self, api: Api) -> None:
        path = f"/images/{api.upload(visibility='private')['image_id']}/download"
        for kind in ("", "?type=redirect", "?type=binary", "?type=base64"):
            assert api.get(path + kind).status_code == 404
            assert Api(api.client, {"X-User-Id": "alice"}).get(path + kind).status_code in (200, 302)


class TestBareLists:
    """The list of contract C, a bare array."""

    def test_a_link_header_leads_to_the_next_page(self, api: Api) -> None:
        uploaded_ids = [api.upload(tags=["a b"])["image_id"] for _ in range(5)][::-1]
        api.upload()
        address: str | None = f"/list?{urlencode({'tag': 'a b', 'limit': 2})}"
        pages = []
        while address:
            answer = api.get(address)
            pages.append([entry["id"] for entry in answer.json_body])
            link = answer.headers.get("Link")
            assert link is None or link.endswith('>; rel="next"')
            address = "/list" + link.partition(">")[0].lstrip("<") if link else None
        assert pages == [uploaded_ids[:2], uploaded_ids[2:4], uploaded_ids[4:]]

    @pytest.mark.long
    def test_a_page_has_more_than_a_hundred_images_by_default(self, api: Api) -> None:
        for _ in range(101):
            api.upload()
        assert len(api.get("/list").json_body) == 101


class TestOwners:
    """Owners of uploads without a user_id."""

    @pytest.mark.parametrize(("headers", "owner"), [({}, "anonymous"), ({"X-User-Id": "bob"}, "bob")])
    def test_contracts_a_and_c_need_only_a_file(self, api: Api, headers: dict[str, str], owner: str) -> None:
        for answer in (
            post_form(api, "/upload", {}, **headers),
            call(api, "POST", "/upload", {"image_file": PHOTO}, **headers),
        ):
            assert answer.body["metadata"]["user_id"] == owner

    @pytest.mark.parametrize("verified", [True, False])
    def test_an_upload_without_an_owner_is_the_caller_s(
        self, api: Api, stores: Stores, configured: Callable[..., None], verified: bool
    ) -> None:
        headers = authorization(token("bob")) if verified else {"X-User-Id": "bob"}
        if verified:
            configured(AUTH="jwt", JWT_SECRET=SECRET)
        announced = {"content_type": "image/png", "size": 5}
        for answer in (
            call(api, "POST", "/images", {"image_data": PHOTO}, **headers),
            call(api, "POST", "/images", base64.b64decode(PHOTO), **{"Content-Type": "image/png"}, **headers),
            call(api, "POST", "/images/upload", {"image": {"content": PHOTO}, "metadata": {}}, **headers),
            call(api, "POST", "/upload", {"image_file": PHOTO}, **headers),
            *(post_form(api, path, {}, **headers) for path in ("/images", "/images/upload", "/upload")),
            call(api, "POST", "/images/direct-upload", announced, **headers),
        ):
            assert (answer.status // 100, answer.body["metadata"]["user_id"]) == (2, "bob")
        assert {record["user_id"]["S"] for record in stores.records()} == {"bob"}
        refused = call(api, "POST", "/images", {"image_data": PHOTO, "user_id": "alice"}, **headers)
        assert refused.status == (403 if verified else 201)  # the body comes before the caller

    def test_other_contracts_need_an_owner_or_a_caller(self, api: Api, stores: Stores) -> None:
        for answer in (
            post_form(api, "/images/upload", {}),
            post_form(api, "/images", {}),
            call(api, "POST", "/images", {"image_data": PHOTO}),
        ):
            assert (answer.status, answer.body) == (400, error("user_id is missing."))
        assert stores.are_empty()


class TestForms:
    """Uploads as forms."""

    def test_an_image_in_a_form_can_be_larger_than_in_json(self, api: Api, configured: Callable[..., None]) -> None:
        size = len(picture())
        configured(MAX_IMAGE_BYTES=str(size - 1), MAX_FORM_IMAGE_BYTES=str(size))
        assert post_form(api, "/upload", {}).status == 200
        assert call(api, "POST", "/upload", {"image_file": PHOTO}).status == 413
        configured(MAX_FORM_IMAGE_BYTES=str(size - 1))
        answer = post_form(api, "/upload", {})
        assert (answer.status, "which is the limit (MAX_FORM_IMAGE_BYTES)." in answer.body["error"]) == (
            413,
            True,
        )

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"file": ("a.png", b"", "image/png")}, 400),
            ({"file": ("a.png", b"no image", "image/png")}, 415),
            ({"file": "text"}, 400),
            ({"description": ("a.png", picture(), "image/png")}, 400),
            ({"title": "T"}, 400),
        ],
    )
    def test_an_invalid_form_is_refused_and_leaves_nothing(
        self, api: Api, stores: Stores, fields: dict[str, Any], status: int
    ) -> None:
        encoder = MultipartEncoder(fields)
        answer = call(api, "POST", "/upload", encoder.to_string(), **{"Content-Type": encoder.content_type})
        assert (answer.status, list(answer.body)) == (status, ["error", "message"])
        assert stores.are_empty()


@pytest.mark.parametrize(
    ("function", "event", "status", "sentence"),
    [
        ("upload_image", [], 400, "The event must be a JSON object."),
        ("upload_image", {}, 400, "The image is missing: send it as image_data in JSON or as file in a form."),
        ("upload_image", {"body": "{"}, 400, "The body is not valid JSON."),
        (
            "upload_image",
            {"body": "%", "isBase64Encoded": True},
            400,
            "body is not valid base64, although isBase64Encoded is true.",
        ),
        ("list_images", {"queryStringParameters": "limit=5"}, 400, "queryStringParameters is not valid JSON."),
        (
            "list_images",
            {"queryStringParameters": {"limit": 0}},
            400,
            "limit must be a whole number from 1 to 1000 (MAX_PAGE_SIZE).",
        ),
        ("view_images", {}, 400, "pathParameters.image_id is missing."),
        ("delete_images", {"pathParameters": "{}"}, 400, "pathParameters.image_id is missing."),
        ("delete_images", {"pathParameters": {"image_id": 7}}, 404, "The image '7' was not found."),
    ],
)
def test_an_invalid_event_gets_the_error_of_a_request(
    api: Api, function: str, event: object, status: int, sentence: str
) -> None:
    answer = invoke(api, function, event)
    assert (answer.status, answer.body) == (status, error(sentence))
