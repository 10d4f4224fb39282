"""Filters of lists: which images they find, in which order, and how many reads a page costs."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.app.calls import Calls
from tests.app.conftest import Api, Log, Stores
from tests.errors import error
from tests.pictures import base64_picture, picture

Filter = Callable[[int, dict[str, Any]], object]

PNG = base64_picture()
GIF = base64.b64encode(picture("GIF")).decode()


@dataclass(frozen=True, slots=True)
class Album:
    """Twenty images of alice and bob, oldest first. Every fifth is private, every third was updated."""

    api: Api
    images: list[dict[str, Any]]

    def ids(self, matches: Filter, by: str = "created_at", seen_by: str = "nobody") -> list[str]:
        """Return the ids of images that match and that the caller may see, oldest first.

        `matches` gets the number and the metadata of an image.
        """
        matching = [image for n, image in enumerate(self.images) if matches(n, image)]
        visible = [image for image in matching if image["visibility"] == "public" or image["user_id"] == seen_by]
        return [image["image_id"] for image in sorted(visible, key=lambda image: (image[by], image["image_id"]))]


@pytest.fixture
def album(api: Api) -> Album:
    images = [
        api.upload(
            user_id="alice" if n % 2 else "bob",
            tags=["all", f"n{n % 4}"],
            title=["Sunset dunes", "Sunrise", "Sun at sea", "Sea side"][n % 4],
            description="x" * 1500 if n % 8 == 2 else "The sunny side" if n % 2 else "",
            filename=f"IMG_{n:04}.png",
            image_data=GIF if n % 7 == 0 else PNG,
            visibility="private" if n % 5 == 0 else "public",
        )
        for n in range(20)
    ]
    for n in (3, 0, 18, 9, 6, 15, 12):
        time.sleep(0.002)
        owner = Api(api.client, {"X-User-Id": images[n]["user_id"]})
        changed = owner.call("PUT", f"/images/{images[n]['image_id']}", {"description": "New"})
        images[n] = changed.json_body["metadata"]
    return Album(api, images)


def test_a_checksum_finds_only_the_same_bytes(album: Album) -> None:
    checksum = album.images[7]["checksum"]
    image_ids = album.api.listed(f"checksum={checksum.upper()}&order=asc")
    assert image_ids == album.ids(lambda n, image: n % 7 == 0)
    assert album.api.listed("checksum=" + "0" * 64) == []


ONE_FILTER = [
    "",
    "user_id=alice",
    "tag=all",
    "tag=n1",
    "title=sunset",
    "description=sunny",
    "filename=png",
    "content_type=image/png",
    "content_type=image/gif",
    "visibility=public",
    "dateFrom=2020-01-01",
    "takenFrom=2020-01-01",
    *(f"{query}&sort=taken_at" for query in ("", "user_id=alice", "tag=n1", "title=sunset", "content_type=image/gif")),
]


def test_a_page_with_one_filter_costs_one_read(album: Album, log: Log) -> None:
    for query in ONE_FILTER:
        album.api.get(f"/images?limit=3&{query}")
        reads = [line["reads"] for line in log() if line["message"] == "list"][-1]
        assert (query, reads) == (query, 1)


def test_private_images_of_others_cost_no_read(api: Api, log: Log) -> None:
    public = [api.upload(tags=["sea"], title="Sea")["image_id"] for _ in range(3)][::-1]
    for _ in range(15):
        api.upload(user_id="mallory", visibility="private", tags=["sea"], title="Sea")
        api.upload(visibility="private", tags=["sea"], title="Sea")
    bob = Api(api.client, {"X-User-Id": "bob"})
    for query in ("", "tag=sea", "title=sea", "content_type=image/png", "any_tag=sea,sky"):
        assert bob.listed(f"{query}&limit=3") == api.listed(f"{query}&limit=3") == public
    assert max(line["reads"] for line in log() if line["message"] == "list") <= 5


@pytest.fixture
def disjoint_tags(api: Api) -> Api:
    """Fifteen images with the tag `day` and fifteen with `night`, in turn. No image has both tags."""
    for _ in range(15):
        api.upload(tags=["day"])
        api.upload(tags=["night"])
    return api


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_two_frequent_tags_without_a_common_image_stay_within_the_page_budget(
    disjoint_tags: Api, log: Log, configured: Callable[..., None], order: str
) -> None:
    configured(MAX_PAGE_READS="6")
    pages = list(disjoint_tags.pages(f"tag=day&tag=night&limit=2&order={order}"))
    assert len(pages) > 1
    assert not any(pages)
    reads = [line["reads"] for line in log() if line["message"] == "list"]
    assert max(reads) <= 6


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_an_image_in_two_merged_lists_is_on_one_page(api: Api, configured: Callable[..., None], order: str) -> None:
    images = [api.upload(tags=["day", "night"], title="sunset sunrise sun")["image_id"] for _ in range(7)]
    for budget in (6, 7):
        configured(MAX_PAGE_READS=str(budget))
        for query in ("any_tag=day,night", "title=sun"):
            pages = api.pages(f"{query}&limit=2&order={order}")
            assert [image_id for page in pages for image_id in page] == images[:: 1 if order == "asc" else -1]


@pytest.mark.parametrize(
    "budget", [{"MAX_PAGE_READ_UNITS": "1"}, {"MAX_PAGE_MILLISECONDS": "1"}, {"MAX_PAGE_READS": "6"}]
)
def test_a_list_continues_after_pages_that_spend_their_budget(
    disjoint_tags: Api, configured: Callable[..., None], budget: dict[str, str]
) -> None:
    with_both_tags = [disjoint_tags.upload(tags=["day", "night"])["image_id"]]
    for _ in range(4):
        disjoint_tags.upload(tags=["day"])
        disjoint_tags.upload(tags=["night"])
    with_both_tags.append(disjoint_tags.upload(tags=["day", "night"])["image_id"])
    configured(**budget)
    for query in ("tag=day&tag=night", "tag=day&title=sea", "title=s"):
        expected = with_both_tags[::-1] if "night" in query else []
        pages = list(disjoint_tags.pages(f"{query}&limit=1"))
        assert [image_id for page in pages for image_id in page] == expected


def test_tags_used_at_different_times_cost_few_reads(api: Api, log: Log) -> None:
    """The tags were frequent at different times. Reading ahead in one list skips the whole other list."""
    for tag in ("old", "new"):
        for _ in range(20):
            api.upload(tags=[tag])
    assert api.listed("tag=old&tag=new&limit=2") == []
    assert [line["reads"] for line in log() if line["message"] == "list"] == [3]


def test_words_with_the_same_prefix_are_merged_into_one_list(api: Api, log: Log) -> None:
    titles = ["sun", "sunday", "sunset", "sea", "sunsets"]
    uploaded = [(n, api.upload(title=titles[n % 5])["image_id"]) for n in range(25)]
    sun = [image_id for n, image_id in uploaded if n % 5 != 3][::-1]
    assert [image_id for page in api.pages("title=sun&limit=6") for image_id in page] == sun
    assert [image_id for page in api.pages("title=sun&limit=6&order=asc") for image_id in page] == sun[::-1]
    assert max(line["reads"] for line in log() if line["message"] == "list") <= 9


def test_a_prefix_of_too_many_words_is_read_from_another_list(
    api: Api, configured: Callable[..., None], log: Log
) -> None:
    uploaded = [api.upload(filename=f"DSC{n:05}.jpg", tags=["x"])["image_id"] for n in range(20)]
    configured(MAX_PREFIX_WORDS="3", EXPLAIN="on")
    for query in ("filename=dsc", "filename=dsc&tag=x"):
        assert [image_id for page in api.pages(f"{query}&limit=7") for image_id in page] == uploaded[::-1]
    explained = api.get("/images?filename=dsc&limit=7&explain=true").json_body["explain"]
    assert explained["lists"] == ["filename:dsc", "everything"]
    assert explained["driver"] == "everything"
    assert api.listed("filename=dsc00007") == [uploaded[7]]


def test_the_search_for_words_leaves_reads_for_images(api: Api, configured: Callable[..., None], log: Log) -> None:
    uploaded = [api.upload(filename=f"DSC{n:05}.jpg", title=f"Dune{n:05} sea{n:05}")["image_id"] for n in range(20)]
    configured(MAX_PAGE_READS="6")
    for limit in (2, 9):
        pages = api.pages(f"filename=dsc&title=du%20se&limit={limit}")
        assert [image_id for page in pages for image_id in page] == uploaded[::-1]
    assert max(line["reads"] for line in log() if line["message"] == "list") <= 6


def test_a_list_explains_its_plan_if_explain_is_on(album: Album, configured: Callable[..., None]) -> None:
    configured(EXPLAIN="on")
    page = album.api.get("/images?tag=all&tag=n1&limit=2&explain=true").json_body
    explained = page["explain"]
    assert explained["lists"] == ["tag:all", "tag:n1"]
    assert explained["driver"] == "tag:n1"
    assert [read["list"] for read in explained["reads"]] == ["tag:all", "tag:n1"]
    assert explained["read_units"] == sum(read["read_units"] for read in explained["reads"]) > 0
    assert album.api.get("/images?visibility=private&explain=true").json_body["explain"]["driver"] is None
    configured(EXPLAIN="off")
    answer = album.api.get("/images?explain=true")
    assert (answer.status_code, answer.json_body) == (403, error("This service does not explain lists (EXPLAIN)."))


def test_a_count_is_exact_up_to_its_limit(album: Album, configured: Callable[..., None]) -> None:
    configured(MAX_COUNT="4")
    assert album.api.get("/images/count?tag=n1").json_body == {"count": 4}
    assert album.api.get("/images/count?tag=all").json_body == {"count": 4, "at_least": True}
    configured(MAX_COUNT="1000", MAX_PAGE_READS="6")
    counted = album.api.get("/images/count?tag=n1&tag=n2").json_body
    assert counted == {"count": 0}  # both lists were read to their ends
    assert album.api.get("/images/count?tag=n1&sort=sideways").status_code == 400


# One list for each index, one with private images, and one whose records are read.
LISTS = [
    *("", "user_id=alice", "sort=updated_at", "user_id=alice&sort=updated_at", "tag=all&description=xxx"),
    *("sort=taken_at", "user_id=alice&sort=taken_at", "q=sunny"),
]


@pytest.mark.parametrize("query", LISTS)
def test_every_contract_answers_the_same_list(album: Album, query: str) -> None:
    alice = Api(album.api.client, {"X-User-Id": "alice"})
    image_ids = alice.listed(query)
    assert image_ids
    entries = alice.get(f"/list?{query}&include=url").json_body
    assert [entry["id"] for entry in entries] == image_ids
    assert all(entry["id"] in entry["url"] for entry in entries)
    assert alice.get(f"/images/count?{query}").json_body == {"count": len(image_ids)}
    event = {"queryStringParameters": parse_qs(f"{query}&include=url"), "headers": alice.headers}
    invoked = json.loads(alice.client.lambda_.invoke("list_images", event).payload["body"])
    assert [image["image_id"] for image in invoked["images"]] == image_ids
    assert all(image["image_id"] in image["presigned_url"] for image in invoked["images"])


def test_include_url_adds_a_presigned_url_to_each_image(album: Album) -> None:
    page = album.api.get("/images?tag=n1&include=url").json_body
    assert page["expires_in"] == 3600
    for image in page["images"]:
        assert image.pop("presigned_url").startswith("https://s3.us-east-1.amazonaws.com/images-originals/")
        assert image in album.images
    assert not any("presigned_url" in image for image in album.api.get("/images?tag=n1").json_body["images"])


def test_a_row_without_its_description_is_filtered_before_its_record_is_read(api: Api, log: Log) -> None:
    long = "A long story " + "x" * 2000
    rare = api.upload(tags=["common", "rare"], description=long)["image_id"]
    for _ in range(5):
        api.upload(tags=["common", "other"], description=long)
    assert api.listed("tag=common&tag=rare&description=story") == [rare]
    assert [line["reads"] for line in log() if line["message"] == "list"][-1] == 4  # three lists, one record


def test_an_image_that_changes_after_its_row_was_read_is_checked_by_its_record(api: Api, calls: Calls) -> None:
    image_id = api.upload(tags=["sea"], description="x" * 2000)["image_id"]
    private = {"visibility": "private"}
    calls.before("BatchGetItem", lambda: api.call("PUT", f"/images/{image_id}", private))
    bob = Api(api.client, {"X-User-Id": "bob"})
    assert bob.listed("tag=sea") == []


@pytest.mark.long
def test_the_shards_of_a_list_are_read_as_one_list(api: Api, configured: Callable[..., None], stores: Stores) -> None:
    today = time.strftime("%Y-%m-%d", time.gmtime())
    shards = f"everything {today} 3; tag:sea {today} 4; title:dunes 2020-01-01 2; title:dunes {today} 5"
    configured(SHARDS=shards, EXPLAIN="on")
    every_shard = {f"\x1f~{n}\x1fsea" for n in range(4)}
    ids: list[str] = []
    # An image's shard follows from its random id: upload until each shard has one.
    while len(ids) < 12 or not every_shard <= {row["tag"]["S"] for row in stores.rows()}:
        n = len(ids)
        visibility = "private" if n % 9 == 0 else "public"
        image = api.upload(tags=["sea"], title="Dunes" if n % 2 else "Dune", visibility=visibility)
        ids.append(image["image_id"])
    alice = Api(api.client, {"X-User-Id": "alice"})
    for order, expected in (("desc", ids[::-1]), ("asc", ids)):
        for query in ("", "tag=sea", "title=dun"):
            pages = alice.pages(f"{query}&order={order}&limit=8")
            assert [image_id for page in pages for image_id in page] == expected
        public = [image_id for image_id in expected if ids.index(image_id) % 9]
        assert [image_id for page in api.pages(f"tag=sea&order={order}&limit=8") for image_id in page] == public
    for image_id in ids:
        assert alice.call("PUT", f"/images/{image_id}", {"title": "Sea"}).status_code == 200
    assert len(alice.listed("tag=sea&title=sea&sort=updated_at")) == len(ids)
    for image_id in ids:
        assert alice.call("DELETE", f"/images/{image_id}").status_code == 200
    assert stores.are_empty()


def test_a_field_without_indexed_words_cannot_be_a_filter(api: Api, configured: Callable[..., None]) -> None:
    configured(MAX_DESCRIPTION_WORDS="0")
    answer = api.get("/images?description=sea")
    sentence = "Lists cannot be filtered by description: its words are not indexed (MAX_DESCRIPTION_WORDS)."
    assert (answer.status_code, answer.json_body) == (400, error(sentence))


def test_a_list_of_contract_e_has_private_images_only_if_the_query_asks_for_them(
    api: Api, configured: Callable[..., None]
) -> None:
    public, private = (api.upload(visibility=visibility)["image_id"] for visibility in ("public", "private"))
    alice = Api(api.client, {"X-User-Id": "alice"})

    def listed(query: str) -> list[str]:
        return [image.get("image_id") or image["id"] for image in alice.get(f"/images?{query}").json_body["images"]]

    assert listed("") == [private, public]
    configured(CONTRACT="e")
    assert listed("") == listed("visibility=public") == [public]
    assert listed("visibility=private") == [private]
    assert listed("visibility=all") == [private, public]
