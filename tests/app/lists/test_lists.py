import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.app.calls import Calls
from tests.app.conftest import Api, Stores
from tests.aws_calls import Call


@pytest.fixture
def album(api: Api) -> list[str]:
    """The ids of 18 images, newest first: of two owners in turn, all tagged `all`, every third `third`, one `rare`."""
    made = [
        api.upload(
            user_id="alice" if n % 2 else "bob",
            tags=["all", *(["Third"] if n % 3 == 0 else []), *(["rare"] if n == 5 else [])],
        )["image_id"]
        for n in range(18)
    ]
    return made[::-1]


@pytest.mark.parametrize(
    ("query", "wanted"),
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
    api: Api, album: list[str], query: str, wanted: Callable[[int], bool]
) -> None:
    matches = [image_id for n, image_id in zip(range(17, -1, -1), album, strict=True) if wanted(n)]
    for limit in (1, 4, 18, 1000):
        pages = list(api.pages(f"{query}&limit={limit}"))
        assert [image_id for page in pages for image_id in page] == matches
        assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize(
    ("query", "wanted"),
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
def test_any_filters_in_either_order_give_every_match_once(
    api: Api, query: str, wanted: Callable[[int], bool], order: str
) -> None:
    made = [
        api.upload(
            title=f"Photo {n}",
            description="Sunny" if n % 2 == 0 else "x" * 2000,
            filename=f"IMG_{n:04}.jpg",
            tags=["even"] if n % 2 == 0 else ["odd"],
            visibility="private" if n == 4 else "public",
        )["image_id"]
        for n in range(8)
    ]
    matches = [image_id for n, image_id in enumerate(made) if wanted(n)]
    alice = Api(api.client, {"X-User-Id": "alice"})
    for limit in (1, 3, 100):
        found = [image_id for page in alice.pages(f"{query}{order}&limit={limit}") for image_id in page]
        assert found == (matches if "asc" in order else matches[::-1])


@pytest.mark.parametrize("source", ["", "user_id=alice&", "tag=sea&", "user_id=alice&tag=sea&"])
def test_dates_are_a_range_of_both_ends(api: Api, source: str) -> None:
    made = []
    for _ in range(5):
        made.append(api.upload(tags=["sea"]))
        time.sleep(0.003)
    times = [image["created_at"] for image in made]
    ids = [image["image_id"] for image in made]
    assert api.listed(f"{source}dateFrom={times[1]}&dateTo={times[3]}&order=asc") == ids[1:4]
    assert api.listed(f"{source}dateFrom={times[3]}") == [ids[4], ids[3]]
    assert api.listed(f"{source}dateTo={times[0]}") == [ids[0]]
    today = times[0][:10]
    assert set(api.listed(f"{source}dateFrom={today}&dateTo={times[4][:10]}")) == set(ids)
    assert api.listed(f"{source}dateTo=2001-01-01") == api.listed(f"{source}dateTo=1969-12-31") == []
    assert len(api.listed(f"{source}dateTo=9999-12-31")) == 5
    assert api.listed(f"{source}dateFrom=2999-01-01") == []
    assert list(api.pages(f"{source}dateTo={times[3]}&limit=3")) == [[ids[3], ids[2], ids[1]], [ids[0]]]


def test_of_two_lists_the_rarer_leads_in_either_order(api: Api, log: Callable[[], list[dict[str, Any]]]) -> None:
    rare = [api.upload(tags=["common", "rare"])["image_id"]]
    for _ in range(30):
        api.upload(tags=["common"])
    rare.append(api.upload(tags=["common", "rare"])["image_id"])
    for order, wanted in (("asc", rare), ("desc", rare[::-1])):
        assert api.listed(f"tag=common&tag=rare&limit=5&order={order}") == wanted
        reads = [line["reads"] for line in log() if line["message"] == "list"]
        assert reads[-1] == 2


def test_a_page_is_whole_metadata(api: Api) -> None:
    kept = api.upload(title="T", tags=["x"])
    for query in ("", "user_id=alice", "tag=x"):
        assert api.get(f"/images?{query}").json_body == {"images": [kept], "count": 1, "has_more": False}


def test_a_record_too_large_for_its_rows_is_listed_whole(api: Api) -> None:
    large = api.upload(description="x" * 5000, tags=["x"])
    small = api.upload(tags=["x"])
    assert api.get("/images?tag=x").json_body["images"] == [small, large]


@pytest.mark.long
def test_more_large_records_than_one_batch_are_listed(api: Api) -> None:
    made = [api.upload(description="x" * 1000, tags=["x"])["image_id"] for _ in range(120)]
    assert api.listed("tag=x&limit=1000") == made[::-1]


def test_a_row_whose_record_is_gone_is_passed_over(api: Api, stores: Stores) -> None:
    large = [api.upload(description="x" * 1000, tags=["x"])["image_id"] for _ in range(3)]
    stores.dynamodb.delete_item(TableName="images", Key={"image_id": {"S": large[1]}})
    assert list(api.pages("tag=x&limit=2")) == [[large[2], large[0]]]


def test_images_that_come_and_go_while_paging_move_no_other(api: Api) -> None:
    lasting = [api.upload(tags=["x"])["image_id"] for _ in range(10)][::-1]
    seen: list[str] = []
    for page in api.pages("tag=x&limit=3"):
        seen += page
        api.upload(tags=["x"])
        api.call("DELETE", f"/images/{page[-1]}")
    assert [image_id for image_id in seen if image_id in lasting] == lasting
    assert len(seen) == len(set(seen))


def test_a_page_that_spends_its_reads_is_shorter_and_goes_on(api: Api, configured: Callable[..., None]) -> None:
    oldest = api.upload(user_id="bob", tags=["a", "b"])["image_id"]
    for _ in range(12):
        api.upload(tags=["a"])
        api.upload(tags=["b"])
    configured(MAX_PAGE_READS="3")
    pages = list(api.pages("tag=a&tag=b&limit=1"))
    assert [image_id for page in pages for image_id in page] == [oldest]
    assert len(pages) > 1


def test_a_beginning_of_too_many_words_is_paged_along_everything(api: Api, configured: Callable[..., None]) -> None:
    made = [api.upload(title=f"s{n}")["image_id"] for n in range(6)]
    configured(MAX_PREFIX_WORDS="2")
    assert list(api.pages("title=s&limit=4")) == [made[:1:-1], made[1::-1]]


def test_a_page_that_would_be_too_long_is_shorter_and_goes_on(api: Api, configured: Callable[..., None]) -> None:
    made = [api.upload(description="\N{GRINNING FACE}" * 5000)["image_id"] for _ in range(7)][::-1]
    configured(MAX_PAGE_BYTES="64000")
    assert list(api.pages("user_id=alice")) == [made[:3], made[3:6], made[6:]]
    assert len(api.get("/images").body) < 64_000
    configured(MAX_PAGE_BYTES="1")
    assert list(api.pages("")) == [[image_id] for image_id in made]


def test_a_read_that_finds_nothing_yet_is_gone_on_from(api: Api, calls: Calls) -> None:
    made = [api.upload()["image_id"] for _ in range(3)][::-1]

    def nothing_yet(call: Call) -> Any:
        rule.end()
        newest = {"tag": {"S": "\x1fall"}, "image_id": {"S": "ffffffff-ffff-7fff-bfff-ffffffffffff"}}
        return {**call.send(), "Items": [], "LastEvaluatedKey": newest}

    rule = calls.on("Query", nothing_yet)
    assert api.listed() == made


def test_the_order_of_tags_in_a_query_does_not_matter_to_its_key(api: Api, album: list[str]) -> None:
    key = api.get("/images?tag=all&tag=third&limit=2").json_body["last_evaluated_key"]
    assert len(api.listed(f"tag=third&tag=all&limit=2&last_evaluated_key={key}")) == 2


def test_a_key_is_good_for_the_query_that_gave_it_alone(api: Api, album: list[str]) -> None:
    key = api.get("/images?tag=all&limit=2").json_body["last_evaluated_key"]
    assert api.get(f"/images?tag=all&limit=5&last_evaluated_key={key}").status_code == 200
    for query in ("tag=third", "user_id=alice", "", "tag=all&user_id=bob"):
        answer = api.get(f"/images?{query}&last_evaluated_key={key}")
        assert (answer.status_code, answer.json_body) == (
            400,
            {"error": "last_evaluated_key is not valid for this list; begin the list again."},
        )


def test_a_full_page_leads_on_without_a_word_of_what_is_private(api: Api) -> None:
    last = api.upload()["image_id"]
    private = api.upload(visibility="private")["image_id"]
    first = api.upload()["image_id"]
    for query in ("limit=1", "limit=1&user_id=alice"):
        bob = Api(api.client, {"X-User-Id": "bob"})
        page = bob.get(f"/images?{query}").json_body
        assert UUID(private).bytes not in urlsafe_b64decode(page["last_evaluated_key"] + "==")
        assert list(bob.pages(query)) == [[first], [last]]


def test_a_private_image_is_listed_for_its_owner_alone(api: Api) -> None:
    private = api.upload(visibility="private", tags=["x"], description="x" * 1000)["image_id"]
    public = api.upload(tags=["x"])["image_id"]
    bob = Api(api.client, {"X-User-Id": "bob"})
    alice = Api(api.client, {"X-User-Id": "alice"})
    for query in ("", "tag=x"):
        assert api.listed(query) == bob.listed(query) == [public]
        assert alice.listed(query) == [public, private]
    # Who asks for their own list says by that who they are.
    assert api.listed("user_id=alice") == [public, private]
