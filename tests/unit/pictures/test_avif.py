"""What the items of an AVIF or a HEIC say, and an AVIF that libavif alone does not read."""

import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chalicelib.errors import TooLarge, Unsupported
from chalicelib.pictures.identify import identify
from chalicelib.pictures.parsers import avif
from tests.crafted import box, changed, with_orientations
from tests.pictures import ALPHA_WITHOUT_SIZE
from tests.unit.pictures.made import Configure, exif_block, is_near, only_variant, quarters, saved


def test_transparency_without_a_size_has_the_size_of_the_picture(tmp_path: Path) -> None:
    assert (identify(ALPHA_WITHOUT_SIZE).width, identify(ALPHA_WITHOUT_SIZE).height) == (80, 80)
    variant = only_variant(tmp_path, ALPHA_WITHOUT_SIZE)
    opaque: Any = variant.getpixel((24, 24))
    clear: Any = variant.getpixel((0, 0))
    assert is_near(opaque, (127, 213, 44, 255))
    assert clear[3] <= 2


def test_only_references_to_a_property_that_is_not_needed_are_replaced() -> None:
    whole = saved(quarters().convert("RGBA"), "AVIF")
    assert avif.with_sizes(whole) == whole
    repaired = avif.with_sizes(ALPHA_WITHOUT_SIZE)
    assert sum(a != b for a, b in zip(repaired, ALPHA_WITHOUT_SIZE, strict=True)) == 1
    assert avif.with_sizes(repaired) == repaired


def wide(data: bytes) -> bytes:
    """Return an AVIF whose references to properties have two bytes, and whose ids have four."""

    def rewritten(table: bytes) -> bytes:
        (count,) = struct.unpack_from(">I", table, 4)
        rows, position = b"", 8
        for _ in range(count):
            item, references = struct.unpack_from(">HB", table, position)
            old = table[position + 3 : position + 3 + references]
            new = b"".join(struct.pack(">H", (each & 0x80) << 8 | each & 0x7F) for each in old)
            rows, position = rows + struct.pack(">IB", item, references) + new, position + 3 + references
        return b"\1\0\0\1" + table[4:8] + rows

    return changed(data, (b"meta", b"iprp", b"ipma"), rewritten)


def test_tables_of_every_width_are_read() -> None:
    assert avif.size(ALPHA_WITHOUT_SIZE) == avif.size(wide(ALPHA_WITHOUT_SIZE)) == (80, 80)
    repaired = avif.with_sizes(wide(ALPHA_WITHOUT_SIZE))
    assert repaired == wide(avif.with_sizes(ALPHA_WITHOUT_SIZE))


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_the_size_of_the_main_picture_is_read(kind: str) -> None:
    assert avif.size(saved(quarters(80, 64), kind)) == (80, 64)
    without = changed(saved(quarters(), kind), (b"meta", b"iprp", b"ipco"), lambda old: old.replace(b"ispe", b"free"))
    assert avif.size(without) is None
    assert avif.size(box(b"ftyp", b"avif")) is None


def test_a_picture_over_a_limit_is_refused_by_what_its_file_declares() -> None:
    data = saved(quarters(), "AVIF")
    at = data.index(b"ispe") + 8
    for size, setting in (((17_000, 17_000), "MAX_PIXELS"), ((70_000, 10), "MAX_SIDE_PX")):
        with pytest.raises(TooLarge, match=setting):
            identify(data[:at] + struct.pack(">II", *size) + data[at + 8 :])


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_the_exif_of_a_file_is_found(kind: str) -> None:
    data = saved(quarters(), kind, exif=exif_block(taken="2024:05:01 12:30:00"))
    [block] = avif.exif_blocks(data)
    assert block.startswith((b"II*\0", b"MM\0*"))
    assert b"2024:05:01 12:30:00" in block
    assert not list(avif.exif_blocks(saved(Image.new("RGB", (9, 9)), kind)))


def test_exif_in_the_box_of_small_items_is_found() -> None:
    item = struct.pack(">I", 0) + b"II*\0"
    infe = box(b"infe", b"\3\0\0\0" + struct.pack(">IH", 7, 0) + b"Exif\0")
    iloc = box(b"iloc", b"\2\0\0\0\x44\0" + struct.pack(">IIHHHII", 1, 7, 1, 0, 1, 2, len(item)))
    meta = bytes(4) + box(b"iinf", bytes(4) + b"\0\1" + infe) + iloc + box(b"idat", b"xx" + item)
    assert list(avif.exif_blocks(box(b"ftyp", b"avif") + box(b"meta", meta))) == [b"II*\0"]


def test_metadata_that_overlaps_is_refused() -> None:
    data = with_orientations("AVIF", 500)

    def twice(table: bytes) -> bytes:
        row = table[-14:]  # the row of the EXIF: id, method, one extent
        return table[:6] + struct.pack(">H", 200) + row * 200

    with pytest.raises(Unsupported):
        identify(changed(data, (b"meta", b"iloc"), twice))


def test_the_limit_of_pixels_applies_before_a_picture_is_decoded(configured: Configure) -> None:
    configured(MAX_PIXELS="3000")
    with pytest.raises(TooLarge, match="MAX_PIXELS"):
        identify(saved(quarters(), "AVIF"))
