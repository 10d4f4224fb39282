"""Headers that are small to send and large to parse are refused before an image library sees them."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.errors import TooLarge
from chalicelib.pictures.identify import identify
from tests import crafted
from tests.crafted import LONG, RATIONAL, UNDEFINED, grey, long, short, tiff
from tests.unit.pictures.made import exif_block, processed, quarters, saved

MANY = 100_000
PARTS, BLOCKS, FRAMES = "MAX_HEADER_PARTS", "MAX_TIFF_BLOCKS", "MAX_FRAMES"
ONE = b"\1\0\0\0"

CRAFTED: dict[str, tuple[Callable[[], bytes], str]] = {
    "strips of a TIFF beyond its rows": (lambda: crafted.strips(MANY), PARTS),
    "strips of a TIFF beyond its rows, with a wrong magic": (lambda: b"II\0*" + crafted.strips(MANY)[4:], PARTS),
    "strips of a TIFF for each of its rows": (lambda: crafted.strips(2 * MANY, 2 * MANY, 1), BLOCKS),
    "tiles of a TIFF beyond its pixels": (lambda: crafted.tiles(MANY, 64, 16), PARTS),
    "tiles of a TIFF for each of its pixels": (lambda: crafted.tiles(2 * MANY, 2_000, 1), BLOCKS),
    "bits of a TIFF's samples": (lambda: tiff(grey(t258=short(*[8] * MANY))), PARTS),
    "resolutions of a TIFF": (lambda: tiff(grey(t282=(RATIONAL, MANY, (ONE + ONE) * MANY))), PARTS),
    "colours of a TIFF": (lambda: tiff(grey(t320=short(*[8] * 2 * MANY))), PARTS),
    "XMP of a TIFF in numbers": (lambda: tiff(grey(t700=(LONG, MANY, ONE * MANY))), PARTS),
    "EXIF directories of a TIFF": (lambda: tiff(grey(t34665=(LONG, MANY, ONE * MANY))), PARTS),
    "EXIF entries of a TIFF": (lambda: crafted.metadata_directory(60_000), PARTS),
    "values of a TIFF's EXIF": (lambda: crafted.metadata_directory(1, MANY), PARTS),
    "comments of a GIF": (lambda: crafted.gif(b"!\xfe\1x\0" * MANY), PARTS),
    "comments of a GIF after its frame": (lambda: crafted.gif(b"", b"!\xfe\1x\0" * MANY), PARTS),
    "sub-blocks of a GIF's comment": (lambda: crafted.gif(b"!\xfe" + b"\1x" * MANY + b"\0"), PARTS),
    "empty extensions of a GIF": (lambda: crafted.gif(b"!\xff\0" * MANY), PARTS),
    "frames of a GIF": (lambda: crafted.gif(b",\0\0\0\0\1\0\1\0\0\2\0" * MANY), FRAMES),
    "texts of a PNG": (lambda: crafted.png(b"tEXt", MANY), PARTS),
    "unknown chunks of a PNG after its pixels": (lambda: crafted.png(b"prVt", MANY, -12), PARTS),
    "empty pixels of a PNG": (lambda: crafted.png(b"IDAT", MANY), PARTS),
    "frames of a PNG": (lambda: crafted.png(b"fcTL", MANY), FRAMES),
    "chunks of a WebP": (lambda: crafted.webp(b"JUNK", MANY), PARTS),
    "frames of a WebP": (lambda: crafted.webp(b"ANMF", MANY), FRAMES),
    "boxes of an AVIF": (lambda: crafted.saved("AVIF") + crafted.box(b"free") * MANY, PARTS),
    "items of an AVIF": (lambda: crafted.with_items("AVIF", 20_000), PARTS),
    "locations of an AVIF": (lambda: crafted.with_locations("AVIF", 20_000, 1), PARTS),
    "locations of an AVIF's items": (lambda: crafted.with_locations("AVIF", 100, 1_000), PARTS),
    "properties of an AVIF": (lambda: crafted.with_properties("AVIF", MANY), PARTS),
    "associations of an AVIF": (lambda: crafted.with_associations("AVIF", MANY), PARTS),
    "associations of an AVIF's items": (lambda: crafted.with_associations("AVIF", 100, 255), PARTS),
    "orientations of an AVIF": (lambda: crafted.with_orientations("AVIF", MANY), PARTS),
    "declared frames of an AVIF": (lambda: crafted.avif_of_frames(MANY), FRAMES),
    "descriptions of an AVIF's track": (lambda: crafted.with_track_properties(MANY, b"stsd"), PARTS),
    "properties of an AVIF's track": (lambda: crafted.with_track_properties(MANY, b"av01"), PARTS),
    "boxes of a HEIC": (lambda: crafted.saved("HEIF") + crafted.box(b"free") * MANY, PARTS),
    "items of a HEIC": (lambda: crafted.with_items("HEIF", 20_000), PARTS),
    "resolutions of a JPEG": (lambda: crafted.jpeg_of_resolutions(MANY), PARTS),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_header_of_many_parts_is_refused_before_it_is_parsed(name: str) -> None:
    make, setting = CRAFTED[name]
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=rf"^The (image|TIFF) has more than 100?,?000?,?0* .*\({setting}\)\.$"):
            identify(data)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(data) + 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.filterwarnings("ignore:Metadata Warning")
@pytest.mark.parametrize(
    "data",
    [
        crafted.strips(60_000, 60_000, 1),
        crafted.strips(900),
        tiff(grey(t34377=(UNDEFINED, 500_000, bytes(500_000)))),
        tiff(grey(t50712=(LONG, 65_536, bytes(4 * 65_536)))),  # a table that no decoder reads
        tiff(grey(t34665=long(2**31))),  # EXIF outside the file
        crafted.gif(b"!\xfe\1x\0" * 400),
        crafted.png(b"IDAT", 900),
        crafted.webp(b"JUNK", 900),
        crafted.with_properties("AVIF", 900),
        crafted.with_orientations("AVIF", 2),
        crafted.jpeg_of_resolutions(900),
    ],
)
def test_a_header_of_fewer_parts_is_accepted(data: bytes) -> None:
    assert identify(data).width == 64


def test_boxes_of_64_bit_sizes_and_boxes_up_to_the_end_of_the_file_are_counted() -> None:
    data = crafted.saved("AVIF")
    large = (1).to_bytes(4, "big") + b"free" + (16).to_bytes(8, "big")
    assert identify(data + large * 900).width == 64
    assert identify(data + bytes(4) + b"free" + bytes(99)).width == 64
    with pytest.raises(TooLarge):
        identify(data + large * 1_000)


def test_broken_exif_in_several_segments_is_ignored() -> None:
    segment = b"\xff\xe1\0\x12Exif\0\0"
    data = crafted.saved("JPEG")
    for block in (b"II*\0" + b"\xff" * 16, b"no header of TIFF.__"):
        assert identify(data[:2] + segment + block[:10] + segment + block[10:] + data[2:]).width == 64


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_the_parts_of_a_thousand_frames_are_accepted(kind: str) -> None:
    frames = [Image.new("P" if kind == "GIF" else "RGB", (4, 4), n % 250) for n in range(1_000)]
    assert identify(saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=40)).width == 4


def test_metadata_of_a_tiff_is_read_within_the_limit(tmp_path: Path) -> None:
    exif = exif_block(taken="2024:05:01 12:30:00")
    assert processed(tmp_path, saved(quarters(), "TIFF", exif=exif))[0].taken_at == "2024-05-01T12:30:00"
