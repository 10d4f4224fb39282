import io

from PIL import Image

from chalicelib.pictures.parsers.jpeg import MAX_SEGMENTS, count_scans, is_in_one_scan
from chalicelib.pictures.parsers.jpeg import picture as needed
from chalicelib.pictures.parsers.pieces import joined
from tests.pictures import picture


def test_the_scans_of_a_jpeg_are_counted_up_to_the_limit() -> None:
    assert count_scans(picture("JPEG"), 100) == 1
    assert count_scans(b"\xff\xd8" + b"\xff\xda\0\2" * 50, 10) == 11


def test_a_jpeg_is_in_one_scan_only_if_the_first_scan_has_all_components() -> None:
    def jpeg_file(**options: object) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (40, 30)).save(buffer, "JPEG", **options)
        return buffer.getvalue()

    assert is_in_one_scan(jpeg_file())
    assert not is_in_one_scan(jpeg_file(progressive=True))
    at = jpeg_file().index(b"\xff\xda")
    assert not is_in_one_scan(jpeg_file()[: at + 4] + b"\1" + jpeg_file()[at + 5 :])
    assert not is_in_one_scan(b"\xff\xd8")


def test_scans_are_counted_to_the_end_of_the_picture_but_not_within_segments() -> None:
    start = b"\xff\xd8" + b"\xff\xe1\0\6\xff\xda\xff\xda" + b"\xff\xda\0\2"
    assert count_scans(start + b"ab\xff\0\xff\xd0\xff\xff\xda\0\2cd\xff\xd9" + start * 9, 100) == 2
    assert count_scans(start + b"\xff\xc4\0", 100) == 1  # the file ends within a segment
    assert count_scans(start + b"\xff\xc4\0\2" * MAX_SEGMENTS, 100) == 101


def test_a_picture_has_its_tables_profile_and_exif_but_no_other_metadata() -> None:
    parts = {
        name: b"\xff" + marker + b"\0\x12" + name.ljust(16, b"\0")
        for name, marker in (
            (b"JFIF\0", b"\xe0"),
            (b"Exif\0\0", b"\xe1"),
            (b"http://ns", b"\xe1"),
            (b"ICC_PROFILE\0", b"\xe2"),
            (b"MPF\0", b"\xe2"),
            (b"Photoshop", b"\xed"),
            (b"Adobe", b"\xee"),
            (b"table", b"\xdb"),
            (b"comment", b"\xfe"),
        )
    }
    rest = b"\xff\xda\0\2pixels\xff\xd9 and a film"
    content = joined(needed(b"\xff\xd8" + b"".join(parts.values()) + rest)).read()
    kept = b"".join(parts[name] for name in (b"JFIF\0", b"Exif\0\0", b"ICC_PROFILE\0", b"Adobe", b"table"))
    assert content == b"\xff\xd8" + kept + rest + b"\xff\xd9"
