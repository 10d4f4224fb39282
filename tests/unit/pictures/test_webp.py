import io
import struct

import pytest
from PIL import Image

from chalicelib.pictures.parsers import webp
from chalicelib.pictures.parsers.pieces import joined
from tests.unit.pictures.made import exif_block, quarters, saved

WEBP = saved(quarters(), "WEBP", quality=95, exif=exif_block(), xmp=b"<x/>" * 30)


def test_the_chunks_of_a_webp_end_with_the_file() -> None:
    assert [name for name, _, _ in webp.chunks(WEBP)] == [b"VP8X", b"VP8 ", b"EXIF", b"XMP "]
    assert [name for name, _, _ in webp.chunks(WEBP + bytes(100))] == [b"VP8X", b"VP8 ", b"EXIF", b"XMP "]


@pytest.mark.parametrize("missing", [0, 1, 50, 120, 130, 200])
def test_metadata_that_is_cut_off_is_left_out(missing: int) -> None:
    content = joined(webp.picture(WEBP[: len(WEBP) - missing])).read()
    assert b"XMP " not in content
    assert (b"EXIF" in content) == (missing <= 128)
    assert struct.unpack_from("<I", content, 4) == (len(content) - 8,)
    assert Image.open(io.BytesIO(content)).size == (64, 48)
