from pathlib import Path

import pytest

from chalicelib.pictures import identify
from tests.unit.pictures.made import quarters, saved


def test_a_file_is_identified_in_the_same_way_as_its_bytes(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "HEIF"):
        path = tmp_path / kind
        path.write_bytes(saved(quarters(), kind))
        assert identify.identify(path) == identify.identify(path.read_bytes())
    with pytest.raises(FileNotFoundError):
        identify.identify(tmp_path / "none")
