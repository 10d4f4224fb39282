import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from chalicelib.pictures.structure import Survey, survey
from tests.pictures import picture


def surveyed(data: bytes, *, limit: int = 1_000) -> Survey:
    return survey(data, max_parts=limit, max_pages=limit)


def jpeg(segments: int) -> bytes:
    """Return the beginning of a JPEG with this many empty comments before its scan."""
    return b"\xff\xd8" + b"\xff\xfe\0\2" * segments + b"\xff\xda\0\2"


def tiff(*entries: int, form: str = "<HI", magic: bytes = b"II*\0") -> bytes:
    """Return a TIFF with one directory for each page, with these numbers of entries."""
    count, offset = form[0] + form[1], form[0] + form[2]
    size, first = (12, 8) if form[1] == "H" else (20, 16)
    data = magic + (b"" if first == 8 else struct.pack(form[0] + "HH", 8, 0)) + struct.pack(offset, first)
    for n, entry_count in enumerate(entries):
        data += struct.pack(count, entry_count) + b"\0" * size * entry_count
        following = len(data) + struct.calcsize(offset) if n + 1 < len(entries) else 0
        data += struct.pack(offset, following)
    return data


def test_the_segments_of_a_jpeg_are_counted_up_to_its_scan() -> None:
    assert surveyed(jpeg(7)) == Survey(parts=8, pages=1)
    assert surveyed(jpeg(7) + jpeg(900)) == Survey(parts=8, pages=1)
    assert 3 < surveyed(picture("JPEG")).parts < 20


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\x00", b"\xff\xd0", b"\xff\xfe\0\2"])
def test_the_segments_of_a_jpeg_are_counted_up_to_the_limit(filling: bytes) -> None:
    assert surveyed(b"\xff\xd8" + filling * 100_000, limit=10).parts == 11


def test_a_truncated_jpeg_has_its_complete_segments_counted() -> None:
    assert surveyed(b"\xff\xd8\xff\xfe\0\2").parts == 1
    with pytest.raises((IndexError, struct.error)):
        surveyed(b"\xff\xd8\xff\xfe\0")


@pytest.mark.parametrize(
    ("form", "magic"), [("<HI", b"II*\0"), (">HI", b"MM\0*"), ("<QQ", b"II+\0"), (">QQ", b"MM\0+")]
)
def test_the_pages_and_the_longest_directory_of_a_tiff_are_counted(form: str, magic: bytes) -> None:
    assert surveyed(tiff(3, 12, 5, form=form, magic=magic)) == Survey(parts=12, pages=3)
    assert surveyed(tiff(3, 12, 5, form=form, magic=magic), limit=2).parts == 3
    assert surveyed(tiff(1, 1, 1, 1, form=form, magic=magic), limit=2).pages == 3


def test_the_pages_of_a_tiff_from_pillow_are_counted() -> None:
    assert surveyed(picture("TIFF", frames=3)).pages == 3


def test_a_tiff_with_a_circle_of_pages_exceeds_any_limit() -> None:
    assert surveyed(b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0", limit=50).pages == 51


def test_the_frames_of_a_gif_are_counted_up_to_the_limit_or_its_end() -> None:
    whole = picture("GIF", frames=5)
    assert surveyed(whole).pages == 5
    assert surveyed(whole, limit=3).pages == 4
    assert surveyed(whole[:-400]).pages == 5
    assert surveyed(picture("GIF")).pages == 1


def test_a_bmp_has_no_parts() -> None:
    assert surveyed(picture("BMP")) == Survey(parts=0, pages=1)


MAGICS = [b"\xff\xd8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF89a", b"RIFF", b"\x89PNG\r\n\x1a\n", b""]
MAGICS += [b"\0\0\0\x10ftypavif" + bytes(4) + b"\0\0\x10\0meta" + bytes(4) + name for name in (b"iloc", b"")]


@given(st.sampled_from(MAGICS), st.binary())
def test_the_survey_of_any_bytes_ends_within_its_limits(magic: bytes, rest: bytes) -> None:
    try:
        result = surveyed(magic + rest, limit=20)
    except (struct.error, IndexError, OverflowError, ValueError):
        return
    assert result.parts <= 21
    assert result.pages <= 21


def test_a_picture_from_a_camera_has_far_fewer_parts_than_the_limit() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "JPEG", exif=exif, icc_profile=profile * 200)
    assert surveyed(buffer.getvalue()).parts < 100
