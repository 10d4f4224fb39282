import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.pictures.parsers import png
from chalicelib.pictures.parsers.pieces import joined
from tests.unit.pictures.made import chunk, png_of_rows, with_chunks

ROWS = [bytes(4)] * 2


def test_the_header_says_how_large_the_rows_are() -> None:
    # 5 x 3 pixels of 16 bits and 3 channels, each row with the byte of its filter; then in seven passes.
    assert png.header(png_of_rows(2, 16, [], size=(5, 3))).inflated_bytes == 3 * (1 + 30)
    assert png.header(png_of_rows(0, 8, [], size=(5, 3), interlace=1)).inflated_bytes == 3 * 5 + 7
    assert png.header(png_of_rows(0, 1, [], size=(9, 2))).inflated_bytes == 2 * (1 + 2)


@pytest.mark.parametrize(
    "first", [b"", chunk(b"IDAT", b"x"), chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 3, 8, 5, 0, 0, 0))]
)
def test_a_png_without_a_valid_header_has_none(first: bytes) -> None:
    with pytest.raises(ValueError, match="PNG"):
        png.header(png.MAGIC + first)


def test_frames_are_counted_up_to_the_limit() -> None:
    control, frame = chunk(b"acTL", struct.pack(">II", 5, 0)), chunk(b"fcTL", bytes(26))
    still = png_of_rows(0, 8, ROWS, size=(4, 2))
    assert png.count_frames(still, 10) == 1
    assert png.count_frames(with_chunks(still, frame * 3), 10) == 1
    moving = with_chunks(with_chunks(still, control, frame), frame * 4, before=b"IEND")
    assert [png.count_frames(moving, limit) for limit in (1, 3, 5, 10)] == [2, 4, 5, 5]
    assert png.count_frames(moving[:-12], 10) == 5


def test_a_picture_has_no_animation_and_ends_with_its_pixels() -> None:
    still = png_of_rows(0, 8, ROWS, chunk(b"tRNS", b"\0\7"), size=(4, 2))
    data = with_chunks(still, chunk(b"acTL", bytes(8)), chunk(b"fcTL", bytes(26)), chunk(b"tEXt", b"a\0b"))
    data = with_chunks(data, chunk(b"fdAT", b"abcdef"), chunk(b"IDAT", b"late"), before=b"IEND")
    assert joined(png.picture(data)).read() == still[:-12]


def test_only_grey_and_rgb_have_a_transparent_colour() -> None:
    key = chunk(b"tRNS", b"\xff\x07")
    grey, palette = (png_of_rows(mode, 4, ROWS, key, size=(4, 2)) for mode in (0, 3))
    assert png.transparent_color(grey) == (7,)
    assert png.transparent_color(palette) is None
    assert png.transparent_color(png_of_rows(0, 8, ROWS, size=(4, 2))) is None
    assert png.transparent_color(grey[:33]) is None


@given(st.binary(), st.integers(0, 200))
def test_any_bytes_are_read_without_an_end(more: bytes, at: int) -> None:
    data = png_of_rows(0, 8, ROWS, chunk(b"acTL", struct.pack(">II", 5, 0)), size=(4, 2))
    data = data[: min(at, len(data))] + more
    assert len(joined(png.picture(data)).read()) <= len(data) + 8
    assert png.count_frames(data, 10) <= 11
