"""A view shows what EXIF says about an image on request: where it was taken only to its owner."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chalice.test import HTTPResponse

from app import app
from tests.app.background import object_created
from tests.app.conftest import Api, Log, Stores
from tests.app.tokens import SECRET, token, with_token
from tests.app.uploads import announce
from tests.errors import error
from tests.pictures import CAMERA, LOCATION, base64_picture, photograph

UNKNOWN_CAMERA = dict.fromkeys(CAMERA)


def uploaded(api: Api, **fields: Any) -> dict[str, Any]:
    """Upload a photograph of alice and process it. Returns its metadata."""
    content = base64.b64encode(photograph(width=400, height=300)).decode()
    image = api.upload(**{"image_data": content, "title": "Harbour", "tags": ["sea"], **fields})
    object_created(api, image["s3_key"])
    return image


def caller(api: Api, configured: Callable[..., None], auth: str, name: str | None) -> Api:
    """Return a client of a user or, without a name, of nobody."""
    if auth == "open":
        return Api(api.client, {"X-User-Id": name} if name else {})
    configured(AUTH="jwt", JWT_SECRET=SECRET)
    return with_token(api, token(name)) if name else api


@pytest.mark.parametrize("auth", ["open", "jwt"])
@pytest.mark.parametrize("visibility", ["public", "private"])
def test_the_owner_sees_the_facts_and_the_place(
    api: Api, configured: Callable[..., None], auth: str, visibility: str
) -> None:
    path = f"/images/{uploaded(api, visibility=visibility)['image_id']}"
    alice = caller(api, configured, auth, "alice")
    plain = alice.get(path).json_body
    assert not {"exif", "location"} & plain.keys()
    for query, shown in (
        ("include=exif", {"exif": CAMERA}),
        ("include=location", {"location": LOCATION}),
        ("include=exif,location", {"exif": CAMERA, "location": LOCATION}),
        ("include=exif&include=location", {"exif": CAMERA, "location": LOCATION}),
    ):
        view = alice.get(f"{path}?{query}").json_body
        assert {name: view[name] for name in view.keys() - plain.keys()} == shown, query


@pytest.mark.parametrize(
    ("auth", "name", "status", "sentence"),
    [
        ("open", "bob", 403, "Only the owner may see where an image was taken; leave location out of include."),
        ("open", None, 403, "Only the owner may see where an image was taken; leave location out of include."),
        ("jwt", "bob", 403, "Only the owner may see where an image was taken; leave location out of include."),
        ("jwt", None, 401, "Only the owner may see where an image was taken: this request needs a bearer token."),
    ],
)
def test_others_see_the_facts_but_not_the_place(
    api: Api, configured: Callable[..., None], auth: str, name: str | None, status: int, sentence: str
) -> None:
    path = f"/images/{uploaded(api)['image_id']}"
    other = caller(api, configured, auth, name)
    assert other.get(f"{path}?include=exif").json_body["exif"] == CAMERA
    for query in ("include=location", "include=exif,location"):
        answer = other.get(f"{path}?{query}")
        assert (answer.status_code, answer.json_body) == (status, error(sentence))


def test_an_image_without_exif_and_one_that_is_not_processed_have_no_facts(api: Api) -> None:
    alice = Api(api.client, {"X-User-Id": "alice"})
    unprocessed = [api.upload(image_data=base64_picture())["image_id"], announce(api, user_id="alice")["image_id"]]
    for image_id in (*unprocessed, uploaded(api, image_data=base64_picture(seed=1))["image_id"]):
        view = alice.get(f"/images/{image_id}?include=exif,location").json_body
        assert (view["exif"], view["location"]) == (UNKNOWN_CAMERA, None)


def test_an_unknown_detail_is_refused(api: Api) -> None:
    answer = api.get(f"/images/{api.upload()['image_id']}?include=exif,gps")
    sentence = "include must be exif or location, or both, separated by a comma."
    assert (answer.status_code, answer.json_body) == (400, error(sentence))


@pytest.mark.parametrize("contract", ["a", "b", "c", "d", "e"])
def test_nobody_may_keep_an_answer_with_the_place(api: Api, configured: Callable[..., None], contract: str) -> None:
    image_id = uploaded(api)["image_id"]
    configured(CONTRACT=contract)
    alice = Api(api.client, {"X-User-Id": "alice"})
    answer = alice.get(f"/images/{image_id}?include=exif,location")
    assert (answer.json_body["exif"], answer.json_body["location"]) == (CAMERA, LOCATION)
    assert answer.headers["Cache-Control"] == "no-store"


def requests_of(image_id: str) -> Iterator[tuple[str, str]]:
    """Yield every request that a stranger can send, of which some name the image. Deletions come last."""
    reads: list[tuple[str, str]] = []
    changes: list[tuple[str, str]] = []
    deletions: list[tuple[str, str]] = []
    for path, methods in app.routes.items():
        for method, route in methods.items():
            if route.view_name not in ("unknown_path", "wrong_method", "options"):
                kind = {"GET": reads, "HEAD": reads, "DELETE": deletions}.get(method, changes)
                kind.append((method, path.replace("{image_id}", image_id)))
    details = ("include=exif", "include=exif,location", "include=location&user_id=bob", "download=true")
    reads += [("GET", f"/images/{image_id}?{query}") for query in details]
    for query in ("include=url", "user_id=alice", "tag=sea", "title=harbour", "sort=updated_at", "include=location"):
        reads += [("GET", f"/images?{query}"), ("GET", f"/list?{query}")]
    reads += [("GET", f"/images/{image_id}/download?type={how}") for how in ("redirect", "binary", "base64")]
    reads.append(("GET", f"/images/{image_id}/similar?distance=3"))
    yield from (*reads, *changes, *deletions)


@pytest.mark.parametrize("contract", ["a", "b", "c", "d", "e"])
@pytest.mark.parametrize("auth", ["open", "jwt"])
def test_a_stranger_finds_the_coordinates_nowhere(
    api: Api, stores: Stores, configured: Callable[..., None], log: Log, auth: str, contract: str
) -> None:
    image_id = uploaded(api)["image_id"]
    uploaded(api)  # a similar one
    alice = Api(api.client, {"X-User-Id": "alice", "Idempotency-Key": "once"})
    answers: list[HTTPResponse] = [alice.call("PUT", f"/images/{image_id}", {"description": "At sea"})]
    configured(CONTRACT=contract)
    bob = caller(api, configured, auth, "bob")
    functions = [
        api.client.lambda_.invoke("list_images", {}).payload,
        api.client.lambda_.invoke("view_images", {"pathParameters": {"image_id": image_id}}).payload,
    ]
    answers += [
        bob.call(method, path, {"title": "Bay"} if method != "GET" else None) for method, path in requests_of(image_id)
    ]
    said = [json.dumps(functions), json.dumps(log())]
    said += [f"{answer.body.decode(errors='replace')} {answer.headers}" for answer in answers]
    rest = [stores.rows(), stores.tag_counts(), stores.dynamodb.scan(TableName="idempotency_keys")["Items"]]
    said += [json.dumps(items) for items in rest]
    assert image_id in said[0]
    assert any(image_id in text for text in said[2:])
    assert rest[2]
    for text in said:
        assert "33.856" not in text
        assert "151.215" not in text
