from pathlib import Path

import pytest

from chalicelib.pictures import identify
from tests.unit.pictures.made import exif_block, quarters, saved


def test_the_time_of_capture_is_read_from_the_header() -> None:
    exif = exif_block(taken="1950:05:01 12:30:00", offset="+02:00")
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIF"):
        assert identify.identify(saved(quarters(), kind, exif=exif)).taken_at == "1950-05-01T12:30:00+02:00"
        assert identify.identify(saved(quarters(), kind)).taken_at is None
    for wrong in ("0000:00:00 00:00:00", "2024:02:30 00:00:00", "2024:05:01 12:30", "    :  :     :  :  "):
        assert identify.identify(saved(quarters(), "JPEG", exif=exif_block(taken=wrong))).taken_at is None


def test_a_file_is_identified_in_the_same_way_as_its_bytes(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "HEIF"):
        path = tmp_path / kind
        path.write_bytes(saved(quarters(), kind))
        assert identify.identify(path) == identify.identify(path.read_bytes())
    with pytest.raises(FileNotFoundError):
        identify.identify(tmp_path / "none")
