"""Which files count as cut off. The pictures are noise, so that each byte of their pixels matters."""

import io
import struct
from typing import Any

import pytest
from PIL import Image

from chalicelib.errors import BadInput
from chalicelib.pictures import completeness
from tests import crafted
from tests.pictures import picture
from tests.unit.pictures.made import Configure, chunk, png_of_rows, saved, with_chunks

NOISE = Image.open(io.BytesIO(picture(width=96, height=64)))


def noise(kind: str, **options: Any) -> bytes:
    return saved(NOISE, kind, **options)


def animation(kind: str) -> bytes:
    return picture(kind, width=40, height=30, frames=3)


# How many bytes can be missing at the end: none of them has pixels.
WHOLE: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "a JPEG": (noise("JPEG"), (0, 1, 2)),
    "a grey JPEG": (saved(NOISE.convert("L"), "JPEG"), (0, 1, 2)),
    "a CMYK JPEG": (saved(NOISE.convert("CMYK"), "JPEG"), (0, 1, 2)),
    "a JPEG with restart marks": (noise("JPEG", restart_marker_blocks=1), (0, 1, 2)),
    "a progressive JPEG": (noise("JPEG", progressive=True), (0, 1, 2)),
    "a PNG": (noise("PNG"), (0, 1, 11, 12, 16, 20)),  # its end mark, and two checksums
    "an animated PNG": (animation("PNG"), (0, 1, 12, 16, 20)),
    "a GIF": (noise("GIF"), (0, 1, 2)),
    "an animated GIF": (animation("GIF"), (0, 1, 2)),
    "a WebP": (noise("WEBP"), (0,)),
    "a WebP with EXIF": (noise("WEBP", exif=b"Exif\0\0II*\0" + bytes(40)), (0, 1, 20, 46)),
    "an animated WebP": (animation("WEBP"), (0,)),
    "an AVIF": (noise("AVIF"), (0,)),
    "a HEIC": (noise("HEIF"), (0,)),
    "a TIFF": (noise("TIFF"), (0,)),
    "a compressed TIFF": (noise("TIFF", compression="tiff_lzw"), (0,)),
    "a BMP": (noise("BMP"), (0,)),
    "a BMP with padded rows": (saved(NOISE.crop((0, 0, 95, 64)), "BMP"), (0, 1, 3)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_with_all_of_its_pixels_is_not_cut_off(name: str) -> None:
    data, missing = WHOLE[name]
    for count in missing:
        completeness.check(data[: len(data) - count])
    completeness.check(data + bytes(70_000))  # a trailer


@pytest.mark.parametrize("name", sorted(WHOLE.keys() - {"a compressed TIFF"}))
def test_a_file_without_a_half_or_a_tenth_of_its_bytes_is_cut_off(name: str) -> None:
    data, _ = WHOLE[name]
    for part in (0.1, 0.5, 0.6 if "progressive" in name else 0.9):
        with pytest.raises(BadInput, match=r"^The file is cut off: a part of its picture is missing\."):
            completeness.check(data[: int(len(data) * part)])


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (128, 128, 128)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_of_one_colour_is_cut_off_without_its_last_row(mode: str, color: tuple[int, int, int]) -> None:
    data = saved(Image.new("RGB", (640, 480), color).convert(mode), "JPEG")
    completeness.check(data[:-2])
    with pytest.raises(BadInput):
        completeness.check(data[:-60])


def test_a_jpeg_whose_last_scan_is_cut_off_is_accepted() -> None:
    data = noise("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    completeness.check(data[: last + 30])
    with pytest.raises(BadInput):
        completeness.check(data[:last])


@pytest.mark.parametrize(
    "end",
    [b"", b"\xff", b"\xff\xe1", b"\xff\xe1\xff\xff", b"\xff\xe1\x10\0Exif", b"\xff\xda\0\x0c\3\1\0"],
)
def test_a_jpeg_that_ends_before_its_pixels_is_cut_off(end: bytes) -> None:
    with pytest.raises(BadInput):
        completeness.check(b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" + end)


def test_a_jpeg_over_a_limit_does_not_count_as_cut_off(configured: Configure) -> None:
    data = noise("JPEG")[:-100]
    for limit in ({"MAX_PIXELS": "6143"}, {"MAX_HEADER_PARTS": "3"}):
        configured(**limit)
        completeness.check(data)


def test_a_damaged_jpeg_is_not_cut_off() -> None:
    data = noise("JPEG")
    tables = data.index(b"\xff\xc4") + 5
    completeness.check(data[:tables] + b"\xff" * 16 + data[tables + 16 : -2])
    completeness.check(data[: data.index(b"\xff\xda") + 20] + data[-1_000:-2] + b"\xff\xc4\xff")


def test_a_damaged_png_is_not_cut_off() -> None:
    data = noise("PNG")
    at = data.index(b"IDAT") + 6
    damaged = data[:at] + b"\xff" * 40 + data[at + 40 :]
    completeness.check(damaged)
    completeness.check(damaged[:-100])
    completeness.check(b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b"abc"))
    completeness.check(b"\x89PNG\r\n\x1a\n and so on")


def test_an_interlaced_png_is_cut_off_without_its_last_row() -> None:
    # The rows of 5 x 3 pixels: the third of the seven passes has none, and the sixth has two.
    rows = [bytes(width) for width in (1, 1, 1, 3, 2, 2, 5)]
    completeness.check(png_of_rows(0, 8, rows, size=(5, 3), interlace=1)[:-12])
    with pytest.raises(BadInput):
        completeness.check(png_of_rows(0, 8, rows[:-1], size=(5, 3), interlace=1)[:-12])


def test_a_very_large_png_is_not_inflated() -> None:
    completeness.check(png_of_rows(6, 8, [bytes(400)], size=(8_000, 8_000))[:-12])


@pytest.mark.parametrize("data", [b"", b"BM, a car", b"hello", b"\xff\xd8 or so", b"RIFF\0\0\0\0WEBPVP8 "])
def test_a_file_of_another_format_is_not_cut_off(data: bytes) -> None:
    completeness.check(data)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_a_picture_of_boxes_that_ends_within_its_tables_is_cut_off(kind: str) -> None:
    data = noise(kind)
    for end in (data.index(b"meta") + 4, data.index(b"iloc"), data.index(b"mdat") + 4):
        with pytest.raises(BadInput):
            completeness.check(data[:end])


def test_a_tile_of_a_grid_that_is_missing_cuts_off_the_picture() -> None:
    """A grid has no pixels of its own; the item 1 refers to the tiles 2 and 3, which are in the box `mdat`."""

    def box(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", 8 + len(body)) + name + body

    def grid(second: int) -> bytes:
        extents = ((1, 1, 0, 8), (2, 0, 300, 50), (3, 0, second, 50))
        rows = b"".join(struct.pack(">HHHHII", item, method, 0, 1, at, size) for item, method, at, size in extents)
        tables = (
            box(b"pitm", struct.pack(">IH", 0, 1)),
            box(b"iref", bytes(4) + box(b"dimg", struct.pack(">HHHH", 1, 2, 2, 3))),
            box(b"iloc", b"\1\0\0\0\x44\0" + struct.pack(">H", 3) + rows),
        )
        data = box(b"ftyp", b"heicxxxxheic") + box(b"meta", bytes(4) + b"".join(tables))
        return data + box(b"mdat", bytes(392 - len(data)))

    assert len(grid(0)) == 400
    completeness.check(grid(350))
    with pytest.raises(BadInput):
        completeness.check(grid(351))


def test_an_animation_whose_last_frame_is_incomplete_is_cut_off() -> None:
    for kind in ("PNG", "GIF", "WEBP"):
        data = animation(kind)
        with pytest.raises(BadInput):
            completeness.check(data[:-60])


def test_a_png_that_ends_in_metadata_after_its_pixels_is_not_cut_off() -> None:
    data = with_chunks(noise("PNG"), chunk(b"tEXt", bytes(400)), before=b"IEND")
    for missing in (12, 13, 100, 300):
        completeness.check(data[:-missing])


def test_a_compressed_bmp_does_not_count_as_cut_off() -> None:
    data = bytearray(noise("BMP")[:5_000])
    data[30] = 1  # the compression
    completeness.check(bytes(data))


def without_strips() -> dict[int, crafted.Entry]:
    entries = crafted.grey()
    del entries[273]
    return entries


@pytest.mark.parametrize(
    "entries",
    [
        without_strips(),
        crafted.grey(t273=(crafted.UNDEFINED, 4, bytes(4))),
        crafted.grey(t273=(crafted.LONG, 100_001, bytes(4))),
    ],
    ids=["no strips", "offsets of an unknown type", "very many strips"],
)
def test_a_tiff_whose_strips_are_not_known_does_not_count_as_cut_off(entries: dict[int, crafted.Entry]) -> None:
    completeness.check(crafted.tiff(entries))
