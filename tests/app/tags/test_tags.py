from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import quote

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.stores import dynamodb
from chalicelib.tags import store
from chalicelib.tags.model import TagChange, Tally
from tests.app import background
from tests.app.calls import Calls, Rule, canceled
from tests.app.conftest import Api, Stores
from tests.aws_calls import Call
from tests.errors import error

Sweep = Callable[[], object]


@pytest.fixture
def sweep(api: Api) -> Sweep:
    """Runs the schedule."""
    return partial(background.sweep, api)


def tags(api: Api, query: str = "") -> dict[str, int]:
    page = api.get(f"/tags?{query}").json_body
    assert page["count"] == len(page["tags"])
    assert [each["tag"] for each in page["tags"]] == sorted(each["tag"] for each in page["tags"])
    return {each["tag"]: each["count"] for each in page["tags"]}


def tag_pages(api: Api, query: str) -> list[dict[str, int]]:
    return [{each["tag"]: each["count"] for each in page} for page in api.pages_of("tags", query)]


def as_user(user_id: str, api: Api) -> Api:
    return Api(api.client, {"X-User-Id": user_id})


@pytest.fixture(params=["before the schedule", "after the schedule"])
def sweep_or_not(request: pytest.FixtureRequest, sweep: Sweep) -> Sweep:
    """Runs the schedule or does nothing. The counts must be the same."""
    return sweep if request.param != "before the schedule" else lambda: None


def test_only_the_owner_sees_the_tags_of_private_images(api: Api, sweep_or_not: Sweep) -> None:
    api.upload(tags=["Sea", "sand"])
    api.upload(tags=["sea"], visibility="private")
    api.upload(tags=["home"], visibility="private")
    api.upload(user_id="bob", tags=["SEA"])
    api.upload(tags=[])
    sweep_or_not()
    bob = as_user("bob", api)
    assert tags(api, "user_id=alice") == {"home": 1, "sand": 1, "sea": 2}
    assert tags(bob, "user_id=alice") == {"sand": 1, "sea": 1}
    assert tags(bob, "user_id=bob") == {"sea": 1}
    assert tags(api) == tags(bob) == tags(as_user("alice", api)) == {"sand": 1, "sea": 2}
    assert tags(api, "user_id=nobody") == {}


def test_counts_follow_updates_and_deletions(api: Api, sweep_or_not: Sweep) -> None:
    path = f"/images/{api.upload(tags=['sea', 'sand'])['image_id']}?user_id=alice"
    api.upload(tags=["sea"])
    bob = as_user("bob", api)
    assert api.call("PUT", path, {"tags": ["Sea", "sky"]}).status_code == 200
    sweep_or_not()
    assert tags(api, "user_id=alice") == tags(bob, "user_id=alice") == tags(api) == {"sea": 2, "sky": 1}
    assert api.call("PUT", path, {"visibility": "private"}).status_code == 200
    sweep_or_not()
    assert tags(api, "user_id=alice") == {"sea": 2, "sky": 1}
    assert tags(bob, "user_id=alice") == tags(api) == {"sea": 1}
    assert api.call("PUT", path, {"visibility": "public", "tags": ["dune"]}).status_code == 200
    sweep_or_not()
    assert tags(api, "user_id=alice") == tags(bob, "user_id=alice") == tags(api) == {"dune": 1, "sea": 1}
    assert api.call("DELETE", path).status_code == 200
    sweep_or_not()
    assert tags(api, "user_id=alice") == tags(bob, "user_id=alice") == tags(api) == {"sea": 1}


@pytest.mark.parametrize("changed", [{"title": "New"}, {"tags": ["SEA", "sand"]}, {"visibility": "public"}])
def test_an_update_that_changes_no_tag_and_no_visibility_writes_no_tag_change(
    api: Api, stores: Stores, sweep: Sweep, changed: Mapping[str, object]
) -> None:
    image_id = api.upload(tags=["sand", "sea"])["image_id"]
    sweep()
    before = stores.tag_counts()
    assert api.call("PUT", f"/images/{image_id}", changed).status_code == 200
    assert stores.tag_counts() == before


def test_an_image_without_tags_writes_no_tag_change(api: Api, stores: Stores) -> None:
    image_id = api.upload(tags=[])["image_id"]
    api.call("PUT", f"/images/{image_id}?user_id=alice", {"visibility": "private"})
    api.call("DELETE", f"/images/{image_id}?user_id=alice")
    assert stores.tag_counts() == []


def test_no_counter_remains_after_all_images_are_deleted(api: Api, stores: Stores, sweep: Sweep) -> None:
    uploaded = [
        api.upload(user_id=owner, tags=["all", f"of {owner}", f"n{n}"], visibility=visibility)["image_id"]
        for n, visibility in enumerate(("public", "private"))
        for owner in ("alice", "bob")
    ]
    sweep()
    assert len(stores.tag_counts()) > len(uploaded)
    for image_id in uploaded:
        for owner in ("alice", "bob"):
            api.call("DELETE", f"/images/{image_id}?user_id={owner}")
    sweep()
    assert stores.tag_counts() == []
    assert stores.are_empty()


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("s", {"sand", "sea", "sea side"}),
        ("SEA", {"sea", "sea side"}),
        (" sea  s", {"sea side"}),
        ("é", {"été"}),
        ("sx", set()),
        ("", {"dune", "sand", "sea", "sea side", "été", "🌊"}),
        ("🌊", {"🌊"}),
    ],
)
def test_a_prefix_finds_the_tags_that_begin_with_it(
    api: Api, sweep_or_not: Sweep, prefix: str, expected: set[str]
) -> None:
    api.upload(tags=["Sea", "Sea Side", "sand", "dune"])
    api.upload(tags=["ÉTÉ", "🌊"])
    sweep_or_not()
    for owner in ("", "user_id=alice&"):
        assert tags(api, f"{owner}prefix={quote(prefix)}").keys() == expected


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
@pytest.mark.parametrize("query", ["", "user_id=alice&", "user_id=alice&prefix=t1&", "prefix=t1&"])
def test_paging_gives_every_tag_once(api: Api, sweep: Sweep, limit: int, query: str) -> None:
    for n in range(0, 20, 2):
        api.upload(tags=[f"t{n:02}", "t07"])
        if n == 10:
            sweep()
    expected = {**{f"t{n:02}": 1 for n in range(0, 20, 2)}, "t07": 10}
    pages = tag_pages(api, f"{query}limit={limit}")
    assert {tag: n for page in pages for tag, n in page.items()} == {
        tag: n for tag, n in expected.items() if "prefix" not in query or tag.startswith("t1")
    }
    assert all(len(page) == limit for page in pages[:-1])
    assert pages[-1]


def test_private_tags_take_no_place_on_a_page(api: Api, sweep_or_not: Sweep) -> None:
    for n in range(0, 12, 3):
        api.upload(tags=[f"t{n:02}"])
        api.upload(tags=[f"t{n + 1:02}", f"t{n + 2:02}"], visibility="private")
    api.upload(tags=["z1", "z2"], visibility="private")
    sweep_or_not()
    assert tag_pages(as_user("bob", api), "user_id=alice&limit=2") == [{"t00": 1, "t03": 1}, {"t06": 1, "t09": 1}]


def test_deleted_tags_with_queued_changes_take_no_place_on_a_page(api: Api, sweep: Sweep) -> None:
    deleted = api.upload(tags=[f"a{n}" for n in range(9)])["image_id"]
    api.upload(tags=["b1", "b2"])
    sweep()
    api.call("DELETE", f"/images/{deleted}")
    for query in ("limit=1", "limit=1&user_id=alice"):
        assert tag_pages(api, query) == [{"b1": 1}, {"b2": 1}]


@pytest.mark.long
def test_a_page_that_spends_its_reads_is_shorter_and_has_a_next_page(
    api: Api, stores: Stores, configured: Callable[..., None], calls: Calls
) -> None:
    private, public = ({"public": {"N": str(1 - n)}, "private": {"N": str(n)}} for n in (1, 0))
    names = [f"t{n:04}" for n in range(3_100)]
    counters = [
        {"list": {"S": "tags:alice"}, "name": {"S": name}, **(public if name in ("t0001", "t3099") else private)}
        for name in names
    ]
    for n in range(0, len(counters), 25):
        puts: Any = [{"PutRequest": {"Item": item}} for item in counters[n : n + 25]]
        stores.dynamodb.batch_write_item(RequestItems={settings().tag_counts_table_name: puts})
    configured(MAX_PAGE_READS="6")
    with calls.recorded() as made:
        first = as_user("bob", api).get("/tags?user_id=alice&limit=2").json_body
    assert (first["tags"], first["has_more"]) == ([{"tag": "t0001", "count": 1}], True)
    assert made == ["Query"] * 5  # the owner's changes, and what may be read of the counters
    assert tag_pages(as_user("bob", api), "user_id=alice&limit=2") == [{"t0001": 1}, {"t3099": 1}]


def test_a_list_continues_after_the_tag_in_its_cursor_was_deleted(api: Api, sweep: Sweep) -> None:
    first = api.upload(tags=["a"])["image_id"]
    api.upload(tags=["b"])
    sweep()
    cursor = api.get("/tags?limit=1").json_body["last_evaluated_key"]
    api.call("DELETE", f"/images/{first}")
    sweep()
    assert tags(api, f"limit=1&last_evaluated_key={cursor}") == {"b": 1}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=0", "limit must be a whole number from 1 to 1000 (MAX_PAGE_SIZE)."),
        ("limit=1001", "limit must be a whole number from 1 to 1000 (MAX_PAGE_SIZE)."),
        ("prefix=" + "x" * 65, "prefix has more than 64 characters, which is the limit (MAX_TAG_CHARS)."),
        ("prefix=" + quote("ﷺ" * 4), "prefix has more than 64 characters, which is the limit (MAX_TAG_CHARS)."),
        ("prefix=a%00", "prefix has a control character."),
        ("user_id=a%2Fb", "user_id must not have slashes or control characters, nor be '.' or '..'."),
        ("last_evaluated_key=nothing", "last_evaluated_key is not valid for this list; begin the list again."),
    ],
)
def test_an_invalid_parameter_is_refused_with_its_name(api: Api, query: str, sentence: str) -> None:
    answer = api.get(f"/tags?{query}")
    assert (answer.status_code, answer.json_body) == (400, error(sentence))


def test_a_cursor_is_valid_only_for_its_list(api: Api) -> None:
    api.upload(tags=["sea", "sky", "sand"])
    cursor = api.get("/tags?limit=1&user_id=alice&prefix=s").json_body["last_evaluated_key"]
    assert tags(api, f"user_id=alice&prefix=s&last_evaluated_key={cursor}") == {"sea": 1, "sky": 1}
    for other in ("user_id=alice", "user_id=bob&prefix=s", "prefix=s", "user_id=alice&prefix=se"):
        assert api.get(f"/tags?{other}&last_evaluated_key={cursor}").status_code == 400
    assert api.get(f"/images?user_id=alice&last_evaluated_key={cursor}").status_code == 400


def test_one_update_can_change_all_tags_and_the_visibility(
    api: Api, sweep: Sweep, configured: Callable[..., None]
) -> None:
    configured(MAX_TAGS="41")
    old, new = ({f"{age}{n:02}": 1 for n in range(41)} for age in ("old", "new"))
    path = f"/images/{api.upload(tags=list(old))['image_id']}?user_id=alice"
    assert tags(api) == old
    # The largest possible transaction: 100 writes.
    assert api.call("PUT", path, {"tags": list(new), "visibility": "private"}).status_code == 200
    assert tags(api, "user_id=alice") == new
    sweep()
    assert (tags(api, "user_id=alice"), tags(api)) == (new, {})


def test_the_schedule_applies_more_changes_than_fit_into_one_transaction(
    api: Api, stores: Stores, sweep: Sweep
) -> None:
    for _ in range(2):
        changes = [TagChange(ids.new_id(), f"user-{n % 2}", {f"t{n % 3}": Tally(public=1)}) for n in range(60)]
        dynamodb.commit([store.queue(change) for change in changes])
    sweep()
    assert tags(api) == {"t0": 40, "t1": 40, "t2": 40}
    assert tags(api, "user_id=user-1") == {"t0": 20, "t1": 20, "t2": 20}
    assert len(stores.tag_counts()) == 9


def test_counts_of_everyone_include_a_limited_number_of_queued_changes(
    api: Api, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.tags.tags._MOST_QUEUED", 2)
    for _ in range(3):
        api.upload(tags=["sea"])
    assert (tags(api), tags(api, "user_id=alice")) == ({"sea": 2}, {"sea": 3})
    sweep()
    assert (tags(api), tags(api, "user_id=alice")) == ({"sea": 3}, {"sea": 3})


def test_counts_of_an_owner_are_exact_while_changes_are_applied(api: Api, sweep: Sweep, calls: Calls) -> None:
    api.upload(tags=["sea"])
    second: list[Rule] = []
    calls.before("Query", lambda: second.append(calls.before("Query", sweep)))  # the second Query reads the counters
    assert tags(api, "user_id=alice") == {"sea": 1}
    assert [rule.applied for rule in second] == [True]


def test_counts_of_an_owner_are_a_503_if_changes_are_applied_during_every_read(
    api: Api, sweep: Sweep, calls: Calls, no_pauses: None
) -> None:
    api.upload(tags=["sea"])
    numbers = count(1)

    def empty_every_third_time(call: Call) -> Any:
        # The third of each three reads finds no queued change, as if all were applied.
        return {**call.send(), "Items": []} if next(numbers) % 3 == 0 else call.send()

    calls.on("Query", empty_every_third_time)
    assert api.get("/tags?user_id=alice").status_code == 503


def test_two_concurrent_schedules_count_each_change_once(api: Api, stores: Stores, sweep: Sweep, calls: Calls) -> None:
    for operation in ("Query", "BatchGetItem", "TransactWriteItems"):
        api.upload(tags=["sea", operation])
        calls.before(operation, sweep)
        sweep()
    expected = {"sea": 3, "query": 1, "batchgetitem": 1, "transactwriteitems": 1}
    assert tags(api) == tags(api, "user_id=alice") == expected
    assert len(stores.tag_counts()) == 2 * len(expected)


def test_a_delayed_schedule_does_not_apply_changes_again(api: Api, stores: Stores, sweep: Sweep, calls: Calls) -> None:
    image_id = api.upload(tags=["sea"])["image_id"]

    def come_and_go() -> None:
        sweep()
        api.call("DELETE", f"/images/{image_id}")
        sweep()

    calls.before("TransactWriteItems", come_and_go)
    sweep()
    assert stores.tag_counts() == []


def test_concurrent_schedules_with_different_changes_count_both(
    api: Api, stores: Stores, sweep: Sweep, calls: Calls
) -> None:

    def newest_change(call: Call) -> Any:
        answer = call.send()
        return {**answer, "Items": answer["Items"][-1:]} if call.params.get("IndexName") == "queue-index" else answer

    def apply_another_change() -> None:
        api.upload(tags=["sea"])
        with calls.on("Query", newest_change):
            sweep()

    for expected in (2, 4):
        api.upload(tags=["sea"])
        calls.before("TransactWriteItems", apply_another_change)
        sweep()
        assert tags(api) == tags(api, "user_id=alice") == {"sea": expected}
        assert len(stores.tag_counts()) == 2


def test_changes_in_an_outdated_index_are_not_counted_again(api: Api, sweep: Sweep, calls: Calls) -> None:
    items: list[Any] = []

    def outdated(call: Call) -> Any:
        answer = call.send()
        if call.params.get("IndexName") == "queue-index":
            items.extend(answer["Items"])
            return {**answer, "Items": items}
        return answer

    api.upload(tags=["sea"])
    with calls.on("Query", outdated):
        sweep()
        sweep()
    assert items
    assert tags(api) == {"sea": 1}


def test_unprocessed_keys_of_a_batch_are_read_again(api: Api, sweep: Sweep, calls: Calls, no_pauses: None) -> None:
    table = settings().tag_counts_table_name
    api.upload(tags=["a", "b", "c"])
    api.upload(tags=[f"t{n}" for n in range(20)])
    with calls.leave_keys(table, 3), pytest.raises(Exception, match="busy"):
        sweep()
    assert len(tags(api)) == 23
    sweep()
    api.upload(tags=["a", "b", "c"])
    with calls.leave_keys(table, 3):
        sweep()
    assert tags(api, "prefix=a") == {"a": 2}


def test_a_schedule_fails_if_others_keep_changing_the_counters(
    api: Api, stores: Stores, sweep: Sweep, calls: Calls, no_pauses: None
) -> None:
    api.upload(tags=["sea"])
    transaction_canceled = canceled(stores, "ConditionalCheckFailed")
    with (
        calls.fail("TransactWriteItems", transaction_canceled),
        pytest.raises(Exception, match="counts are being changed"),
    ):
        sweep()
    assert tags(api) == {"sea": 1}
    sweep()
    assert tags(api) == {"sea": 1}


OWNERS = ("alice", "bob")
TAGS = st.lists(st.sampled_from(["sea", "Sea", "sky", "sand"]), max_size=3)
VISIBILITIES = st.sampled_from(["public", "private"])
STEPS = st.one_of(
    st.tuples(st.just("upload"), st.sampled_from(OWNERS), TAGS, VISIBILITIES),
    st.tuples(st.just("update"), st.integers(0, 9), st.fixed_dictionaries({"tags": TAGS, "visibility": VISIBILITIES})),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("sweep"), st.integers(0, 8), st.booleans()),  # killed at the call of this number, if there is one
)


def expected_counts(images: Mapping[str, Any], owner: str | None, viewer: str) -> dict[str, int]:
    """Count the tags of all images, or of an owner's images, that a viewer may see."""
    counts: Counter[str] = Counter()
    for image in images.values():
        if owner in (None, image["user_id"]) and (image["visibility"] == "public" or owner == viewer):
            counts.update({tag.lower() for tag in image["tags"]})
    return counts


@pytest.mark.long
@given(st.lists(STEPS, min_size=1, max_size=10))
@hypothesis.settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_the_counts_match_the_images_after_every_step(
    api: Api, stores: Stores, calls: Calls, sweep: Sweep, steps: list[Any]
) -> None:
    images: dict[str, dict[str, Any]] = {}
    for name, *arguments in steps:
        chosen = list(images)[arguments[0]] if name in ("update", "delete") and arguments[0] < len(images) else None
        if name == "upload":
            image = dict(zip(("user_id", "tags", "visibility"), arguments, strict=True))
            images[api.upload(**image)["image_id"]] = image
        elif name == "sweep":
            with calls.killed(arguments[0], before=arguments[1]):
                sweep()
        elif chosen and name == "update":
            images[chosen] |= arguments[1]
            path = f"/images/{chosen}?user_id={images[chosen]['user_id']}"
            assert api.call("PUT", path, arguments[1]).status_code == 200
        elif chosen:
            path = f"/images/{chosen}?user_id={images.pop(chosen)['user_id']}"
            assert api.call("DELETE", path).status_code == 200
        for viewer in OWNERS:
            assert tags(as_user(viewer, api)) == expected_counts(images, None, viewer)
            for owner in OWNERS:
                assert tags(as_user(viewer, api), f"user_id={owner}") == expected_counts(images, owner, viewer)
    for image_id, image in images.items():
        api.call("DELETE", f"/images/{image_id}?user_id={image['user_id']}")
    sweep()
    assert stores.tag_counts() == []
