import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chalicelib.pictures.exif import Exif, read

ORIENTATION, OFFSET_TIME, TAKEN = 0x0112, 0x9011, 0x9003


def block(orientation: int | None = None, **times: str) -> bytes:
    """Return EXIF as Pillow writes it, with the header `Exif`."""
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    tags = {TAKEN: times.get("taken"), OFFSET_TIME: times.get("offset")}
    exif.get_ifd(0x8769).update({tag: value for tag, value in tags.items() if value is not None})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0)})
    return exif.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read_in_both_byte_orders_with_and_without_a_header(orientation: int) -> None:
    assert read(block(orientation)).orientation == orientation
    assert read(block(orientation)[6:]).orientation == orientation
    entry = struct.pack(">HHIHH", ORIENTATION, 3, 1, orientation, 0)
    assert read(b"MM\0*\0\0\0\x08\0\x01" + entry).orientation == orientation


def test_the_time_has_an_offset_only_if_exif_has_one() -> None:
    assert read(block(taken="2024:05:01 12:30:00")) == Exif(1, "2024-05-01T12:30:00")
    assert read(block(6, taken="2024:05:01 12:30:00", offset="-09:30")) == Exif(6, "2024-05-01T12:30:00-09:30")


@pytest.mark.parametrize(
    "taken", ["0000:00:00 00:00:00", "2024:02:30 12:00:00", "2024:05:01 25:00:00", "    ", "?" * 90]
)
def test_an_invalid_time_is_none(taken: str) -> None:
    assert read(block(taken=taken)).taken_at is None


@pytest.mark.parametrize("offset", ["", "+1", "+24:00", "   :  ", "Z"])
def test_an_invalid_offset_is_ignored(offset: str) -> None:
    assert read(block(taken="2024:05:01 12:30:00", offset=offset)).taken_at == "2024-05-01T12:30:00"


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_invalid_orientation_means_upright(orientation: int) -> None:
    assert read(block(orientation)).orientation == 1


def test_a_truncated_field_is_treated_as_absent() -> None:
    whole = block(6, taken="2024:05:01 12:30:00", offset="+02:00")
    for length in range(len(whole)):
        exif = read(whole[:length])
        assert exif.orientation in (1, 6)
        assert exif.taken_at in (None, "2024-05-01T12:30:00", "2024-05-01T12:30:00+02:00")


@given(st.sampled_from([b"", b"II*\0", b"MM\0*", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]), st.binary())
def test_any_bytes_give_a_valid_orientation(start: bytes, rest: bytes) -> None:
    assert read(start + rest).orientation in range(1, 9)
