"""Lists in the order in which pictures were taken, and filters by that time."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chalicelib import ids
from chalicelib.stores import catalog
from tests.app.background import upload_staged
from tests.app.calls import Calls
from tests.app.conftest import Api, Stores
from tests.app.uploads import announce, send
from tests.errors import error
from tests.pictures import base64_picture, dated_picture
from tests.unit.samples import IMAGE

Image = dict[str, Any]

# EXIF of an album that is imported on one day: out of order, with two pictures of one second, and some without a time.
TAKEN = (
    "2019:07:01 10:00:00",
    "1950:02:03 04:05:06",
    "",
    "2004:12:24 18:00:00",
    "2019:07:01 10:00:00",
    "2031:01:01 00:00:00",
)


def upload(api: Api, taken: str = "", offset: str = "", **fields: Any) -> Image:
    """Upload a JPEG that was taken at a time in the form of EXIF."""
    return api.upload(image_data=base64.b64encode(dated_picture(taken, offset)).decode(), **fields)


@dataclass(frozen=True, slots=True)
class Album:
    """Images of alice and bob with the time by which they are sorted."""

    images: list[tuple[str, Image]]

    def listed(self, matches: Callable[[Image], bool], caller: str = "") -> list[str]:
        """Return the ids of the images that match and that the caller may see, the earliest picture first."""
        return [
            image["image_id"]
            for _, image in sorted(self.images, key=lambda each: (each[0], each[1]["image_id"]))
            if matches(image) and (image["visibility"] == "public" or image["user_id"] == caller)
        ]


@pytest.fixture
def album(api: Api) -> Album:
    images = []
    for n in range(18):
        taken = TAKEN[n % 6]
        image = upload(
            api,
            taken,
            user_id="bob" if n % 5 == 4 else "alice",
            visibility="private" if n % 4 == 1 else "public",
            tags=["all", f"t{n % 3}"],
            title=["Sunset dunes", "Sunrise", "Sea side"][n % 3],
            description="x" * 1500 if n % 7 == 2 else "A sunny day",
            filename=f"IMG_{n:04}.jpg",
        )
        if n % 3 == 0:
            owner = Api(api.client, {"X-User-Id": image["user_id"]})
            image = owner.call("PUT", f"/images/{image['image_id']}", {"title": "Sunset"}).json_body["metadata"]
        date, _, clock = taken.partition(" ")
        images.append((f"{date.replace(':', '-')}T{clock}.000Z" if taken else image["created_at"], image))
    return Album(images)


QUERIES: dict[str, Callable[[Image], bool]] = {
    "": lambda image: True,
    "user_id=alice": lambda image: image["user_id"] == "alice",
    "tag=t1": lambda image: "t1" in image["tags"],
    "any_tag=t1,t2": lambda image: not {"t1", "t2"}.isdisjoint(image["tags"]),
    "tag=all&tag=t0": lambda image: "t0" in image["tags"],
    "title=sun": lambda image: image["title"].startswith("Sun"),
    "title=sunset&user_id=alice": lambda image: image["user_id"] == "alice" and "Sunset" in image["title"],
    "description=sunny&tag=all": lambda image: "sunny" in image["description"],
    "filename=img": lambda image: True,
    "content_type=image/jpeg&visibility=public": lambda image: image["visibility"] == "public",
    "visibility=private": lambda image: image["visibility"] == "private",
    "q=sea": lambda image: image["title"] == "Sea side",
    "q=day+t1": lambda image: "day" in image["description"] and "t1" in image["tags"],
}


@pytest.mark.parametrize("caller", ["", "alice"])
def test_every_list_can_be_sorted_by_time_taken(api: Api, album: Album, caller: str) -> None:
    client = Api(api.client, {"X-User-Id": caller} if caller else {})
    for query, matches in QUERIES.items():
        expected = album.listed(matches, caller or ("alice" if "user_id=alice" in query else ""))
        for order, in_order, limit in (("asc", expected, 4), ("desc", expected[::-1], 5)):
            pages = list(client.pages(f"{query}&sort=taken_at&order={order}&limit={limit}"))
            assert ([image_id for page in pages for image_id in page], query) == (in_order, query)
        assert client.get(f"/images/count?{query}&sort=taken_at").json_body == {"count": len(expected)}


@pytest.mark.parametrize("sort", ["", "taken_at", "created_at", "updated_at"])
def test_a_range_of_time_taken_filters_every_list(api: Api, album: Album, sort: str) -> None:
    alice = Api(api.client, {"X-User-Id": "alice"})
    in_range = {image["image_id"] for taken, image in album.images if "1950-02-03T04:05:06.000Z" <= taken < "2019-08"}
    for query in ("", "user_id=alice", "tag=all", "title=sun", "q=sunny", "tag=all&title=sun&filename=img"):
        expected = [image_id for image_id in alice.listed(f"{query}&sort={sort or 'taken_at'}") if image_id in in_range]
        filtered = f"{query}&takenFrom=1950-02-03T04:05:06Z&takenTo=2019-07-31"
        pages = list(alice.pages(f"{filtered}&sort={sort}&limit=4"))
        assert ([image_id for page in pages for image_id in page], query) == (expected, query)
        assert alice.get(f"/images/count?{filtered}").json_body == {"count": len(expected)}


def test_a_count_of_a_range_of_time_taken_reads_only_this_range(
    api: Api, album: Album, configured: Callable[..., None], calls: Calls
) -> None:
    configured(MAX_COUNT="4")
    assert api.get("/images/count?takenTo=1950-12-31").json_body == {"count": 1}
    with calls.recorded() as made:
        api.get("/images/count?takenTo=1950-12-31")
    assert made == ["Query"]


def test_a_time_taken_is_compared_in_utc(api: Api) -> None:
    east = upload(api, "2024:05:01 00:30:00", "+02:00")["image_id"]
    local = upload(api, "2024:05:01 00:00:00")["image_id"]
    west = upload(api, "2024:04:30 23:00:00", "-02:00")["image_id"]
    assert api.listed("sort=takenAt&order=asc") == [east, local, west]
    assert api.listed("takenFrom=2024-05-01") == [west, local]
    assert api.listed("taken_to=2024-04-30") == [east]
    assert api.listed("takenFrom=2024-05-01T02:00:00%2B02:00&takenTo=2024-05-01") == [west, local]


def test_a_picture_without_a_right_time_is_sorted_by_its_creation(api: Api) -> None:
    wrong = ("0000:00:00 00:00:00", "2024:02:30 10:00:00", "    :  :     :  :  ", "9999:12:31 23:59:59")
    images = [upload(api, taken, "-01:00")["image_id"] for taken in wrong]
    images.append(api.upload(image_data=base64_picture())["image_id"])
    assert api.listed("sort=taken_at&order=asc") == images


def test_images_of_one_second_are_in_the_order_of_their_creation(api: Api) -> None:
    images = [upload(api, "2024:05:01 12:00:00", tags=["x"])["image_id"] for _ in range(7)]
    for query in ("", "tag=x", "user_id=alice"):
        assert [one for page in api.pages(f"{query}&sort=taken_at&order=asc&limit=2") for one in page] == images
        assert [one for page in api.pages(f"{query}&sort=taken_at&limit=3") for one in page] == images[::-1]


def test_a_range_of_creation_filters_a_list_by_time_taken(api: Api) -> None:
    images = []
    for taken in ("2024:05:03 00:00:00", "2024:05:02 00:00:00", "2024:05:01 00:00:00"):
        images.append(upload(api, taken))
        time.sleep(0.003)
    since = images[1]["created_at"]
    assert api.listed(f"sort=taken_at&dateFrom={since}") == [images[1]["image_id"], images[2]["image_id"]]
    assert api.get(f"/images/count?takenFrom=2024-05-02&dateFrom={since}").json_body == {"count": 1}


def test_an_update_keeps_the_place_in_the_order_of_time_taken(api: Api) -> None:
    images = [upload(api, f"2024:05:0{n} 00:00:00", tags=["x"])["image_id"] for n in (1, 2, 3)]
    alice = Api(api.client, {"X-User-Id": "alice"})
    for change in ({"title": "New"}, {"tags": ["x", "y"]}, {"visibility": "private"}, {"description": "x" * 2000}):
        assert alice.call("PUT", f"/images/{images[1]}", change).status_code == 200
        for query in ("", "tag=x", "user_id=alice"):
            assert alice.listed(f"{query}&sort=taken_at&order=asc") == images
    alice.call("DELETE", f"/images/{images[1]}")
    assert alice.listed("sort=taken_at") == alice.listed("user_id=alice&sort=taken_at") == [images[2], images[0]]


def test_a_direct_upload_is_listed_by_its_time_taken(api: Api, stores: Stores) -> None:
    content = dated_picture("1950:02:03 04:05:06")
    announced = announce(api, content_type="image/jpeg", size=len(content), checksum="")
    assert api.listed("user_id=alice&sort=taken_at") == []
    upload_staged(api, send(stores, announced, content))
    assert api.listed("takenTo=1950-02-03") == [announced["image_id"]]
    assert api.view(announced["image_id"])["analysis"]["taken_at"] == "1950-02-03T04:05:06"


def test_the_shards_of_a_list_are_read_in_the_order_of_time_taken(api: Api, configured: Callable[..., None]) -> None:
    today = time.strftime("%Y-%m-%d", time.gmtime())
    configured(SHARDS=f"everything {today} 2; tag:sea 2020-01-01 2; tag:sea {today} 3; title:dunes {today} 2")
    days = [1, 7, 3, 9, 5, 2, 8, 4, 6]
    uploaded = {
        day: upload(
            api,
            f"2024:05:0{day} 00:00:00",
            tags=["sea"],
            title="Dunes" if day % 2 else "Dune",
            visibility="private" if day % 3 == 0 else "public",
        )["image_id"]
        for day in days
    }
    alice = Api(api.client, {"X-User-Id": "alice"})
    expected = [uploaded[day] for day in range(1, 10)]
    for query in ("", "tag=sea", "title=dun", "q=sea"):
        for order, in_order in (("asc", expected), ("desc", expected[::-1])):
            pages = alice.pages(f"{query}&sort=taken_at&order={order}&limit=4")
            assert [image_id for page in pages for image_id in page] == in_order


def test_an_invalid_range_of_time_taken_is_refused(api: Api) -> None:
    for query, sentence in (
        ("takenFrom=x", "takenFrom must be a date such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z."),
        ("takenFrom=2024-02-01&takenTo=2024-01-01", "takenFrom must not be later than takenTo."),
        ("sort=taken", "sort must be created_at, updated_at or taken_at (or createdAt, updatedAt or takenAt)."),
    ):
        answer = api.get(f"/images?{query}")
        assert (answer.status_code, answer.json_body) == (400, error(sentence))


def test_a_cursor_belongs_to_its_order_and_range(api: Api, album: Album) -> None:
    cursor = api.get("/images?sort=taken_at&limit=2").json_body["last_evaluated_key"]
    assert api.get(f"/images?sort=takenAt&limit=2&last_evaluated_key={cursor}").status_code == 200
    for query in ("", "sort=updated_at", "sort=taken_at&order=asc", "sort=taken_at&takenTo=2030-01-01"):
        assert api.get(f"/images?{query}&last_evaluated_key={cursor}").status_code == 400


def write(stores: Stores, count: int) -> None:
    """Write images whose pictures were taken in another order than that of their creation."""
    puts = []
    for n in range(count):
        image = replace(
            IMAGE,
            image_id=ids.smallest_id(1_700_000_000_000 + n),
            tags=("sea",),
            title="dunes",
            description="",
            filename="",
            checksum=f"{n:064x}",
            taken_at=ids.timestamp_of(-1_000_000_000_000 + n * 7_919 % count * 1_000),
        )
        puts += [each["Put"] for each in (catalog.put(image), *catalog.row_writes(None, image))]
    for start in range(0, len(puts), 25):
        items: dict[str, list[Any]] = {}
        for put in puts[start : start + 25]:
            items.setdefault(put["TableName"], []).append({"PutRequest": {"Item": put["Item"]}})
        stores.dynamodb.batch_write_item(RequestItems=items)


@pytest.mark.long
def test_a_page_reads_as_many_rows_whatever_the_number_of_images(
    api: Api, stores: Stores, configured: Callable[..., None]
) -> None:
    configured(EXPLAIN="on")
    reads = []
    for count in (100, 1_000):
        write(stores, count)
        reads.append(
            [
                [
                    (read["list"], read["rows"])
                    for read in api.get(f"/images?{query}&limit=20&explain=true").json_body["explain"]["reads"]
                ]
                for query in (
                    "sort=taken_at",
                    "sort=taken_at&order=asc",
                    "user_id=alice&sort=taken_at",
                    "tag=sea&sort=taken_at",
                    "title=dunes&sort=taken_at",
                    "takenFrom=1938-04-24T22:13:20Z",
                    "q=dunes&sort=taken_at",
                )
            ]
        )
    assert reads[0] == reads[1]
    assert [len(each) for each in reads[0]] == [1, 1, 1, 1, 1, 1, 4]  # a search reads three fields and the tag
