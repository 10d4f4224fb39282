"""How people see pictures: thumbnails in lists, /render in an `<img>`, and originals for owners only."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.web import openapi
from dev.stack import running
from tests.http.client import Json, Service, User, download
from tests.http.uploads import wait_until_processed
from tests.pictures import picture

PHOTO = picture("JPEG", width=700, height=500)


def size_of(content: bytes) -> tuple[int, int]:
    """Return the size of a picture."""
    return Image.open(io.BytesIO(content)).size


@pytest.fixture(scope="module")
def private_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that gives originals to owners only."""
    if request.config.getoption("--url"):
        pytest.skip("This needs a stack of its own, and --url names a service.")
    with running(Path(tmp_path_factory.mktemp("owners")) / "data", environment={"ORIGINALS": "owner"}) as stack:
        yield Service(stack.url)


def test_a_list_shows_pictures_without_further_requests(alice: User) -> None:
    image_id = alice.upload(PHOTO)["image_id"]
    analysis = wait_until_processed(alice, image_id)["analysis"]
    page = alice.service.get("/images", user_id=alice.user_id, include="url,thumbnail,variants,analysis")
    (entry,) = page["images"]
    assert (entry["state"], page["expires_in"]) == ("ready", 3600)
    assert download(entry["presigned_url"]).content == PHOTO
    thumbnail = entry["thumbnail"]
    shown = download(thumbnail["url"])
    assert size_of(shown.content) == (thumbnail["width"], thumbnail["height"]) == (320, 229)
    assert [size_of(download(variant["url"]).content)[0] for variant in entry["variants"]] == [
        variant["width"] for variant in analysis["variants"]
    ]
    assert entry["analysis"] == {name: analysis[name] for name in ("placeholder", "color", "taken_at", "animated")}


def test_a_picture_can_be_waited_for_right_after_the_upload(alice: User) -> None:
    image_id = alice.upload(PHOTO)["image_id"]
    for _ in range(6):  # a minute, on a slow machine
        answer = alice.service.call("GET", f"/images/{image_id}/render?w=320&wait=10")
        if answer.status_code != 202:
            break
        assert (answer.json(), answer.headers["Retry-After"]) == ({"image_id": image_id, "state": "processing"}, "2")
    assert size_of(answer.content) == (320, 229)


def test_an_img_shows_a_private_image_by_its_signature(alice: User) -> None:
    image_id = alice.upload(PHOTO, visibility="private")["image_id"]
    path = "/" + wait_until_processed(alice, image_id)["render"]
    assert size_of(alice.service.call("GET", f"{path}&w=320").content) == (320, 229)
    assert alice.service.call("GET", f"{path}x").status_code == 403
    assert alice.service.call("GET", path.partition("?")[0]).status_code == 404


def test_no_answer_to_others_leads_to_an_original(private_service: Service) -> None:
    alice = User(private_service, "alice")
    image_ids = [alice.upload(PHOTO)["image_id"] for _ in range(2)]
    late = alice.upload(PHOTO)["image_id"]
    for image_id in image_ids:
        wait_until_processed(alice, image_id)
    for path in requests_of([*image_ids, late]):
        answer = private_service.call("GET", path, allow_redirects=False, headers={"X-User-Id": "bob"})
        assert answer.status_code in (200, 202, 302, 400, 403, 404), path
        texts = (answer.text, answer.headers.get("Location", ""))
        assert not any(re.search(r"https?://[^\s\"]*images-originals/[^\s\"';]", text) for text in texts), path
        assert PHOTO[:200] not in answer.content, path
    original = private_service.call(
        "GET", f"/images/{image_ids[0]}/download?type=binary", headers={"X-User-Id": "alice"}
    )
    assert original.content == PHOTO


def requests_of(image_ids: list[str]) -> list[str]:
    """Return every GET that the document describes, for each image, with each parameter that asks for a picture."""
    described: Json = openapi.of_contract("b")["paths"]
    asked = [
        "",
        "?include=url,thumbnail,variants,analysis",
        "?include=exif,location",
        "?format=original",
        "?download=true",
    ]
    asked += [f"?type={kind}" for kind in ("redirect", "binary", "base64")]
    found = []
    for path in [path for path, item in described.items() if "get" in item and path != "/openapi.json"]:
        parameters = described[path]["get"].get("parameters", ())
        names = {each["name"] if "name" in each else each["$ref"].rpartition("/")[2].lower() for each in parameters}
        queries = [query for query in asked if not query or re.findall(r"\w+", query)[0] in names]
        for image_id in image_ids if "{" in path else image_ids[:1]:
            found += [re.sub("{.*?}", image_id, path) + query for query in queries]
    return found
