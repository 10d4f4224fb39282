from dataclasses import replace

import pytest

from chalicelib.index.query import Order, Query
from chalicelib.index.ranges import Index
from chalicelib.lists import plan
from chalicelib.lists.plan import Reach
from chalicelib.model import Caller, Visibility

ANYTHING = Query(limit=10)
NOBODY = Caller(None, verified=False)
ALICE = Caller("alice", verified=True)
BOB = Caller("bob", verified=True)


def names(query: Query, caller: Caller = NOBODY) -> list[str]:
    return [each.name for each in plan.lists(query, caller)]


def partitions(query: Query, caller: Caller) -> list[list[str]]:
    """Of each list, where it is read."""
    return [
        [*(each.partition for each in found.ranges), *(each.partition for each in found.prefixes)]
        for found in plan.lists(query, caller)
    ]


def test_each_filter_is_a_list_that_holds_the_whole_answer() -> None:
    assert names(ANYTHING) == ["everything"]
    assert names(replace(ANYTHING, user_id="alice")) == ["owner:alice"]
    assert names(replace(ANYTHING, user_id="alice", tags=("sea", "sky"))) == ["owner:alice", "tag:sea", "tag:sky"]
    assert names(replace(ANYTHING, any_tags=("sea", "sky"))) == ["tag:sea or tag:sky"]
    assert names(replace(ANYTHING, content_type="image/gif")) == ["content_type:image/gif"]
    assert names(replace(ANYTHING, visibility=Visibility.PUBLIC)) == ["everything"]


def test_a_checksum_alone_is_read_whatever_else_is_asked_for() -> None:
    query = replace(ANYTHING, checksum="ab" * 32, user_id="alice", tags=("sea",))
    assert names(query) == ["checksum:" + "ab" * 32]


def test_of_many_filters_those_that_promise_most_are_compared() -> None:
    query = replace(ANYTHING, title=("a", "dunes", "sea"), description=("mornings",), content_type="image/png")
    assert names(query) == ["description:mornings", "title:dunes", "title:sea", "content_type:image/png"]
    # A letter begins words without end: they are neither few nor rare.
    assert names(replace(ANYTHING, title=("a",))) == ["everything"]
    assert names(replace(query, tags=("t", "u", "v"))) == ["tag:t", "tag:u", "tag:v", "description:mornings"]


def test_words_may_be_too_many_so_that_everything_stands_by() -> None:
    found = plan.lists(replace(ANYTHING, title=("dunes",)), NOBODY)
    assert [each.is_last_resort for each in found] == [False, True]


def test_who_asks_sees_their_own_private_images_and_no_others() -> None:
    tag = replace(ANYTHING, tags=("sea",))
    assert partitions(tag, NOBODY) == [["sea"]]
    assert partitions(tag, ALICE) == [["sea", "\x1f@alice\x1fsea"]]
    assert partitions(replace(tag, visibility=Visibility.PUBLIC), ALICE) == [["sea"]]
    assert partitions(replace(tag, visibility=Visibility.PRIVATE), ALICE) == [["\x1f@alice\x1fsea"]]
    assert partitions(replace(tag, visibility=Visibility.PRIVATE), NOBODY) == []
    word = replace(ANYTHING, title=("sea",))
    assert partitions(word, ALICE)[0] == ["\x1ftitle:s", "\x1f@alice\x1f\x1ftitle:s"]


def test_an_owners_list_is_read_where_it_holds_what_the_caller_may_see() -> None:
    hers = replace(ANYTHING, user_id="alice")
    assert [each.ranges[0].index for each in plan.lists(hers, ALICE)] == [Index.OWNER]
    assert partitions(hers, BOB) == partitions(hers, NOBODY) == [["\x1fowner:alice"]]
    assert partitions(replace(hers, visibility=Visibility.PUBLIC), ALICE) == [["\x1fowner:alice"]]
    assert partitions(replace(hers, visibility=Visibility.PRIVATE), ALICE) == [["\x1f@alice\x1f\x1feverything:"]]
    assert partitions(replace(hers, visibility=Visibility.PRIVATE), BOB) == []
    by_update = replace(hers, order=Order(by_update=True))
    assert [each.index for each in plan.lists(by_update, ALICE)[0].ranges] == [Index.OWNER, Index.CHANGED_OWNER]


def test_dates_are_a_range_of_each_list() -> None:
    found = plan.lists(replace(ANYTHING, tags=("sea",), user_id="alice", since=5, before=9), ALICE)
    assert {(each.since, each.before) for one in found for each in one.ranges} == {(5, 9)}


def test_the_list_that_has_ended_is_the_rarest_and_of_several_the_shortest() -> None:
    assert plan.rarest([Reach("1", 2), Reach(None, 2), Reach(None, 1)], Order()) == 2


def test_the_list_whose_chunk_reaches_furthest_is_the_rarest() -> None:
    assert plan.rarest([Reach("8", 2), Reach("2", 2), Reach("5", 2)], Order()) == 1
    assert plan.rarest([Reach("2", 2), Reach("5", 2), Reach("8", 2)], Order(oldest_first=True)) == 2


@pytest.mark.parametrize(
    ("wanted", "looked_at", "matched", "rows"),
    [
        (21, 21, 0, 42),  # nothing yet: further each time
        (21, 800, 0, 1000),
        (5, 3, 0, 6),
        (4, 21, 16, 11),  # as many as it takes even if fewer match from here on
        (16, 21, 4, 63),  # few have matched: carefully
        (20, 21, 1, 63),
        (1, 20, 16, 3),
        (20, 800, 16, 1000),
        (9, 1, 1, 9),
    ],
)
def test_it_reads_on_as_far_as_the_rest_of_the_page_should_take(
    wanted: int, looked_at: int, matched: int, rows: int
) -> None:
    assert plan.next_rows(wanted, looked_at, matched, 1000) == rows
