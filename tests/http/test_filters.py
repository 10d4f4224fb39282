"""Lists with filters, in each order, for several callers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any
from uuid import uuid4

import pytest

from tests.http.client import Json, Service, User, eventually
from tests.pictures import dated_picture, picture

Matches = Callable[[int], object]

IMAGES = 20
CASES: list[tuple[str, Matches]] = [
    ("", lambda n: True),
    ("user_id=alice", lambda n: n % 2 == 1),
    ("user_id=bob&tag=n2", lambda n: n % 4 == 2),
    ("any_tag=n1,n3", lambda n: n % 2 == 1),
    ("any_tag=n1&any_tag=n2&tag=all", lambda n: n % 4 in (1, 2)),
    ("any_tag=n0,none", lambda n: n % 4 == 0),
    ("tag=all&content_type=image/gif", lambda n: n % 7 == 0),
    ("contentType=image/png&tag=n1", lambda n: n % 7 and n % 4 == 1),
    ("title=*sun", lambda n: n % 4 < 3),
    ("title=*sunset", lambda n: n % 4 == 0),
    ("title=*sea", lambda n: n % 4 > 1),
    ("title=*su%20*s", lambda n: n % 4 < 3),
    ("title=*sun%20*sea", lambda n: n % 4 == 2),
    ("title=*s&user_id=bob", lambda n: n % 2 == 0),
    ("q=*sea", lambda n: n % 4 > 1),
    ("q=*sunny%20*n3", lambda n: n % 4 == 3 and n % 3),
    ("description=*new", lambda n: n % 3 == 0),
    ("description=*sunny&title=*side", lambda n: n % 4 == 3 and n % 3),
    ("filename=png&tag=n3", lambda n: n % 4 == 3),
    ("filename=*img%200007", lambda n: n == 7),
    ("filename=00&tag=all", lambda n: True),
    ("tag=all&visibility=public", lambda n: n % 5),
    ("tag=all&visibility=private", lambda n: n % 5 == 0),
    ("visibility=public&user_id=alice", lambda n: n % 5 and n % 2 == 1),
    ("visibility=private&user_id=alice", lambda n: n % 5 == 0 and n % 2 == 1),
    ("tag=all&tag=n2&title=*sun&visibility=public", lambda n: n % 5 and n % 4 == 2),
    ("user_id=bob&any_tag=n0,n1&description=*new", lambda n: n % 4 == 0 and n % 3 == 0),
    ("tag=n1&tag=n2", lambda n: False),
]


@dataclass(frozen=True, slots=True)
class Album:
    """Twenty images of two users, oldest first. Every fifth is private, every third was updated."""

    service: Service
    mark: str  # prefix of the user ids, tags and words of these images alone
    images: list[Json]

    def marked(self, query: str) -> str:
        """Add the mark to each value of a query, so that it matches only these images."""
        for name in ("alice", "bob", "all", "none", "n0", "n1", "n2", "n3"):
            query = query.replace(f"={name}", f"={self.mark}{name}").replace(f",{name}", f",{self.mark}{name}")
        return query.replace("*", self.mark)

    def listed(self, query: str, caller: str) -> list[str]:
        """Return the ids of a whole list, without images of other tests."""
        ours = {image["image_id"] for image in self.images}
        pages = self.service.pages(f"/images?{self.marked(query)}", {"X-User-Id": self.mark + caller})
        return [image["image_id"] for page in pages for image in page if image["image_id"] in ours]

    def count(self, query: str, caller: str) -> Json:
        """Return the response to a count."""
        return self._get(f"/images/count?{self.marked(query)}", caller)

    def expected(self, matches: Matches, by: str, caller: str) -> list[str]:
        """Return the ids of the images whose number matches and that the caller may see, oldest first."""
        matching = [image for n, image in enumerate(self.images) if matches(n)]
        visible = [
            image for image in matching if image["visibility"] == "public" or image["user_id"] == self.mark + caller
        ]
        return [image["image_id"] for image in sorted(visible, key=lambda image: (image[by], image["image_id"]))]

    def _get(self, path: str, caller: str) -> Json:
        answer = self.service.call("GET", path, headers={"X-User-Id": self.mark + caller})
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body


@pytest.fixture(scope="module")
def album(service: Service) -> Iterator[Album]:
    mark = f"m{uuid4().hex[:8]}"
    users = [User(service, f"{mark}bob"), User(service, f"{mark}alice")]
    gif, png = picture("GIF"), picture()
    images = []
    for n in range(IMAGES):
        image = users[n % 2].upload(
            gif if n % 7 == 0 else png,
            tags=[f"{mark}all", f"{mark}n{n % 4}"],
            title=["*sunset dunes", "*sunrise", "*sun at *sea", "*sea *side"][n % 4].replace("*", mark),
            description=f"The {mark}sunny side" if n % 2 else "x" * 1500,
            filename=f"{mark}img_{n:04}.png",
            visibility="private" if n % 5 == 0 else "public",
        )
        images.append(image)
    for n in (3, 0, 18, 9, 6, 15, 12):
        time.sleep(0.002)
        path = f"/images/{images[n]['image_id']}?user_id={images[n]['user_id']}"
        images[n] = service.call("PUT", path, json={"description": f"{mark}new"}).json()["metadata"]
    yield Album(service, mark, images)
    for user in users:
        user.delete_all()


@pytest.mark.parametrize("sort", ["created_at", "updated_at", "taken_at"])
@pytest.mark.parametrize(("query", "matches"), CASES, ids=[query for query, _ in CASES])
def test_filters_list_every_match_once_in_each_order(album: Album, query: str, matches: Matches, sort: str) -> None:
    for caller, order, limit in product(("alice", "nobody"), ("asc", "desc"), (3, 1000)):
        # The list without filters also contains the images of other users.
        full_query = f"{query}&sort={sort}&order={order}&limit={limit if query else 1000}"
        # No picture says when it was taken.
        expected = album.expected(matches, sort if sort == "updated_at" else "created_at", caller)
        eventually(partial(album.listed, full_query, caller), expected if order == "asc" else expected[::-1])
    if query:
        assert album.count(query, "alice") == {"count": len(album.expected(matches, "created_at", "alice"))}


@pytest.mark.parametrize("sort", ["created_at", "updated_at"])
def test_dates_filter_by_creation_in_each_order(album: Album, sort: str) -> None:
    first, last = album.images[4]["created_at"], album.images[11]["created_at"]
    expected = album.expected(lambda n: 4 <= n <= 11, sort, "alice")
    image_ids = album.listed(f"tag=all&dateFrom={first}&dateTo={last}&sort={sort}&limit=3", "alice")
    assert image_ids == expected[::-1]


def test_a_checksum_lists_only_images_with_the_same_bytes(album: Album) -> None:
    image_ids = album.listed(f"checksum={album.images[7]['checksum'].upper()}&order=asc", "alice")
    assert image_ids == album.expected(lambda n: n % 7 == 0, "created_at", "alice")
    assert album.listed("checksum=" + "0" * 64, "alice") == []


def test_photographs_imported_on_one_day_are_listed_by_the_day_when_they_were_taken(alice: User) -> None:
    days = {"2019:07:01 10:00:00": "sea", "1950:02:03 04:05:06": "sea", "": "dunes", "2004:12:24 18:00:00": "snow"}
    images = {day: alice.upload(dated_picture(day), title=f"The {word}") for day, word in days.items()}
    by_time = [images[day]["image_id"] for day in sorted(filter(None, days))] + [images[""]["image_id"]]
    of_alice = {"user_id": alice.user_id, "order": "asc"}

    def read(**query: object) -> list[str]:
        return alice.service.ids(**of_alice, **query)

    eventually(partial(read, sort="taken_at"), by_time)
    assert read(sort="taken_at", limit=1) == by_time
    assert alice.service.ids(user_id=alice.user_id, sort="taken_at") == by_time[::-1]
    assert read(takenTo="2004-12-24") == by_time[:2]
    assert read(takenFrom="1950-02-04", takenTo="2019-07-01T09:59:59Z") == [by_time[1]]
    counted = alice.service.get("/images/count", user_id=alice.user_id, takenTo="1969-12-31")
    assert counted == {"count": 1}
    changed = alice.service.call("PUT", f"/images/{by_time[1]}?user_id={alice.user_id}", json={"title": "Snow"})
    assert changed.status_code == 200
    eventually(partial(read, sort="taken_at"), by_time)


def test_a_search_finds_words_of_all_texts_and_tags(alice: User) -> None:
    word = f"w{uuid4().hex}"[:20]
    fields: list[dict[str, Any]] = [
        {"title": f"The {word}"},
        {"description": f"A {word} at noon"},
        {"filename": f"{word}_1.jpg"},
        {"tags": [word.upper()]},
        {"title": f"{word}s"},
    ]
    images = [alice.upload(picture(), **each)["image_id"] for each in fields]
    eventually(lambda: alice.service.ids(q=word, order="asc"), images[:4])
    assert alice.service.ids(q=f"Noon {word}") == [images[1]]
    assert alice.service.ids(q=word, tag=word) == [images[3]]
    assert alice.service.get("/images/count", q=word) == {"count": 4}
