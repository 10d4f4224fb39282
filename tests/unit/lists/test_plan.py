from dataclasses import replace

import pytest

from chalicelib.index import terms
from chalicelib.index.query import Order, Query, Time
from chalicelib.index.ranges import Index, Range
from chalicelib.lists import plan
from chalicelib.lists.plan import Reach
from chalicelib.model import Caller, Visibility

NO_FILTERS = Query(limit=10)
NOBODY = Caller(None, verified=False)
ALICE = Caller("alice", verified=True)
BOB = Caller("bob", verified=True)


def names(query: Query, caller: Caller = NOBODY) -> list[str]:
    return [planned.name for planned in plan.lists(query, caller)]


def partitions(query: Query, caller: Caller) -> list[list[str]]:
    """Return the partitions of each list."""
    return [
        [*(each.partition for each in planned.ranges), *(each.partition for each in planned.prefixes)]
        for planned in plan.lists(query, caller)
    ]


def test_each_filter_has_a_list_that_contains_the_whole_answer() -> None:
    assert names(NO_FILTERS) == ["everything"]
    assert names(replace(NO_FILTERS, user_id="alice")) == ["owner:alice"]
    assert names(replace(NO_FILTERS, user_id="alice", tags=("sea", "sky"))) == ["owner:alice", "tag:sea", "tag:sky"]
    assert names(replace(NO_FILTERS, any_tags=("sea", "sky"))) == ["tag:sea or tag:sky"]
    assert names(replace(NO_FILTERS, content_type="image/gif")) == ["content_type:image/gif"]
    assert names(replace(NO_FILTERS, visibility=Visibility.PUBLIC)) == ["everything"]


def test_only_the_list_of_the_checksum_is_read() -> None:
    query = replace(NO_FILTERS, checksum="ab" * 32, user_id="alice", tags=("sea",))
    assert names(query) == ["checksum:" + "ab" * 32]


def test_only_the_most_selective_filters_are_compared() -> None:
    query = replace(NO_FILTERS, title=("a", "dunes", "sea"), description=("mornings",), content_type="image/png")
    assert names(query) == ["description:mornings", "title:dunes", "title:sea", "content_type:image/png"]
    # A letter has no list: too many words begin with it.
    assert names(replace(NO_FILTERS, title=("a",))) == ["everything"]
    assert names(replace(query, tags=("t", "u", "v"))) == ["tag:t", "tag:u", "tag:v", "description:mornings"]


def test_everything_is_the_last_resort_for_too_many_words() -> None:
    lists = plan.lists(replace(NO_FILTERS, title=("dunes",)), NOBODY)
    assert [each.is_last_resort for each in lists] == [False, True]


def test_a_caller_sees_only_their_own_private_images() -> None:
    tag = replace(NO_FILTERS, tags=("sea",))
    assert partitions(tag, NOBODY) == [["sea"]]
    assert partitions(tag, ALICE) == [["sea", "\x1f@alice\x1fsea"]]
    assert partitions(replace(tag, visibility=Visibility.PUBLIC), ALICE) == [["sea"]]
    assert partitions(replace(tag, visibility=Visibility.PRIVATE), ALICE) == [["\x1f@alice\x1fsea"]]
    assert partitions(replace(tag, visibility=Visibility.PRIVATE), NOBODY) == []
    word = replace(NO_FILTERS, title=("sea",))
    assert partitions(word, ALICE)[0] == ["\x1ftitle:s", "\x1f@alice\x1f\x1ftitle:s"]


def test_the_list_of_an_owner_depends_on_the_caller() -> None:
    of_alice = replace(NO_FILTERS, user_id="alice")
    assert [each.ranges[0].index for each in plan.lists(of_alice, ALICE)] == [Index.OWNER]
    assert partitions(of_alice, BOB) == partitions(of_alice, NOBODY) == [["\x1fowner:alice"]]
    assert partitions(replace(of_alice, visibility=Visibility.PUBLIC), ALICE) == [["\x1fowner:alice"]]
    assert partitions(replace(of_alice, visibility=Visibility.PRIVATE), ALICE) == [["\x1f@alice\x1f\x1feverything:"]]
    assert partitions(replace(of_alice, visibility=Visibility.PRIVATE), BOB) == []
    by_update = replace(of_alice, order=Order(by=Time.UPDATED))
    assert [each.index for each in plan.lists(by_update, ALICE)[0].ranges] == [Index.OWNER, Index.CHANGED_OWNER]


def test_a_list_by_time_taken_is_one_range_of_an_owner_with_private_images() -> None:
    query = replace(NO_FILTERS, user_id="alice", order=Order(by=Time.TAKEN), taken_since=-5)
    [owner] = plan.lists(query, ALICE)
    assert owner.ranges == (Range(Index.TAKEN_OWNER, "alice", None, -5),)
    assert not plan.can_move([owner], query, ALICE)
    tagged = replace(query, user_id=None, tags=("sea",))
    [tag] = plan.lists(tagged, ALICE)
    assert [each.partition for each in tag.ranges] == ["sea", "\x1f@alice\x1fsea"]
    assert plan.can_move([tag], tagged, ALICE)


def test_each_word_of_a_search_has_one_list_of_all_fields_and_tags() -> None:
    query = replace(NO_FILTERS, words=terms.query_words("sea Café"))
    assert names(query) == ["q:café", "q:sea"]
    assert partitions(query, NOBODY) == [
        ["\x1ftitle:c", "\x1ffilename:c", "\x1fdescription:c", "café", "cafe"],
        ["\x1ftitle:s", "\x1ffilename:s", "\x1fdescription:s", "sea"],
    ]
    assert len(partitions(query, ALICE)[1]) == 8
    # A page can always read the next image of such a list, also in the order of updates.
    by_update = replace(query, order=Order(by=Time.UPDATED))
    assert all(plan.is_affordable(each, by_update, ALICE) for each in plan.lists(by_update, ALICE)[1:])


def test_dates_limit_the_range_of_each_list() -> None:
    lists = plan.lists(replace(NO_FILTERS, tags=("sea",), user_id="alice", since=5, before=9), ALICE)
    assert {(each.since, each.before) for planned in lists for each in planned.ranges} == {(5, 9)}


def test_the_shortest_list_that_has_ended_is_the_rarest() -> None:
    assert plan.rarest([Reach("1", 2), Reach(None, 2), Reach(None, 1)], Order()) == 2


def test_the_list_whose_chunk_reaches_furthest_is_the_rarest() -> None:
    assert plan.rarest([Reach("8", 2), Reach("2", 2), Reach("5", 2)], Order()) == 1
    assert plan.rarest([Reach("2", 2), Reach("5", 2), Reach("8", 2)], Order(oldest_first=True)) == 2


@pytest.mark.parametrize(
    ("needed", "checked", "matched", "rows"),
    [
        (21, 21, 0, 42),  # no matches yet: twice as many rows
        (21, 800, 0, 1000),
        (5, 3, 0, 6),
        (4, 21, 16, 11),  # enough even if fewer rows match from here on
        (16, 21, 4, 63),  # few matches: at most three times as many rows
        (20, 21, 1, 63),
        (1, 20, 16, 3),
        (20, 800, 16, 1000),
        (9, 1, 1, 9),
    ],
)
def test_the_next_read_is_as_long_as_the_rest_of_the_page_needs(
    needed: int, checked: int, matched: int, rows: int
) -> None:
    assert plan.next_rows(needed, checked, matched, 1000) == rows
