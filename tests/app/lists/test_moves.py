"""Images that move from one key range to another while a page is read: none that exists throughout is skipped."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from chalicelib import ids
from chalicelib.stores import catalog, dynamodb
from tests.app.calls import Calls
from tests.app.conftest import Api
from tests.pictures import dated_picture
from tests.unit.samples import IMAGE

LISTS = ("", "any_tag=sea,sky", "tag=sea&title=sun", "user_id=alice&tag=sea", "q=sunset&sort=taken_at")


@pytest.fixture
def alice(api: Api) -> Api:
    """The owner of all images."""
    return Api(api.client, {"X-User-Id": "alice"})


def upload(alice: Api, visibility: str) -> str:
    """Upload an image that every list has."""
    return str(alice.upload(tags=["sea", "sky"], title="Sunset sun", visibility=visibility)["image_id"])


def flips(alice: Api, image_id: str, visibility: str) -> Callable[[], object]:
    return lambda: alice.call("PUT", f"/images/{image_id}", {"visibility": visibility})


def every_moment(calls: Calls, read: Callable[[], Any], given: Callable[[], Callable[[], object]]) -> Iterator[Any]:
    """Repeat `read`. Each time, run what `given` returns before the next of its AWS calls, until it makes no more."""
    for at in count():
        with calls.before(at, given()) as rule:
            answer = read()
        yield answer
        if not rule.applied:
            break


@pytest.mark.long
@pytest.mark.parametrize("query", LISTS)
@pytest.mark.parametrize("before", ["public", "private"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_an_image_that_is_made_public_or_private_meanwhile_is_listed_once(
    alice: Api, calls: Calls, query: str, before: str, order: str
) -> None:
    after = "private" if before == "public" else "public"
    images = [upload(alice, visibility) for visibility in ("public", "private", before, "private", "public")]
    moving = images[2]
    expected = images if order == "asc" else images[::-1]

    def given() -> Callable[[], object]:
        flips(alice, moving, before)()
        return flips(alice, moving, after)

    def read() -> list[list[str]]:
        return list(alice.pages(f"{query}&order={order}&limit=3"))

    for pages in every_moment(calls, read, given):
        assert pages == [expected[:3], expected[3:]]


@pytest.mark.parametrize("before", ["public", "private"])
def test_an_image_that_is_made_public_or_private_meanwhile_is_counted_once(
    alice: Api, calls: Calls, before: str
) -> None:
    upload(alice, "public")
    upload(alice, "private")
    moving = upload(alice, before)
    after = "private" if before == "public" else "public"

    def given() -> Callable[[], object]:
        flips(alice, moving, before)()
        return flips(alice, moving, after)

    for counted in every_moment(calls, lambda: alice.get("/images/count?tag=sea").json_body, given):
        assert counted == {"count": 3}


def test_an_image_that_moves_back_and_forth_is_listed_once(alice: Api, calls: Calls) -> None:
    images = [upload(alice, visibility) for visibility in ("public", "private", "public")][::-1]
    visibilities = iter(["private", "public"] * 100)
    with calls.before_each("Query", lambda: flips(alice, images[2], next(visibilities))()):
        assert alice.listed("tag=sea") == images


def test_an_image_that_moves_back_and_forth_keeps_its_place_by_time_taken(alice: Api, calls: Calls) -> None:
    """The index of updates, which shows that the image has moved, does not have the time of the picture."""
    days = ("2024:05:02", "2024:05:03", "2024:05:01")
    pictures = [base64.b64encode(dated_picture(f"{day} 12:00:00")).decode() for day in days]
    second, third, first = (alice.upload(tags=["sea"], image_data=each)["image_id"] for each in pictures)
    flips(alice, third, "private")()
    visibilities = iter(["private", "public"] * 100)
    with calls.before_each("Query", lambda: flips(alice, second, next(visibilities))()):
        assert alice.listed("tag=sea&sort=taken_at&order=asc") == [first, second, third]
        assert alice.listed("tag=sea&takenFrom=2024-05-02") == [third, second]
        assert alice.get("/images/count?tag=sea&takenTo=2024-05-02").json_body == {"count": 2}


def test_any_number_of_updates_meanwhile_leaves_a_list_by_time_taken_whole(alice: Api, calls: Calls) -> None:
    """More updates than one call reads the records of."""
    bare = replace(IMAGE, tags=(), title="", description="", filename="", version=2, taken_at="", analysis=None)
    images = [replace(bare, image_id=ids.new_id(), updated_at=ids.now()) for _ in range(102)]
    for image in images:
        dynamodb.commit([catalog.put(image), *catalog.row_writes(None, image)])
    moving = images[1].image_id
    flips(alice, moving, "private")()
    with calls.after("Query", flips(alice, moving, "public")):  # after the read of public images
        listed = alice.listed("sort=taken_at&order=asc&limit=3")
    assert listed == [image.image_id for image in images[:3]]


def test_images_that_moved_do_not_make_a_page_longer_than_its_limits(
    alice: Api, calls: Calls, configured: Callable[..., None]
) -> None:
    """The image is missing when the page is read, and belongs to the middle of the page."""
    images = [upload(alice, "public") for _ in range(4)][::-1]

    def read(query: str) -> list[list[str]]:
        flips(alice, images[1], "private")()
        with calls.after("Query", flips(alice, images[1], "public")):
            return list(alice.pages(query))

    assert read("tag=sea&limit=2") == [images[:2], images[2:]]
    for size, expected in ((1_600, [[image] for image in images]), (6_000_000, [images])):
        configured(MAX_PAGE_BYTES=str(size))
        assert read("tag=sea") == expected


def test_only_a_list_of_public_and_private_images_makes_one_more_call(alice: Api, calls: Calls) -> None:
    image_id = upload(alice, "private")
    for query, expected in (("tag=sea", 3), ("user_id=alice", 1), ("visibility=private", 1), ("sort=updated_at", 4)):
        with calls.recorded() as made:
            assert alice.listed(query) == [image_id]
        assert (query, len(made)) == (query, expected)
