"""Kinds of BMP, and their run-length encoding."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import Unsupported
from chalicelib.pictures import decode, identify
from chalicelib.pictures.parsers import bmp
from chalicelib.pictures.variants import make
from tests.unit.pictures.made import is_near, only_variant

WIDTH, HEIGHT = 32, 16
RLE8, RLE4, BIT_FIELDS, ALPHA_BIT_FIELDS = 1, 2, 3, 6
PALETTE = bytes(channel for index in range(256) for channel in (index, 255 - index, index // 2, 0))  # blue, green, red


def file(
    pixels: bytes,
    *,
    bits: int,
    compression: int = 0,
    masks: Sequence[int] = (),
    palette: bytes = b"",
    header_size: int = 40,
    height: int = HEIGHT,
) -> bytes:
    """Return a BMP. Masks are in a header of more than 40 bytes, or follow it."""
    head = struct.pack("<IiiHHIIiiII", header_size, WIDTH, height, 1, bits, compression, 0, 0, 0, len(palette) // 4, 0)
    head = (head + b"".join(struct.pack("<I", mask) for mask in masks)).ljust(header_size, b"\0") + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


def rising(masks: Sequence[int], bits: int) -> bytes:
    """Return rows of full red, green that rises from the left, no blue, and half alpha."""
    rows = b""
    for x in range(WIDTH):
        pixel = 0
        for mask, value in zip(masks, (1.0, x / (WIDTH - 1), 0.0, 0.5), strict=False):
            low = mask & -mask or 1
            pixel |= round(value * (mask // low)) * low
        rows += pixel.to_bytes(bits // 8, "little")
    return rows * HEIGHT


@pytest.mark.parametrize(
    ("bits", "masks"),
    [
        (32, (0xFF, 0xFF00, 0xFF0000)),
        (32, (0xFF000000, 0xFF, 0xFF00)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF)),
        (32, (0xFE000000, 0x01FFFF00, 0xFF)),
        (32, (0xFF0000, 0xFF00, 0xFF)),
        (16, (0xF800, 0x7E0, 0x1F)),
        (16, (0x1F, 0x7E0, 0xF800)),
        (16, (0x3E0, 0x7C00, 0)),
    ],
)
@pytest.mark.parametrize("header_size", [40, 52, 56, 108])
def test_any_bit_fields_are_shown(tmp_path: Path, bits: int, masks: tuple[int, ...], header_size: int) -> None:
    data = file(rising(masks, bits), bits=bits, compression=BIT_FIELDS, masks=masks, header_size=header_size)
    assert identify.identify(data).width == WIDTH
    variant = only_variant(tmp_path, data)
    assert variant.mode == "RGB"
    for x in (2, 15, 29):
        actual: Any = variant.getpixel((x, 8))
        assert is_near(actual, (255, 255 * x / (WIDTH - 1), 0), 16)


@pytest.mark.parametrize(
    ("bits", "masks"),
    [
        (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
        (32, (0xFF000000, 0xFF, 0xFF00, 0xFF0000)),
        (32, (0x3FF, 0xFFC00, 0x3FF00000, 0xC0000000)),
        (16, (0xF00, 0xF0, 0xF, 0xF000)),
    ],
)
@pytest.mark.parametrize(("header_size", "compression"), [(56, BIT_FIELDS), (124, BIT_FIELDS), (40, ALPHA_BIT_FIELDS)])
def test_the_alpha_of_bit_fields_is_used(
    tmp_path: Path, bits: int, masks: tuple[int, ...], header_size: int, compression: int
) -> None:
    data = file(rising(masks, bits), bits=bits, compression=compression, masks=masks, header_size=header_size)
    actual: Any = only_variant(tmp_path, data).getpixel((15, 8))
    alpha = {2: 170, 4: 136}.get(masks[3].bit_count(), 128)  # the nearest to a half that the bits can say
    assert is_near(actual, (255, 123, 0, alpha), 16)


def test_a_single_bit_of_alpha_is_used(tmp_path: Path) -> None:
    masks = (0x7C00, 0x3E0, 0x1F, 0x8000)
    row = struct.pack("<H", 0x7C00 | 0x8000) * (WIDTH // 2) + struct.pack("<H", 0x3E0) * (WIDTH // 2)
    data = file(row * HEIGHT, bits=16, compression=BIT_FIELDS, masks=masks, header_size=56)
    variant = only_variant(tmp_path, data)
    left: Any = variant.getpixel((4, 8))
    right: Any = variant.getpixel((28, 8))
    assert is_near(left, (255, 0, 0, 255), 16)
    assert right[3] <= 2


def test_rows_of_bit_fields_may_be_stored_from_the_top(tmp_path: Path) -> None:
    masks = (0xFF, 0xFF00, 0xFF0000)
    pixels = b"\xff\0\0\0" * WIDTH * (HEIGHT // 2) + b"\0\0\xff\0" * WIDTH * (HEIGHT // 2)
    for height, top in ((HEIGHT, (0, 0, 255)), (-HEIGHT, (255, 0, 0))):
        data = file(pixels, bits=32, compression=BIT_FIELDS, masks=masks, height=height)
        actual: Any = only_variant(tmp_path, data).getpixel((15, 2))
        assert is_near(actual, top, 16)


def test_colours_that_no_pixel_can_use_are_ignored(tmp_path: Path) -> None:
    data = file(bytes(range(WIDTH)) * HEIGHT, bits=8, palette=PALETTE + bytes(4 * 44))
    actual: Any = only_variant(tmp_path, data).getpixel((15, 8))
    assert is_near(actual, (7, 240, 15), 24)


def test_a_run_length_encoded_picture_is_shown(tmp_path: Path) -> None:
    row = b"\x10\x14" + b"\x0f\xc8" + b"\0\3\xc8\xc8\xc8\0" + b"\0\0"  # 16 + 15 pixels, and 3 of which one is left
    data = file(row * HEIGHT + b"\0\1", bits=8, compression=RLE8, palette=PALETTE)
    variant = only_variant(tmp_path, data)
    left: Any = variant.getpixel((4, 8))
    right: Any = variant.getpixel((28, 8))
    assert is_near(left, (10, 235, 20), 16)
    assert is_near(right, (100, 55, 200), 16)


@pytest.mark.parametrize(
    ("packed", "rows"),
    [
        (b"\2\7\0\0\3\x09\0\1", ["7700", "9990"]),  # two runs, and the end of the picture
        (b"\4\7\4\x09\0\0\0\0", ["7777", "0000"]),  # a run after the end of the row
        (b"\xff\7\0\0\0\1", ["7777", "0000"]),  # a run longer than the row
        (b"\0\3\1\2\3\0\1\4\0\0\0\1", ["1234", "0000"]),  # single pixels, padded
        (b"\0\4\1\2\3\4\0\1", ["1234", "0000"]),
        (b"\2\5\0\5\1\2\3\4\5\0\0\1", ["5512", "0000"]),  # single pixels beyond the row
        (b"\1\5\0\2\1\1\1\6\0\1", ["5000", "0060"]),  # a move to the right and up
        (b"\1\5\0\2\x63\1\0\1", ["5000", "0000"]),  # a move beyond the row
        (b"\1\5\0\2\0\x63", ["5000", "0000"]),  # a move beyond the picture
        (b"\0\1", ["0000", "0000"]),
    ],
)
def test_run_lengths_of_bytes_are_unpacked(packed: bytes, rows: list[str]) -> None:
    expected = bytes(int(index) for row in rows for index in row)
    assert bmp.unpacked(packed, 4, 2, four_bits=False) == expected


@pytest.mark.parametrize(
    ("packed", "rows"),
    [
        (b"\3\x78\0\0\2\x12\0\1", ["7870", "1200"]),  # two indexes alternate
        (b"\0\5\x12\x34\x56\0\0\1", ["1234", "0000"]),
        (b"\0\3\x12\x30\0\0\4\x99\0\0", ["1230", "9999"]),
    ],
)
def test_run_lengths_of_half_bytes_are_unpacked(packed: bytes, rows: list[str]) -> None:
    expected = bytes(int(index) for row in rows for index in row)
    assert bmp.unpacked(packed, 4, 2, four_bits=True) == expected


@pytest.mark.parametrize("packed", [b"", b"\4", b"\4\7", b"\4\7\0\0\0", b"\4\7\0\0\0\2\1", b"\4\7\0\0\0\4\1"])
def test_run_lengths_that_end_too_early_are_truncated(tmp_path: Path, packed: bytes) -> None:
    with pytest.raises(EOFError):
        bmp.unpacked(packed, 4, 2, four_bits=False)
    path = tmp_path / "cut.bmp"
    path.write_bytes(file(packed, bits=8, compression=RLE8, palette=PALETTE))
    with pytest.raises(decode.Undecodable, match="The file is truncated"):
        make(path)


@given(st.binary(), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_any_run_lengths_are_unpacked_or_truncated(packed: bytes, width: int, height: int, four_bits: bool) -> None:
    try:
        assert len(bmp.unpacked(packed, width, height, four_bits=four_bits)) == width * height
    except EOFError:
        return


def test_a_picture_never_needs_more_run_lengths_than_the_limit() -> None:
    width, height = 5, 3
    longest = (b"\0\2\0\0" * 0 + b"\1\7" * width + b"\0\0") * height + b"\0\1"
    assert bmp.unpacked(longest, width, height, four_bits=False) == b"\7" * 15
    assert len(longest) <= bmp.most_packed_bytes(width, height)
    # Commands that do nothing are read only up to the limit.
    idle = b"\0\2\0\0" * 100_000
    with pytest.raises(EOFError):
        bmp.unpacked(idle[: bmp.most_packed_bytes(width, height)], width, height, four_bits=False)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (file(bytes(999), bits=2, palette=PALETTE[:16]), "a header of 40 bytes, 2 bits per pixel, no compression"),
        (file(bytes(999), bits=1, compression=3), "a header of 40 bytes, 1 bit per pixel, bit fields"),
        (file(bytes(999), bits=0, compression=5), "a header of 40 bytes, 0 bits per pixel, PNG"),
        (file(bytes(9999), bits=64), "a header of 40 bytes, 64 bits per pixel, no compression"),
        (file(bytes(999), bits=8, compression=77), "a header of 40 bytes, 8 bits per pixel, compression 77"),
        (file(bytes(999), bits=24, header_size=41), "a header of 41 bytes, 24 bits per pixel, no compression"),
    ],
)
def test_a_kind_that_is_not_accepted_is_named(data: bytes, kind: str) -> None:
    with pytest.raises(Unsupported) as raised:
        identify.identify(data)
    assert raised.value.message == (
        f"The file is a kind of BMP that is not accepted: {kind}. Save it as a common kind, "
        "for example with 8 bits per channel."
    )


def test_a_small_bmp_of_os2_is_shown(tmp_path: Path) -> None:
    def core(bits: int) -> bytes:
        return b"BM" + struct.pack("<IHHIIHHHH", 30, 0, 0, 26, 12, 1, 1, 1, bits) + b"\x14\x50\xc8\0"

    actual: Any = only_variant(tmp_path, core(24)).getpixel((0, 0))
    assert is_near(actual, (200, 80, 20), 16)
    with pytest.raises(
        Unsupported, match="kind of BMP that is not accepted: a header of 12 bytes, 2 bits per pixel, no"
    ):
        identify.identify(core(2))


def test_a_header_that_is_cut_off_is_not_an_image() -> None:
    for size in range(2, 54):
        with pytest.raises(Unsupported, match="is not an image of an accepted type"):
            identify.identify(file(bytes(99), bits=32, compression=BIT_FIELDS, masks=(1, 2, 4))[:size])
