import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.errors import BadInput
from chalicelib.index.query import Include, Order, Query
from chalicelib.lists import cursors
from chalicelib.lists.cursors import Cursor

KEY = b"key"
DAY = 86_400
QUERY = Query(user_id="alice", tags=("sea",), limit=10)
IMAGE_ID = ids.new_id()
CURSOR = cursors.encode(Cursor(1, IMAGE_ID), QUERY.filters, KEY, DAY)
TIMES = st.integers(0, ids.END - 1).map(lambda milliseconds: ids.timestamp_of(milliseconds) + "/")


@given(st.integers(0, 255), st.just("") | TIMES, st.uuids(), st.text(), st.lists(st.text()))
def test_a_cursor_is_decoded_to_its_position(
    driver: int, update_time: str, random: UUID, user_id: str, tags: list[str]
) -> None:
    image_id = UUID(bytes=b"\0" + random.bytes[1:])
    position = Cursor(driver, update_time + str(image_id))
    query = Query(user_id=user_id, tags=tuple(tags), limit=1)
    cursor = cursors.encode(position, query.filters, KEY, DAY)
    assert re.fullmatch(r"[A-Za-z0-9_-]{50}([A-Za-z0-9_-]{8})?", cursor)
    assert cursors.decode(cursor, query.filters, 256, [KEY], by_update=bool(update_time)) == position
    with pytest.raises(BadInput):
        cursors.decode(cursor, query.filters, 256, [KEY], by_update=not update_time)


def test_a_cursor_does_not_reveal_the_id_of_its_image() -> None:
    assert UUID(IMAGE_ID).bytes not in urlsafe_b64decode(CURSOR + "==")


def test_a_cursor_is_valid_with_another_page_size() -> None:
    assert cursors.decode(CURSOR, replace(QUERY, limit=99, include=frozenset(Include), explain=True).filters, 2, [KEY])


@pytest.mark.parametrize(
    "query",
    [
        replace(QUERY, user_id="bob"),
        replace(QUERY, tags=()),
        replace(QUERY, tags=(), any_tags=("sea",)),
        replace(QUERY, user_id=None, tags=("alice", "sea")),
        replace(QUERY, title=("sea",)),
        replace(QUERY, content_type="image/png"),
        replace(QUERY, before=7),
        replace(QUERY, order=Order(oldest_first=True)),
        replace(QUERY, order=Order(by_update=True)),
    ],
)
def test_a_cursor_of_another_query_is_rejected(query: Query) -> None:
    with pytest.raises(BadInput, match="last_evaluated_key is not valid for this list; begin"):
        cursors.decode(CURSOR, query.filters, 2, [KEY])


def test_a_new_filter_does_not_invalidate_cursors_of_queries_without_it() -> None:
    assert QUERY.filters == "{'user_id': 'alice', 'tags': ('sea',)}"


def test_a_cursor_of_another_service_is_rejected() -> None:
    with pytest.raises(BadInput):
        cursors.decode(CURSOR, QUERY.filters, 2, [b"other key"])


def test_a_cursor_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.time
    cursor = cursors.encode(Cursor(1, IMAGE_ID), QUERY.filters, KEY, DAY)
    monkeypatch.setattr(time, "time", lambda: clock() + DAY - 1)
    assert cursors.decode(cursor, QUERY.filters, 2, [KEY])
    monkeypatch.setattr(time, "time", lambda: clock() + DAY + 61)
    with pytest.raises(BadInput, match="last_evaluated_key has expired; begin the list again"):
        cursors.decode(cursor, QUERY.filters, 2, [KEY])


@given(st.integers(0, 49), st.sampled_from("ABCDwxyz0189-_"))
def test_an_edited_cursor_is_rejected(index: int, character: str) -> None:
    edited = CURSOR[:index] + character + CURSOR[index + 1 :]
    if edited != CURSOR:
        with pytest.raises(BadInput):
            cursors.decode(edited, QUERY.filters, 2, [KEY])


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_any_other_text_is_rejected(text: str) -> None:
    with pytest.raises(BadInput):
        cursors.decode(text, QUERY.filters, 2, [KEY])


@pytest.mark.parametrize("position", [Cursor(2, ids.new_id()), Cursor(0, "ffffffff-ffff-7fff-bfff-ffffffffffff")])
def test_an_invalid_position_is_rejected_even_if_encrypted_with_the_key(position: Cursor) -> None:
    with pytest.raises(BadInput):
        cursors.decode(cursors.encode(position, QUERY.filters, KEY, DAY), QUERY.filters, 2, [KEY])


@pytest.mark.parametrize("text", [b"", b"\xff" * 4, b"\xff" * 21, b"\xff" * 27, b"\xff" * 300])
def test_other_content_is_rejected_even_if_encrypted_with_the_key(text: bytes) -> None:
    raw = cursors._cipher(KEY).encrypt(text or b"\0", [QUERY.filters.encode()])
    cursor = urlsafe_b64encode(raw).decode().rstrip("=")
    with pytest.raises(BadInput):
        cursors.decode(cursor, QUERY.filters, 256, [KEY])


@pytest.mark.parametrize(
    "edited",
    [CURSOR + "=", CURSOR + "==", CURSOR + "\n", "!" + CURSOR, CURSOR + CURSOR],
    ids=["padding", "more padding", "a line break", "a leading character", "twice"],
)
def test_a_cursor_has_only_one_spelling(edited: str) -> None:
    with pytest.raises(BadInput):
        cursors.decode(edited, QUERY.filters, 2, [KEY])
