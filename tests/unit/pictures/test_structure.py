import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from chalicelib.pictures.structure import Survey, count_scans, is_in_one_scan, survey
from tests.pictures import picture


def counted(data: bytes, *, most: int = 1_000) -> Survey:
    return survey(data, max_parts=most, max_pages=most)


def jpeg(segments: int) -> bytes:
    """A JPEG's beginning with so many empty comments before its scan."""
    return b"\xff\xd8" + b"\xff\xfe\0\2" * segments + b"\xff\xda"


def tiff(*entries: int, form: str = "<HI", magic: bytes = b"II*\0") -> bytes:
    """A TIFF with a directory of so many entries for each page."""
    count, offset = form[0] + form[1], form[0] + form[2]
    size, first = (12, 8) if form[1] == "H" else (20, 16)
    data = magic + (b"" if first == 8 else struct.pack(form[0] + "HH", 8, 0)) + struct.pack(offset, first)
    for n, each in enumerate(entries):
        data += struct.pack(count, each) + b"\0" * size * each
        following = len(data) + struct.calcsize(offset) if n + 1 < len(entries) else 0
        data += struct.pack(offset, following)
    return data


def test_the_segments_of_a_jpeg_are_counted_up_to_its_scan() -> None:
    assert counted(jpeg(7)) == Survey(parts=8, pages=1)
    assert counted(jpeg(7) + jpeg(900)) == Survey(parts=8, pages=1)
    assert 3 < counted(picture("JPEG")).parts < 20


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\x00", b"\xff\xd0", b"\xff\xfe\0\2"])
def test_no_jpeg_is_read_further_than_its_limit(filling: bytes) -> None:
    assert counted(b"\xff\xd8" + filling * 100_000, most=10).parts == 11


def test_a_jpeg_that_ends_in_its_header_has_the_segments_that_are_there() -> None:
    assert counted(b"\xff\xd8\xff\xfe\0\2").parts == 1
    with pytest.raises((IndexError, struct.error)):
        counted(b"\xff\xd8\xff\xfe\0")


@pytest.mark.parametrize(
    ("form", "magic"), [("<HI", b"II*\0"), (">HI", b"MM\0*"), ("<QQ", b"II+\0"), (">QQ", b"MM\0+")]
)
def test_the_pages_and_the_longest_directory_of_a_tiff_are_counted(form: str, magic: bytes) -> None:
    assert counted(tiff(3, 12, 5, form=form, magic=magic)) == Survey(parts=12, pages=3)
    assert counted(tiff(3, 12, 5, form=form, magic=magic), most=2).parts == 3
    assert counted(tiff(1, 1, 1, 1, form=form, magic=magic), most=2).pages == 3


def test_a_tiff_of_the_image_library_is_counted_alike() -> None:
    assert counted(picture("TIFF", frames=3)).pages == 3


def test_a_tiff_that_leads_in_circles_has_more_pages_than_any_limit() -> None:
    assert counted(b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0", most=50).pages == 51


def test_the_frames_of_a_gif_are_counted_up_to_the_limit_and_up_to_where_it_ends() -> None:
    whole = picture("GIF", frames=5)
    assert counted(whole).pages == 5
    assert counted(whole, most=3).pages == 4
    assert counted(whole[:-400]).pages == 5
    assert counted(picture("GIF")).pages == 1


def test_the_scans_of_a_jpeg_are_counted_up_to_the_limit() -> None:
    assert count_scans(picture("JPEG"), 100) == 1
    assert count_scans(jpeg(0) * 50, 10) == 11


def test_a_decoder_holds_a_jpeg_whole_unless_its_first_scan_has_all_of_it() -> None:
    def made(**how: object) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (40, 30)).save(buffer, "JPEG", **how)
        return buffer.getvalue()

    assert is_in_one_scan(made())
    assert not is_in_one_scan(made(progressive=True))
    at = made().index(b"\xff\xda")
    assert not is_in_one_scan(made()[: at + 4] + b"\1" + made()[at + 5 :])
    assert not is_in_one_scan(b"\xff\xd8")


def test_other_formats_have_too_few_parts_to_count() -> None:
    for kind in ("PNG", "WEBP", "BMP"):
        assert counted(picture(kind)) == Survey(parts=0, pages=1)


@given(st.sampled_from([b"\xff\xd8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF89a", b""]), st.binary())
def test_whatever_the_bytes_are_the_survey_ends_within_its_limits(magic: bytes, rest: bytes) -> None:
    try:
        found = counted(magic + rest, most=20)
    except (struct.error, IndexError, OverflowError):
        return
    assert found.parts <= 21
    assert found.pages <= 21


def test_a_picture_of_a_camera_has_far_fewer_parts_than_the_limit() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "JPEG", exif=exif, icc_profile=profile * 200)
    assert counted(buffer.getvalue()).parts < 100
