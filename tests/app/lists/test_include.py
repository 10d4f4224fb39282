"""What lists add to each image (`include`): presigned URLs, thumbnails, variants and what processing found out."""

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.app.background import object_created
from tests.app.calls import Calls
from tests.app.conftest import Api, Log, Stores
from tests.app.uploads import BROKEN
from tests.pictures import picture

PHOTO = base64.b64encode(picture("PNG", width=700, height=500)).decode()  # has variants of 640 and 320 pixels
ADDED = ("state", "thumbnail", "variants", "analysis")


def upload(api: Api, image_data: str = PHOTO, *, process: bool = True, **fields: Any) -> dict[str, Any]:
    image = api.upload(image_data=image_data, **fields)
    if process:
        object_created(api, image["s3_key"])
    return image


def listed(api: Api, query: str = "include=thumbnail,variants,analysis") -> list[dict[str, Any]]:
    answer = api.get(f"/images?{query}")
    assert answer.status_code == 200, answer.body
    images: list[dict[str, Any]] = answer.json_body["images"]
    return images


def object_of(url: str) -> str:
    """Return the bucket of a presigned URL, and the last part of the object's key."""
    _, bucket, *_, name = urlsplit(url).path.split("/")
    return f"{bucket}/{name}"


@pytest.fixture
def alice(api: Api) -> Api:
    return Api(api.client, {"X-User-Id": "alice"})


def test_each_image_has_what_the_list_includes(api: Api, stores: Stores) -> None:
    image = upload(api)
    analysis = api.view(image["image_id"])["analysis"]
    (entry,) = listed(api, "include=thumbnail&include=variants,analysis")
    thumbnail, variants = entry["thumbnail"], entry["variants"]
    assert {name: entry[name] for name in image} == image
    assert entry.keys() - image.keys() == set(ADDED)
    assert entry["state"] == "ready"
    assert (object_of(thumbnail["url"]), thumbnail["width"], thumbnail["height"]) == (
        "images-derived/320.webp",
        320,
        229,
    )
    names = ["640.jpg", "640.webp", "320.webp"]
    assert [object_of(variant["url"]) for variant in variants] == [f"images-derived/{name}" for name in names]
    assert [{name: variant[name] for name in ("width", "height", "content_type")} for variant in variants] == [
        {name: variant[name] for name in ("width", "height", "content_type")} for variant in analysis["variants"]
    ]
    assert entry["analysis"] == {name: analysis[name] for name in ("placeholder", "color", "taken_at", "animated")}
    for url in (thumbnail["url"], *(variant["url"] for variant in variants)):
        assert urlsplit(url).path.split("/", 2)[2] in stores.objects("derived")


def test_each_name_adds_its_own_field(api: Api) -> None:
    image = upload(api)
    for name, field in (("url", "presigned_url"), *((name, name) for name in ADDED[1:])):
        (entry,) = listed(api, f"include={name}")
        assert entry.keys() - image.keys() == ({field} if name == "url" else {field, "state"})


def test_an_image_without_variants_has_no_link_to_its_original(api: Api) -> None:
    upload(api, process=False)
    upload(api, BROKEN)
    assert [{name: entry[name] for name in ADDED} for entry in listed(api)] == [
        {"state": state, "thumbnail": None, "variants": [], "analysis": None} for state in ("failed", "processing")
    ]


@pytest.mark.parametrize(("width", "expected"), [("1", "320"), ("320", "320"), ("321", "640"), ("9999", "640")])
def test_the_thumbnail_is_the_narrowest_variant_that_is_wide_enough(
    api: Api, configured: Callable[..., None], width: str, expected: str
) -> None:
    upload(api)
    configured(THUMBNAIL_WIDTH_PX=width)
    (entry,) = listed(api, "include=thumbnail")
    assert object_of(entry["thumbnail"]["url"]) == f"images-derived/{expected}.webp"


def test_a_thumbnail_is_in_the_format_that_most_clients_show(api: Api, configured: Callable[..., None]) -> None:
    configured(VARIANT_FORMATS="avif jpeg webp")
    upload(api)
    configured(VARIANT_FORMATS="avif jpeg")
    upload(api)
    urls = [entry["thumbnail"]["url"] for entry in listed(api, "include=thumbnail")]
    assert list(map(object_of, urls)) == ["images-derived/320.jpg", "images-derived/320.webp"]


@pytest.mark.parametrize(
    "query", ["", "user_id=alice", "sort=updated_at", "tag=sea&title=dunes", "user_id=alice&visibility=private"]
)
def test_a_page_with_records_costs_one_call_more(alice: Api, calls: Calls, log: Log, query: str) -> None:
    for n in range(5):
        visibility = "private" if n % 2 else "public"
        upload(alice, process=n < 4, tags=["sea"], title="Dunes", visibility=visibility, description="x" * 2000)
    with calls.recorded() as without:
        expected = [image["image_id"] for image in listed(alice, query)]
    with calls.recorded() as operations:
        entries = listed(alice, f"{query}&include=thumbnail,analysis")
    assert [entry["image_id"] for entry in entries] == expected
    # A page of long descriptions reads records anyway, and reads them once.
    assert operations == [*(each for each in without if each != "BatchGetItem"), "BatchGetItem"]
    assert [line["reads"] for line in log() if line["message"] == "list"][-1] == len(operations)
    assert {entry["description"] for entry in entries} == {"x" * 2000}


def test_the_records_of_a_page_are_in_its_explanation(api: Api, configured: Callable[..., None]) -> None:
    upload(api)
    configured(EXPLAIN="on")
    explanation = api.get("/images?include=analysis&explain=true").json_body["explain"]
    assert [(read["list"], read["rows"]) for read in explanation["reads"]] == [("everything", 1), ("records", 1)]
    assert explanation["read_units"] == sum(read["read_units"] for read in explanation["reads"])


@pytest.mark.parametrize(
    ("method", "body"), [("DELETE", None), ("PUT", {"visibility": "private"}), ("PUT", {"tags": ["land"]})]
)
def test_an_image_that_changes_after_its_row_was_read_is_left_out(
    api: Api, alice: Api, calls: Calls, method: str, body: object
) -> None:
    image_id, other = (upload(api, tags=["sea"])["image_id"] for _ in range(2))
    calls.before("BatchGetItem", lambda: alice.call(method, f"/images/{image_id}", body))
    assert [entry["image_id"] for entry in listed(api, "tag=sea&include=thumbnail")] == [other]


def test_an_image_whose_record_is_gone_is_left_out(api: Api, stores: Stores) -> None:
    image_id, other = (upload(api)["image_id"] for _ in range(2))
    stores.dynamodb.delete_item(TableName="images", Key={"image_id": {"S": image_id}})
    assert [entry["image_id"] for entry in listed(api)] == [other]


def test_pages_stay_within_their_bytes_and_together_have_every_image(api: Api, configured: Callable[..., None]) -> None:
    expected = [upload(api)["image_id"] for _ in range(6)][::-1]
    one = len(api.get("/images?include=variants,thumbnail&limit=1").body)
    configured(MAX_PAGE_BYTES=str(3 * one))
    pages = list(api.pages("include=variants,thumbnail"))
    assert [image_id for page in pages for image_id in page] == expected
    assert 1 < len(pages) < 6
    assert all(len(api.get(f"/images?include=variants,thumbnail&limit={len(page)}").body) < 3 * one for page in pages)


def test_a_page_ends_where_no_further_records_can_be_read(api: Api, log: Log, configured: Callable[..., None]) -> None:
    expected = [api.upload()["image_id"] for _ in range(105)][::-1]
    configured(MAX_PAGE_READ_UNITS="1")
    pages = list(api.pages("include=analysis&limit=1000"))
    assert [len(page) for page in pages] == [100, 5]
    assert [image_id for page in pages for image_id in page] == expected
    configured(MAX_PAGE_READ_UNITS="500")
    assert [len(page) for page in api.pages("include=analysis&limit=1000")] == [105]
    assert [line["reads"] for line in log() if line["message"] == "list"] == [2, 2, 3]


def test_a_list_with_urls_must_not_be_kept_and_one_without_can_be(api: Api) -> None:
    upload(api)
    for name in ("url", "thumbnail", "variants"):
        answer = api.get(f"/images?include={name}")
        assert (answer.headers["Cache-Control"], answer.json_body["expires_in"]) == ("no-store", 3600)
    answer = api.get("/images?include=analysis")
    assert (answer.headers["Cache-Control"], "expires_in" in answer.json_body) == ("public, no-cache", False)


def test_the_array_of_contract_c_has_the_same_fields(api: Api) -> None:
    upload(api)
    (entry,) = api.get("/list?include=url,thumbnail,variants,analysis").json_body
    (expected,) = listed(api, "include=url,thumbnail,variants,analysis")
    assert object_of(entry["url"]) == object_of(expected["presigned_url"])
    assert object_of(entry["thumbnail"]["url"]) == object_of(expected["thumbnail"]["url"])
    assert (entry["state"], entry["analysis"]) == (expected["state"], expected["analysis"])


def test_similar_images_have_the_same_fields_without_a_further_call(api: Api, calls: Calls) -> None:
    image, copy = upload(api), upload(api)
    with calls.recorded() as without:
        plain = api.get(f"/images/{image['image_id']}/similar")
    with calls.recorded() as operations:
        answer = api.get(f"/images/{image['image_id']}/similar?include=url,thumbnail,variants,analysis")
    assert operations == without
    (entry,), (before,) = answer.json_body["images"], plain.json_body["images"]
    (expected,) = (each for each in listed(api) if each["image_id"] == copy["image_id"])
    assert entry.keys() - before.keys() == {"presigned_url", *ADDED}
    assert object_of(entry["presigned_url"]) == f"images-originals/{copy['image_id']}"
    assert object_of(entry["thumbnail"]["url"]) == object_of(expected["thumbnail"]["url"])
    assert (entry["state"], entry["analysis"]) == (expected["state"], expected["analysis"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert (plain.headers["Cache-Control"], answer.json_body["expires_in"]) == ("private, no-cache", 3600)


def test_counting_reads_no_records(api: Api, calls: Calls) -> None:
    upload(api)
    with calls.recorded() as operations:
        assert api.get("/images/count?include=thumbnail,analysis").json_body == {"count": 1}
    assert operations == ["Query"]
