import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from chalicelib.stores import originals


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("a b.png", "attachment; filename=\"a b.png\"; filename*=UTF-8''a%20b.png"),
        ("Café.jpg", "attachment; filename=\"Caf_.jpg\"; filename*=UTF-8''Caf%C3%A9.jpg"),
        ('"; x=".jpg', "attachment; filename=\"_; x=_.jpg\"; filename*=UTF-8''%22%3B%20x%3D%22.jpg"),
        ("100%\\.jpg", "attachment; filename=\"100__.jpg\"; filename*=UTF-8''100%25%5C.jpg"),
    ],
)
def test_a_filename_is_sent_in_ascii_and_in_utf_8(name: str, disposition: str) -> None:
    assert originals.attachment(name) == disposition


@given(st.text(min_size=1).filter(str.isprintable))
def test_any_filename_is_read_back_unchanged(name: str) -> None:
    disposition = originals.attachment(name)
    assert disposition.isascii()
    assert parse_options_header(disposition) == ("attachment", {"filename": name})
