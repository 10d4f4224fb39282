"""Lists by what images are found by: whichever filters, in whichever order, at what cost."""

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
from tests.pictures import base64_picture, picture

Wanted = Callable[[int, dict[str, Any]], object]

PNG = base64_picture()
GIF = base64.b64encode(picture("GIF")).decode()


@dataclass(frozen=True, slots=True)
class Album:
    """Twenty images of alice and bob, oldest first; every fifth is private, every third was updated."""

    api: Api
    images: list[dict[str, Any]]

    def ids(self, wanted: Wanted, by: str = "created_at", seen_by: str = "nobody") -> list[str]:
        """Those that are wanted, by their number and metadata, and that the caller may see, oldest first."""
        found = [image for n, image in enumerate(self.images) if wanted(n, image)]
        seen = [image for image in found if image["visibility"] == "public" or image["user_id"] == seen_by]
        return [image["image_id"] for image in sorted(seen, key=lambda image: (image[by], image["image_id"]))]


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


def test_a_checksum_finds_the_same_bytes_and_no_others(album: Album) -> None:
    checksum = album.images[7]["checksum"]
    found = album.api.listed(f"checksum={checksum.upper()}&order=asc")
    assert found == album.ids(lambda n, image: n % 7 == 0)
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
]


def test_a_page_by_one_filter_costs_one_read(album: Album, log: Log) -> None:
    for query in ONE_FILTER:
        album.api.get(f"/images?limit=3&{query}")
        read = [line["reads"] for line in log() if line["message"] == "list"][-1]
        assert (query, read) == (query, 1)


def test_what_others_keep_private_costs_nobody_a_read(api: Api, log: Log) -> None:
    public = [api.upload(tags=["sea"], title="Sea")["image_id"] for _ in range(3)][::-1]
    for _ in range(15):
        api.upload(user_id="mallory", visibility="private", tags=["sea"], title="Sea")
        api.upload(visibility="private", tags=["sea"], title="Sea")
    bob = Api(api.client, {"X-User-Id": "bob"})
    for query in ("", "tag=sea", "title=sea", "content_type=image/png", "any_tag=sea,sky"):
        assert bob.listed(f"{query}&limit=3") == api.listed(f"{query}&limit=3") == public
    assert max(line["reads"] for line in log() if line["message"] == "list") <= 4


@pytest.fixture
def apart(api: Api) -> Api:
    """Images of two tags, in turn, that never meet."""
    for _ in range(15):
        api.upload(tags=["day"])
        api.upload(tags=["night"])
    return api


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_two_frequent_tags_that_never_meet_cost_no_more_than_the_budget_a_page_and_end(
    apart: Api, log: Log, configured: Callable[..., None], order: str
) -> None:
    configured(MAX_PAGE_READS="4")
    pages = list(apart.pages(f"tag=day&tag=night&limit=2&order={order}"))
    assert len(pages) > 1
    assert not any(pages)
    reads = [line["reads"] for line in log() if line["message"] == "list"]
    assert max(reads) <= 6  # the last read may have looked ahead in the other list


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_an_image_of_two_lists_that_are_one_is_on_one_page_wherever_that_ends(
    api: Api, configured: Callable[..., None], order: str
) -> None:
    images = [api.upload(tags=["day", "night"], title="sunset sunrise sun")["image_id"] for _ in range(7)]
    for budget in (1, 2, 3, 5):
        configured(MAX_PAGE_READS=str(budget))
        for query in ("any_tag=day,night", "title=sun"):
            pages = api.pages(f"{query}&limit=2&order={order}")
            assert [image_id for page in pages for image_id in page] == images[:: 1 if order == "asc" else -1]


@pytest.mark.parametrize(
    "budget", [{"MAX_PAGE_READ_UNITS": "1"}, {"MAX_PAGE_MILLISECONDS": "1"}, {"MAX_PAGE_READS": "1"}]
)
def test_a_page_whose_budget_is_spent_goes_on_until_all_is_found(
    apart: Api, configured: Callable[..., None], budget: dict[str, str]
) -> None:
    both = [apart.upload(tags=["day", "night"])["image_id"]]
    for _ in range(4):
        apart.upload(tags=["day"])
        apart.upload(tags=["night"])
    both.append(apart.upload(tags=["day", "night"])["image_id"])
    configured(**budget)
    for query in ("tag=day&tag=night", "tag=day&title=sea", "title=s"):
        wanted = both[::-1] if "night" in query else []
        pages = list(apart.pages(f"{query}&limit=1"))
        assert [image_id for page in pages for image_id in page] == wanted


def test_where_one_list_is_empty_the_other_is_not_read_through(api: Api, log: Log) -> None:
    """Two that were frequent at different times: looking ahead passes over all of it."""
    for tag in ("old", "new"):
        for _ in range(20):
            api.upload(tags=[tag])
    assert api.listed("tag=old&tag=new&limit=2") == []
    assert [line["reads"] for line in log() if line["message"] == "list"] == [3]


def test_words_that_begin_alike_are_one_list(api: Api, log: Log) -> None:
    titles = ["sun", "sunday", "sunset", "sea", "sunsets"]
    made = [(n, api.upload(title=titles[n % 5])["image_id"]) for n in range(25)]
    sun = [image_id for n, image_id in made if n % 5 != 3][::-1]
    assert [image_id for page in api.pages("title=sun&limit=6") for image_id in page] == sun
    assert [image_id for page in api.pages("title=sun&limit=6&order=asc") for image_id in page] == sun[::-1]
    assert max(line["reads"] for line in log() if line["message"] == "list") <= 9


def test_of_too_many_words_another_list_is_read(api: Api, configured: Callable[..., None], log: Log) -> None:
    made = [api.upload(filename=f"DSC{n:05}.jpg", tags=["x"])["image_id"] for n in range(20)]
    configured(MAX_PREFIX_WORDS="3", EXPLAIN="on")
    for query in ("filename=dsc", "filename=dsc&tag=x"):
        assert [image_id for page in api.pages(f"{query}&limit=7") for image_id in page] == made[::-1]
    explained = api.get("/images?filename=dsc&limit=7&explain=true").json_body["explain"]
    assert explained["lists"] == ["filename:dsc", "everything"]
    assert explained["driver"] == "everything"
    assert api.listed("filename=dsc00007") == [made[7]]


def test_looking_for_words_leaves_some_of_the_budget_for_images(
    api: Api, configured: Callable[..., None], log: Log
) -> None:
    made = [api.upload(filename=f"DSC{n:05}.jpg", title=f"Dune{n:05} sea{n:05}")["image_id"] for n in range(20)]
    configured(MAX_PAGE_READS="6")
    for limit in (2, 9):
        pages = api.pages(f"filename=dsc&title=du%20se&limit={limit}")
        assert [image_id for page in pages for image_id in page] == made[::-1]
    assert max(line["reads"] for line in log() if line["message"] == "list") <= 7


def test_a_list_explains_itself_where_it_may(album: Album, configured: Callable[..., None]) -> None:
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
    assert (answer.status_code, answer.json_body) == (403, {"error": "This service does not explain lists (EXPLAIN)."})


def test_a_count_is_exact_up_to_its_limit(album: Album, configured: Callable[..., None]) -> None:
    configured(MAX_COUNT="4")
    assert album.api.get("/images/count?tag=n1").json_body == {"count": 4}
    assert album.api.get("/images/count?tag=all").json_body == {"count": 4, "at_least": True}
    configured(MAX_COUNT="1000", MAX_PAGE_READS="1")
    counted = album.api.get("/images/count?tag=n1&tag=n2").json_body
    assert counted == {"count": 0}  # the lists are known whole
    assert album.api.get("/images/count?tag=n1&sort=sideways").status_code == 400


# One list for each index, one with private images, and one whose records have to be fetched.
LISTS = ["", "user_id=alice", "sort=updated_at", "user_id=alice&sort=updated_at", "tag=all&description=xxx"]


@pytest.mark.parametrize("query", LISTS)
def test_every_door_leads_to_the_same_lists(album: Album, query: str) -> None:
    alice = Api(album.api.client, {"X-User-Id": "alice"})
    found = alice.listed(query)
    assert found
    entries = alice.get(f"/list?{query}&include=url").json_body
    assert [entry["id"] for entry in entries] == found
    assert all(entry["id"] in entry["url"] for entry in entries)
    assert alice.get(f"/images/count?{query}").json_body == {"count": len(found)}
    event = {"queryStringParameters": parse_qs(f"{query}&include=url"), "headers": alice.headers}
    invoked = json.loads(alice.client.lambda_.invoke("list_images", event).payload["body"])
    assert [image["image_id"] for image in invoked["images"]] == found
    assert all(image["image_id"] in image["presigned_url"] for image in invoked["images"])


def test_each_image_of_a_page_has_a_url_where_that_is_asked_for(album: Album) -> None:
    page = album.api.get("/images?tag=n1&include=url").json_body
    assert page["expires_in"] == 3600
    for image in page["images"]:
        assert image.pop("presigned_url").startswith("https://s3.us-east-1.amazonaws.com/images-originals/")
        assert image in album.images
    assert not any("presigned_url" in image for image in album.api.get("/images?tag=n1").json_body["images"])


def test_a_record_without_room_for_its_description_is_filtered_by_the_rest_of_its_row(api: Api, log: Log) -> None:
    long = "A long story " + "x" * 2000
    rare = api.upload(tags=["common", "rare"], description=long)["image_id"]
    for _ in range(5):
        api.upload(tags=["common", "other"], description=long)
    assert api.listed("tag=common&tag=rare&description=story") == [rare]
    assert [line["reads"] for line in log() if line["message"] == "list"][-1] == 4  # three lists, one record


def test_a_record_that_changes_between_its_row_and_itself_is_judged_as_it_is(api: Api, calls: Calls) -> None:
    image_id = api.upload(tags=["sea"], description="x" * 2000)["image_id"]
    private = {"visibility": "private"}
    calls.before("BatchGetItem", lambda: api.call("PUT", f"/images/{image_id}", private))
    bob = Api(api.client, {"X-User-Id": "bob"})
    assert bob.listed("tag=sea") == []


@pytest.mark.long
def test_lists_that_are_spread_are_read_as_one(api: Api, configured: Callable[..., None], stores: Stores) -> None:
    today = time.strftime("%Y-%m-%d", time.gmtime())
    shards = f"everything {today} 3; tag:sea {today} 4; title:dunes 2020-01-01 2; title:dunes {today} 5"
    configured(SHARDS=shards, EXPLAIN="on")
    every_shard = {f"\x1f~{n}\x1fsea" for n in range(4)}
    ids: list[str] = []
    # An image's shard follows from its random id: upload until each shard has one.
    while len(ids) < 12 or not every_shard <= {row["tag"]["S"] for row in stores.rows()}:
        n = len(ids)
        visibility = "private" if n % 9 == 0 else "public"
        made = api.upload(tags=["sea"], title="Dunes" if n % 2 else "Dune", visibility=visibility)
        ids.append(made["image_id"])
    alice = Api(api.client, {"X-User-Id": "alice"})
    for order, wanted in (("desc", ids[::-1]), ("asc", ids)):
        for query in ("", "tag=sea", "title=dun"):
            pages = alice.pages(f"{query}&order={order}&limit=8")
            assert [image_id for page in pages for image_id in page] == wanted
        public = [image_id for image_id in wanted if ids.index(image_id) % 9]
        assert [image_id for page in api.pages(f"tag=sea&order={order}&limit=8") for image_id in page] == public
    for image_id in ids:
        assert alice.call("PUT", f"/images/{image_id}", {"title": "Sea"}).status_code == 200
    assert len(alice.listed("tag=sea&title=sea&sort=updated_at")) == len(ids)
    for image_id in ids:
        assert alice.call("DELETE", f"/images/{image_id}").status_code == 200
    assert stores.are_empty()


def test_a_field_whose_words_are_not_kept_can_not_be_asked_for(api: Api, configured: Callable[..., None]) -> None:
    configured(MAX_DESCRIPTION_WORDS="0")
    answer = api.get("/images?description=sea")
    sentence = "Lists cannot be filtered by description: its words are not indexed (MAX_DESCRIPTION_WORDS)."
    assert (answer.status_code, answer.json_body) == (400, {"error": sentence})
