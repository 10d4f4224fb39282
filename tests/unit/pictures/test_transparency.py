"""A colour or a palette of a PNG that is transparent, at each depth. The pictures are 16 x 8 pixels."""

import struct
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.pictures.made import Configure, chunk, is_near, only_variant, png_of_rows

GREY, RGB, PALETTE = 0, 2, 3
SIZE = (16, 8)


@pytest.fixture(autouse=True)
def exact(configured: Configure) -> None:
    configured(VARIANT_QUALITY="100")


def packed(samples: list[int], depth: int) -> bytes:
    """Return a row of samples, each of `depth` bits."""
    bits = "".join(f"{sample:0{depth}b}" for sample in samples)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def shown(tmp_path: Path, mode: int, depth: int, row: list[int], *more: bytes) -> Image.Image:
    return only_variant(tmp_path, png_of_rows(mode, depth, [packed(row, depth)] * 8, *more, size=SIZE)).convert("RGBA")


def transparent_columns(image: Image.Image) -> set[int]:
    alphas = [[image.getpixel((x, y))[3] for y in range(8)] for x in range(16)]  # type: ignore[index]
    assert all(alpha in (0, 255) for column in alphas for alpha in column)
    assert all(len(set(column)) == 1 for column in alphas)
    return {x for x, column in enumerate(alphas) if column[0] == 0}


def key(*samples: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(samples)}H", *samples))


@pytest.mark.parametrize(
    ("depth", "row", "sample", "columns"),
    [
        (1, [0] * 8 + [1] * 8, 1, {*range(8, 16)}),
        (1, [0] * 8 + [1] * 8, 0, {*range(8)}),
        (2, [x // 4 for x in range(16)], 3, {12, 13, 14, 15}),
        (2, [x // 4 for x in range(16)], 1, {4, 5, 6, 7}),
        (4, [*range(16)], 15, {15}),
        (4, [*range(16)], 7, {7}),
        (4, [*range(16)], 0xF007, {7}),  # of the number, only the bits of the depth count
        (8, [x * 17 for x in range(16)], 7 * 17, {7}),
        (16, [0x8000] * 8 + [0x8080] * 8, 0x8000, {*range(8)}),
        (16, [0x8000] * 8 + [0x8001] * 8, 0x8001, {*range(8, 16)}),
    ],
)
def test_a_transparent_grey_is_transparent_at_each_depth(
    tmp_path: Path, depth: int, row: list[int], sample: int, columns: set[int]
) -> None:
    image = shown(tmp_path, GREY, depth, row, key(sample))
    assert transparent_columns(image) == columns
    highest = (1 << depth) - 1
    for x in {*range(16)} - columns:
        assert is_near(image.getpixel((x, 4)), [row[x] * 255 / highest] * 3 + [255], 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_transparent_at_each_depth(tmp_path: Path, depth: int) -> None:
    color = (0xC8, 0x3C, 0x32) if depth == 8 else (0xC8C8, 0x3C3C, 0x3232)
    others = [(color[0], color[1], color[2] + 1), (color[0] - 1, *color[1:]), (0, color[1], color[2])]
    row = [*color * 4, *others[0] * 4, *others[1] * 4, *others[2] * 4]
    image = shown(tmp_path, RGB, depth, row, key(*color))
    assert transparent_columns(image) == {0, 1, 2, 3}
    assert is_near(image.getpixel((6, 4)), (0xC8, 0x3C, 0x32, 255), 4)  # type: ignore[arg-type]


def test_a_transparent_colour_of_16_bits_is_transparent_in_an_interlaced_picture(tmp_path: Path) -> None:
    red, green = struct.pack(">3H", 0xC8C8, 0x3C3C, 0x3232), struct.pack(">3H", 0x1414, 0xA0A0, 0x3C3C)
    # The rows of the seven passes of 16 x 8 pixels: their number and their width.
    passes = ((1, 2), (1, 2), (1, 4), (2, 4), (2, 8), (4, 8), (4, 16))
    rows = [red * (width // 2) + green * (width // 2) for count, width in passes for _ in range(count)]
    data = png_of_rows(RGB, 16, rows, key(0xC8C8, 0x3C3C, 0x3232), size=SIZE, interlace=1)
    image = only_variant(tmp_path, data).convert("RGBA")
    assert transparent_columns(image) == {*range(8)}
    assert is_near(image.getpixel((12, 4)), (0x14, 0xA0, 0x3C, 255), 4)  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("alphas", [b"\xff\0", b"\0"])
def test_a_colour_of_a_palette_may_be_transparent(tmp_path: Path, depth: int, alphas: bytes) -> None:
    palette = chunk(b"PLTE", bytes((220, 30, 40, 20, 160, 60)))
    image = shown(tmp_path, PALETTE, depth, [0] * 8 + [1] * 8, palette, chunk(b"tRNS", alphas))
    assert transparent_columns(image) == ({*range(8)} if alphas == b"\0" else {*range(8, 16)})


def test_a_colour_of_a_palette_may_be_half_transparent(tmp_path: Path) -> None:
    palette = chunk(b"PLTE", bytes((220, 30, 40, 20, 160, 60)))
    image = shown(tmp_path, PALETTE, 1, [0] * 8 + [1] * 8, palette, chunk(b"tRNS", b"\x80"))
    assert [image.getpixel((x, 4))[3] for x in (2, 13)] == [128, 255]  # type: ignore[index]


@pytest.mark.parametrize(
    ("broken"),
    [
        chunk(b"tRNS", b""),
        chunk(b"tRNS", b"\0"),
        chunk(b"tRNS", bytes(6)),
        chunk(b"tRNS", bytes(2), checksum=1),
    ],
)
def test_broken_transparency_is_passed_over(tmp_path: Path, broken: bytes) -> None:
    assert transparent_columns(shown(tmp_path, GREY, 8, [0] * 8 + [200] * 8, broken)) == set()


def test_a_large_picture_with_a_transparent_grey_of_16_bits_is_shown(tmp_path: Path, configured: Configure) -> None:
    configured(VARIANT_WIDTHS="60")
    row = struct.pack(">H", 0x8000) * 200 + struct.pack(">H", 0x8080) * 200
    image = only_variant(tmp_path, png_of_rows(GREY, 16, [row] * 400, key(0x8000), size=(400, 400))).convert("RGBA")
    assert [image.getpixel((x, 30))[3] for x in (10, 50)] == [0, 255]  # type: ignore[index]
