import io

from PIL import Image

from chalicelib.pictures.jpeg import count_scans, is_in_one_scan
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
