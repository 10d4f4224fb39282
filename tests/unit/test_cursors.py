import re
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import cursors, ids
from chalicelib.cursors import Position
from chalicelib.errors import BadInput
from chalicelib.model import Query

KEY = b"key"
QUERY = Query(user_id="alice", tags=("sea",), limit=10)
CURSOR = cursors.encode(Position(1, ids.new_id()), QUERY.filters, KEY)


@given(st.integers(0, 255), st.uuids(), st.text(), st.lists(st.text()))
def test_a_cursor_leads_back_to_its_position(source: int, random: UUID, user_id: str, tags: list[str]) -> None:
    made_by_9999 = UUID(bytes=b"\0" + random.bytes[1:])
    position = Position(source, str(made_by_9999))
    query = Query(user_id=user_id, tags=tuple(tags), limit=1)
    cursor = cursors.encode(position, query.filters, KEY)
    assert re.fullmatch(r"[A-Za-z0-9_-]{36}", cursor)
    assert cursors.decode(cursor, query.filters, 256, KEY) == position


def test_the_size_of_a_page_may_change_under_way() -> None:
    assert cursors.decode(CURSOR, replace(QUERY, limit=99).filters, 2, KEY)


@pytest.mark.parametrize(
    "query",
    [
        replace(QUERY, user_id="bob"),
        replace(QUERY, tags=()),
        replace(QUERY, user_id=None, tags=("alice", "sea")),
        replace(QUERY, title=("sea",)),
        replace(QUERY, before=7),
        replace(QUERY, oldest_first=True),
    ],
)
def test_a_cursor_of_another_query_is_refused(query: Query) -> None:
    with pytest.raises(BadInput, match="last_evaluated_key"):
        cursors.decode(CURSOR, query.filters, 2, KEY)


def test_a_cursor_of_another_service_is_refused() -> None:
    with pytest.raises(BadInput):
        cursors.decode(CURSOR, QUERY.filters, 2, b"other key")


@given(st.integers(0, 35), st.sampled_from("ABCDwxyz0189-_"))
def test_an_edited_cursor_is_refused(place: int, character: str) -> None:
    edited = CURSOR[:place] + character + CURSOR[place + 1 :]
    if edited != CURSOR:
        with pytest.raises(BadInput):
            cursors.decode(edited, QUERY.filters, 2, KEY)


@given(st.text(max_size=60))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        cursors.decode(text, QUERY.filters, 2, KEY)


@pytest.mark.parametrize("position", [Position(2, ids.new_id()), Position(0, "ffffffff-ffff-7fff-bfff-ffffffffffff")])
def test_a_position_that_is_none_is_refused_though_it_is_signed(position: Position) -> None:
    with pytest.raises(BadInput):
        cursors.decode(cursors.encode(position, QUERY.filters, KEY), QUERY.filters, 2, KEY)


@pytest.mark.parametrize("edited", [CURSOR + "=", CURSOR + "\n", "!" + CURSOR, CURSOR + CURSOR])
def test_a_cursor_has_one_spelling(edited: str) -> None:
    with pytest.raises(BadInput):
        cursors.decode(edited, QUERY.filters, 2, KEY)
