import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.errors import BadInput
from chalicelib.lists import cursors
from chalicelib.lists.cursors import Cursor

KEY = b"key"
CURSOR = cursors.encode_name("sea", "query", KEY, 86_400)


@given(st.text(min_size=1, max_size=200), st.integers(0, 3), st.text())
def test_a_cursor_is_decoded_to_its_name(name: str, prefix_length: int, query: str) -> None:
    cursor = cursors.encode_name(name, query, KEY, 60)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
    assert cursors.decode_name(cursor, query, [KEY], name[:prefix_length]) == name


@given(st.integers(0, len(CURSOR) - 1), st.sampled_from("ABCDwxyz0189-_"))
def test_an_edited_cursor_is_rejected(index: int, character: str) -> None:
    edited = CURSOR[:index] + character + CURSOR[index + 1 :]
    assume(edited != CURSOR)
    with pytest.raises(BadInput, match="is not valid for this list"):
        cursors.decode_name(edited, "query", [KEY], "")


@pytest.mark.parametrize(("query", "key", "prefix"), [("other", KEY, ""), ("query", b"other", ""), ("query", KEY, "x")])
def test_a_cursor_of_another_list_is_rejected(query: str, key: bytes, prefix: str) -> None:
    with pytest.raises(BadInput, match="is not valid for this list"):
        cursors.decode_name(CURSOR, query, [key], prefix)


@pytest.mark.parametrize("name", ["", "x" * 1025])
def test_an_invalid_name_is_rejected_even_if_encrypted_with_the_key(name: str) -> None:
    with pytest.raises(BadInput):
        cursors.decode_name(cursors.encode_name(name, "query", KEY, 60), "query", [KEY], "")


def test_a_cursor_of_images_is_rejected() -> None:
    position = Cursor(0xFF, ids.new_id())
    with pytest.raises(BadInput):
        cursors.decode_name(cursors.encode(position, "query", KEY, 60), "query", [KEY], "")


def test_a_cursor_expires() -> None:
    with pytest.raises(BadInput, match="has expired"):
        cursors.decode_name(cursors.encode_name("sea", "query", KEY, -120), "query", [KEY], "")


# Not the cursor itself, which contains a time: all processes of a test run must find the same names of tests.
@pytest.mark.parametrize("edited", ["{}=", "{}\n", "!{}", "{}{}", ""])
def test_a_cursor_has_only_one_spelling(edited: str) -> None:
    edited = edited.replace("{}", CURSOR)
    with pytest.raises(BadInput):
        cursors.decode_name(edited, "query", [KEY], "")
