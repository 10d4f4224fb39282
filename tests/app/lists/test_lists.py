import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from tests.app.calls import Calls
from tests.app.conftest import Api, Stores
from tests.aws_calls import Call
from tests.errors import error


@pytest.fixture
def album(api: Api) -> list[str]:
    """The ids of 18 images of two owners, newest first. All have the tag `all`, every third `third`, one `rare`."""
    uploaded = [
        api.upload(
            user_id="alice" if n % 2 else "bob",
            tags=["all", *(["Third"] if n % 3 == 0 else []), *(["rare"] if n == 5 else [])],
        )["image_id"]
        for n in range(18)
    ]
    return uploaded[::-1]


@pytest.mark.parametrize(
    ("query", "is_match"),
    [
        ("", lambda n: True),
        ("user_id=alice", lambda n: n % 2 == 1),
        ("tag=all", lambda n: True),
        ("tag=THIRD", lambda n: n % 3 == 0),
        ("tag=rare", lambda n: n == 5),
        ("tag=none", lambda n: False),
        ("user_id=nobody", lambda n: False),
        ("user_id=bob&tag=third", lambda n: n % 2 == 0 and n % 3 == 0),
        ("user_id=alice&tag=rare", lambda n: n == 5),
        ("user_id=bob&tag=rare", lambda n: False),
        ("tag=all&tag=third", lambda n: n % 3 == 0),
        ("tags=all,third,rare", lambda n: False),
        ("userId=alice&tags=all,third", lambda n: n % 2 == 1 and n % 3 == 0),
    ],
)
def test_paging_gives_every_match_once_newest_first(
    api: Api, album: list[str], query: str, is_match: Callable[[int], bool]
) -> None:
    matches = [image_id for n, image_id in zip(range(17, -1, -1), album, strict=True) if is_match(n)]
    for limit in (1, 4, 18, 1000):
        pages = list(api.pages(f"{query}&limit={limit}"))
        assert [image_id for page in pages for image_id in page] == matches
        assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize(
    ("query", "is_match"),
    [
        ("title=photo", lambda n: True),
        ("title=PHOTO%203", lambda n: n == 3),
        ("title=hoto", lambda n: False),
        ("description=sun&title=photo", lambda n: n % 2 == 0),
        ("filename=IMG_0", lambda n: True),
        ("filename=0007", lambda n: n == 7),
        ("filename=img%20jpg", lambda n: True),
        ("visibility=private", lambda n: n == 4),
        ("visibility=public", lambda n: n != 4),
        ("tag=even&description=sunny&visibility=private", lambda n: n == 4),
        ("userId=alice&title=photo%202&tags=even", lambda n: n == 2),
        ("userId=bob&title=photo", lambda n: False),
    ],
)
@pytest.mark.parametrize("order", ["", "&order=desc&sort=createdAt", "&order=asc"])
def test_combined_filters_give_every_match_once_in_both_orders(
    api: Api, query: str, is_match: Callable[[int], bool], order: str
) -> None:
    uploaded = [
        api.upload(
            title=f"Photo {n}",
            description="Sunny" if n % 2 == 0 else "x" * 2000,
            filename=f"IMG_{n:04}.jpg",
            tags=["even"] if n % 2 == 0 else ["odd"],
            visibility="private" if n == 4 else "public",
        )["image_id"]
        for n in range(8)
    ]
    matches = [image_id for n, image_id in enumerate(uploaded) if is_match(n)]
    alice = Api(api.client, {"X-User-Id": "alice"})
    for limit in (1, 3, 100):
        listed = [image_id for page in alice.pages(f"{query}{order}&limit={limit}") for image_id in page]
        assert listed == (matches if "asc" in order else matches[::-1])


@pytest.mark.parametrize("source", ["", "user_id=alice&", "tag=sea&", "user_id=alice&tag=sea&"])
def test_a_date_range_includes_both_ends(api: Api, source: str) -> None:
    images = []
    for _ in range(5):
        images.append(api.upload(tags=["sea"]))
        time.sleep(0.003)
    times = [image["created_at"] for image in images]
    ids = [image["image_id"] for image in images]
    assert api.listed(f"{source}dateFrom={times[1]}&dateTo={times[3]}&order=asc") == ids[1:4]
    assert api.listed(f"{source}dateFrom={times[3]}") == [ids[4], ids[3]]
    assert api.listed(f"{source}dateTo={times[0]}") == [ids[0]]
    today = times[0][:10]
    assert set(api.listed(f"{source}dateFrom={today}&dateTo={times[4][:10]}")) == set(ids)
    assert api.listed(f"{source}dateTo=2001-01-01") == api.listed(f"{source}dateTo=1969-12-31") == []
    assert len(api.listed(f"{source}dateTo=9999-12-31")) == 5
    assert api.listed(f"{source}dateFrom=2999-01-01") == []
    assert list(api.pages(f"{source}dateTo={times[3]}&limit=3")) == [[ids[3], ids[2], ids[1]], [ids[0]]]


def test_the_rarer_of_two_lists_is_read_in_both_orders(api: Api, log: Callable[[], list[dict[str, Any]]]) -> None:
    rare = [api.upload(tags=["common", "rare"])["image_id"]]
    for _ in range(30):
        api.upload(tags=["common"])
    rare.append(api.upload(tags=["common", "rare"])["image_id"])
    for order, expected in (("asc", rare), ("desc", rare[::-1])):
        assert api.listed(f"tag=common&tag=rare&limit=5&order={order}") == expected
        reads = [line["reads"] for line in log() if line["message"] == "list"]
        assert reads[-1] == 2


def test_a_page_has_the_complete_metadata(api: Api) -> None:
    image = api.upload(title="T", tags=["x"])
    for query in ("", "user_id=alice", "tag=x"):
        assert api.get(f"/images?{query}").json_body == {"images": [image], "count": 1, "has_more": False}


def test_a_record_too_large_for_its_rows_is_listed_completely(api: Api) -> None:
    large = api.upload(description="x" * 5000, tags=["x"])
    small = api.upload(tags=["x"])
    assert api.get("/images?tag=x").json_body["images"] == [small, large]


@pytest.mark.long
def test_large_records_of_more_than_one_batch_are_listed(api: Api) -> None:
    uploaded = [api.upload(description="x" * 1000, tags=["x"])["image_id"] for _ in range(120)]
    assert api.listed("tag=x&limit=1000") == uploaded[::-1]


def test_a_row_without_a_record_is_skipped(api: Api, stores: Stores) -> None:
    large = [api.upload(description="x" * 1000, tags=["x"])["image_id"] for _ in range(3)]
    stores.dynamodb.delete_item(TableName="images", Key={"image_id": {"S": large[1]}})
    assert list(api.pages("tag=x&limit=2")) == [[large[2], large[0]]]


def test_uploads_and_deletions_during_paging_do_not_move_other_images(api: Api) -> None:
    permanent = [api.upload(tags=["x"])["image_id"] for _ in range(10)][::-1]
    listed: list[str] = []
    for page in api.pages("tag=x&limit=3"):
        listed += page
        api.upload(tags=["x"])
        api.call("DELETE", f"/images/{page[-1]}")
    assert [image_id for image_id in listed if image_id in permanent] == permanent
    assert len(listed) == len(set(listed))


def test_a_page_that_spends_its_reads_is_shorter_and_has_a_next_page(api: Api, configured: Callable[..., None]) -> None:
    oldest = api.upload(user_id="bob", tags=["a", "b"])["image_id"]
    for _ in range(12):
        api.upload(tags=["a"])
        api.upload(tags=["b"])
    configured(MAX_PAGE_READS="6")
    pages = list(api.pages("tag=a&tag=b&limit=1"))
    assert [image_id for page in pages for image_id in page] == [oldest]
    assert len(pages) > 1


def test_a_prefix_of_too_many_words_is_read_from_the_list_of_everything(
    api: Api, configured: Callable[..., None]
) -> None:
    uploaded = [api.upload(title=f"s{n}")["image_id"] for n in range(6)]
    configured(MAX_PREFIX_WORDS="2")
    assert list(api.pages("title=s&limit=4")) == [uploaded[:1:-1], uploaded[1::-1]]


def test_a_page_that_reaches_its_size_limit_is_shorter_and_has_a_next_page(
    api: Api, configured: Callable[..., None]
) -> None:
    uploaded = [api.upload(description="\N{GRINNING FACE}" * 5000)["image_id"] for _ in range(7)][::-1]
    configured(MAX_PAGE_BYTES="64000")
    assert list(api.pages("user_id=alice")) == [uploaded[:3], uploaded[3:6], uploaded[6:]]
    assert len(api.get("/images").body) < 64_000
    configured(MAX_PAGE_BYTES="1")
    assert list(api.pages("")) == [[image_id] for image_id in uploaded]


def test_a_list_continues_after_an_empty_result_of_a_query(api: Api, calls: Calls) -> None:
    uploaded = [api.upload()["image_id"] for _ in range(3)][::-1]

    def empty_result(call: Call) -> Any:
        rule.end()
        newest = {"tag": {"S": "\x1fall"}, "image_id": {"S": "ffffffff-ffff-7fff-bfff-ffffffffffff"}}
        return {**call.send(), "Items": [], "LastEvaluatedKey": newest}

    rule = calls.on("Query", empty_result)
    assert api.listed() == uploaded


def test_a_cursor_is_valid_for_the_same_tags_in_another_order(api: Api, album: list[str]) -> None:
    cursor = api.get("/images?tag=all&tag=third&limit=2").json_body["last_evaluated_key"]
    assert len(api.listed(f"tag=third&tag=all&limit=2&last_evaluated_key={cursor}")) == 2


def test_a_cursor_is_valid_only_for_its_query(api: Api, album: list[str]) -> None:
    cursor = api.get("/images?tag=all&limit=2").json_body["last_evaluated_key"]
    assert api.get(f"/images?tag=all&limit=5&last_evaluated_key={cursor}").status_code == 200
    for query in ("tag=third", "user_id=alice", "", "tag=all&user_id=bob"):
        answer = api.get(f"/images?{query}&last_evaluated_key={cursor}")
        assert (answer.status_code, answer.json_body) == (
            400,
            error("last_evaluated_key is not valid for this list; begin the list again."),
        )


def test_a_cursor_reveals_nothing_of_private_images(api: Api) -> None:
    last = api.upload()["image_id"]
    private = api.upload(visibility="private")["image_id"]
    first = api.upload()["image_id"]
    for query in ("limit=1", "limit=1&user_id=alice"):
        bob = Api(api.client, {"X-User-Id": "bob"})
        page = bob.get(f"/images?{query}").json_body
        assert UUID(private).bytes not in urlsafe_b64decode(page["last_evaluated_key"] + "==")
        assert list(bob.pages(query)) == [[first], [last]]


def test_a_private_image_is_listed_only_for_its_owner(api: Api) -> None:
    private = api.upload(visibility="private", tags=["x"], description="x" * 1000)["image_id"]
    public = api.upload(tags=["x"])["image_id"]
    bob = Api(api.client, {"X-User-Id": "bob"})
    alice = Api(api.client, {"X-User-Id": "alice"})
    for query in ("", "tag=x"):
        assert api.listed(query) == bob.listed(query) == [public]
        assert alice.listed(query) == [public, private]
    # Without authentication, user_id in the query also names the caller.
    assert api.listed("user_id=alice") == [public, private]


@pytest.mark.parametrize(
    ("query", "reads"),
    [("", 2), ("tag=sea", 2), ("tags=sea,sky", 4), ("user_id=alice&tag=sea", 3), ("q=sunset", 8)],
)
def test_what_a_page_must_read_is_read_at_the_same_time(api: Api, calls: Calls, query: str, reads: int) -> None:
    api.upload(tags=["sea", "sky"], title="Sunset", visibility="private")
    all_run, numbers = threading.Barrier(reads), count()

    def handler(call: Call) -> Any:
        if next(numbers) < reads:
            all_run.wait(60)  # seconds; far more than the calls take
        return call.send()

    with calls.on("Query", handler), calls.recorded() as made:
        assert len(Api(api.client, {"X-User-Id": "alice"}).listed(query)) == 1
    assert made == ["Query"] * (reads + 1)  # the last one finds images that moved meanwhile
