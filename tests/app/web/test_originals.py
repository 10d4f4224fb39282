"""Who gets originals (ORIGINALS). Others get the largest variant, in every contract and on every route."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from chalice.test import HTTPResponse

from app import app
from chalicelib.web import readers
from chalicelib.web.fields import SPELLINGS
from tests.app.background import object_created
from tests.app.calls import Calls
from tests.app.conftest import Api, Stores
from tests.app.tokens import SECRET, token, with_token
from tests.app.uploads import BROKEN, DAMAGED
from tests.errors import error
from tests.pictures import picture

PHOTO = picture("JPEG", width=700, height=500)
KINDS = ("", "?type=redirect", "?type=binary", "?type=base64")
FAILED = "The image could not be processed: it has no variant, and only its owner gets the original."
UNKNOWN = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"

# Values of parameters that ask for a picture, or for more of an image than its metadata.
ASKED = {
    "include": ["url", "url,thumbnail,variants,analysis", "exif", "location"],  # each route refuses some
    "type": ["redirect", "binary", "base64"],
    "format": ["original", "jpeg"],
    "download": ["true"],
    "wait": ["0"],
}


@pytest.fixture(autouse=True)
def verified(configured: Callable[..., None]) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET)


@pytest.fixture
def alice(api: Api) -> Api:
    return with_token(api, token("alice"))


@pytest.fixture
def bob(api: Api) -> Api:
    return with_token(api, token("bob"))


def upload(alice: Api, content: bytes = PHOTO, *, process: bool = True, **fields: Any) -> str:
    image = alice.upload(image_data=base64.b64encode(content).decode(), **fields)
    if process:
        object_created(alice, image["s3_key"])
    image_id: str = image["image_id"]
    return image_id


def object_of(url: str) -> str:
    """Return the bucket of a presigned URL, and the last part of the object's key."""
    _, bucket, *_, name = urlsplit(url).path.split("/")
    return f"{bucket}/{name}"


def urls_of(client: Api, image_id: str) -> list[str | None]:
    """Return the URL of an image in every answer in JSON that has one."""
    return [
        client.get(f"/images/{image_id}").json_body["presigned_url"],
        client.get(f"/images/{image_id}?download=true").json_body["presigned_url"],
        client.get(f"/image/{image_id}").json_body["download_url"],
        client.get(f"/view/{image_id}").json_body["url"],
        client.get("/images?include=url").json_body["images"][0]["presigned_url"],
        client.get("/list?include=url").json_body[0]["url"],
        *(json.loads(invoke(client, *each)["body"])["download_url"] for each in [("view_images", image_id)]),
        json.loads(invoke(client, "list_images")["body"])["images"][0]["presigned_url"],
    ]


def invoke(client: Api, function: str, image_id: str = "") -> dict[str, Any]:
    parameters = {"pathParameters": {"image_id": image_id}} if image_id else {}
    query = {} if image_id else {"queryStringParameters": {"include": "url"}}
    answer: dict[str, Any] = client.client.lambda_.invoke(
        function, {**parameters, **query, "headers": client.headers}
    ).payload
    return answer


def test_the_owner_gets_the_original_and_others_the_largest_variant(api: Api, alice: Api, bob: Api) -> None:
    image_id = upload(alice)
    for client, expected in (
        (alice, f"images-originals/{image_id}"),
        (bob, "images-derived/640.webp"),
        (api, "images-derived/640.webp"),
    ):
        assert {object_of(url or "") for url in urls_of(client, image_id)} == {expected}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ORIGINALS": "everyone"}, "originals"),
        ({"AUTH": "open"}, "originals"),
        ({"AUTH": "open", "ORIGINALS": "owner"}, "derived"),
    ],
)
def test_the_setting_says_whether_others_get_originals(
    api: Api, alice: Api, configured: Callable[..., None], settings: dict[str, str], expected: str
) -> None:
    image_id = upload(alice)
    configured(**settings)
    assert {object_of(url or "").split("/")[0] for url in urls_of(api, image_id)} == {f"images-{expected}"}
    if settings.get("AUTH") == "open":
        alice = Api(api.client, {"X-User-Id": "alice"})  # not verified
        assert {object_of(url or "").split("/")[0] for url in urls_of(alice, image_id)} == {"images-originals"}


def test_others_download_the_variant_under_the_name_of_its_type(api: Api, alice: Api, stores: Stores) -> None:
    image_id = upload(alice, filename="dunes.jpg")
    link, redirect, binary, encoded = (api.get(f"/images/{image_id}/download{kind}") for kind in KINDS)
    content = stores.objects("derived")[f"alice/{image_id}/640.webp"]
    for url in (link.json_body["download_url"], redirect.headers["Location"]):
        assert object_of(url) == "images-derived/640.webp"
        (disposition,) = parse_qs(urlsplit(url).query)["response-content-disposition"]
        assert disposition.startswith('attachment; filename="dunes.webp";')
    assert (binary.body, binary.headers["Content-Type"]) == (content, "image/webp")
    assert binary.headers["Content-Disposition"].startswith('attachment; filename="dunes.webp";')
    assert base64.b64decode(encoded.json_body["content"]) == content
    assert [alice.get(f"/images/{image_id}/download?type=binary").body] == [PHOTO]


def test_a_limit_of_downloads_counts_the_bytes_that_are_sent(
    api: Api, alice: Api, stores: Stores, configured: Callable[..., None]
) -> None:
    image_id = upload(alice)
    content = stores.objects("derived")[f"alice/{image_id}/640.webp"]
    configured(MAX_DOWNLOAD_BYTES=str(len(content)))
    assert len(content) < len(PHOTO)
    statuses = {
        kind: [client.get(f"/images/{image_id}/download?type={kind}").status_code for client in (api, alice)]
        for kind in ("binary", "base64")
    }
    assert statuses == {"binary": [200, 302], "base64": [200, 413]}


def test_until_there_is_a_variant_others_get_the_state_and_no_url(api: Api, alice: Api, bob: Api) -> None:
    image_id = upload(alice, process=False)
    for client in (api, bob):
        assert urls_of(client, image_id) == [None] * 8
        for path in (f"/images/{image_id}", f"/image/{image_id}"):
            assert client.get(path).json_body["state"] == "processing"
        (entry,) = client.get("/images?include=url").json_body["images"]
        assert entry["state"] == "processing"
        for kind in KINDS:
            answer = client.get(f"/images/{image_id}/download{kind}")
            assert (answer.status_code, answer.json_body) == (202, {"image_id": image_id, "state": "processing"})
            assert answer.headers["Retry-After"] == "2"
    assert {object_of(url or "") for url in urls_of(alice, image_id)} == {f"images-originals/{image_id}"}


def test_an_image_that_cannot_be_processed_has_only_its_owner(api: Api, alice: Api) -> None:
    image_id = upload(alice, DAMAGED)
    assert urls_of(api, image_id) == [None] * 8
    for kind in KINDS:
        answer = api.get(f"/images/{image_id}/download{kind}")
        assert (answer.status_code, answer.json_body) == (409, error(FAILED))
    assert alice.get(f"/images/{image_id}/download?type=binary").body == base64.b64decode(BROKEN)


@pytest.mark.parametrize("contract", "acde")
def test_every_contract_keeps_its_shape(api: Api, alice: Api, configured: Callable[..., None], contract: str) -> None:
    image_id = upload(alice)
    configured(CONTRACT=contract)
    for path in (f"/images/{image_id}", f"/image/{image_id}", f"/view/{image_id}", f"/images/{image_id}/download"):
        shapes = [client.get(path).json_body for client in (alice, api)]
        assert shapes[0].keys() - {"render"} == shapes[1].keys() - {"render"}
        assert "images-derived" in json.dumps(shapes[1]) or shapes[0] == shapes[1]


def test_a_list_with_urls_reads_the_records_of_others_images_only(
    api: Api, alice: Api, calls: Calls, configured: Callable[..., None]
) -> None:
    upload(alice)
    for client, query, expected in (
        (api, "", ["Query", "BatchGetItem"]),
        (api, "&user_id=alice", ["Query", "BatchGetItem"]),
        (alice, "&user_id=alice", ["Query"]),
    ):
        with calls.recorded() as operations:
            client.get(f"/images?include=url{query}")
        assert operations == expected
    configured(ORIGINALS="everyone")
    with calls.recorded() as operations:
        api.get("/images?include=url")
    assert operations == ["Query"]


@pytest.mark.parametrize("contract", "abcde")
def test_no_answer_to_others_leads_to_an_original(
    api: Api, alice: Api, bob: Api, configured: Callable[..., None], contract: str
) -> None:
    images = [upload(alice), upload(alice, process=False), upload(alice, DAMAGED), upload(alice)]
    configured(CONTRACT=contract)
    paths = [path for path in all_requests(images) if path != "/openapi.json"]
    assert len(paths) > 50
    for client in (api, bob):
        for path in paths:
            check(client.get(path))
    # The same requests of the owner do lead there.
    assert any("images-originals/alice" in str(alice.get(path).headers.get("Location")) for path in paths)


def all_requests(images: list[str]) -> list[str]:
    """Return every GET of the service, for each image, with each parameter that asks for more."""
    requests = []
    for pattern, methods in app.routes.items():
        if "GET" not in methods or methods["GET"].view_name in ("unknown_path", "wrong_method"):
            continue
        ids = images if "{image_id}" in pattern else [UNKNOWN]
        known = {SPELLINGS[field][0] for field in readers._PARAMETERS.get(f"GET {pattern}", ())}
        queries = ["", *(f"?{name}={value}" for name in ASKED if name in known for value in ASKED[name])]
        requests += [re.sub("{.*?}", each, pattern) + query for each in ids for query in queries]
    return requests


def check(answer: HTTPResponse) -> None:
    """Check that an answer has neither an original nor a URL of one."""
    assert answer.status_code in (200, 202, 302, 400, 401, 403, 404, 409), answer.body
    for original in (PHOTO, DAMAGED):
        assert original[:200] not in answer.body
        assert base64.b64encode(original[:99]) not in answer.body
    for text in (answer.body.decode(errors="replace"), str(answer.headers)):
        assert not re.search(r"https?://[^\s\"]*images-originals/[^\s\"';]", text)
