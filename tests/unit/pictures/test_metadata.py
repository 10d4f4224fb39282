"""Metadata and extensions that are broken or very large. Viewers pass over them and show the picture."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.pictures import completeness, decode, identify
from chalicelib.pictures.parsers import png
from chalicelib.pictures.parsers.pieces import joined
from chalicelib.pictures.variants import make
from tests.unit.pictures.made import (
    BLUE,
    GREEN,
    RED,
    Configure,
    chunk,
    exif_block,
    is_like,
    is_near,
    mean,
    only_variant,
    png_of_rows,
    processed,
    quarters,
    saved,
    with_chunks,
)

PNG = saved(quarters(), "PNG")
JPEG = saved(quarters(), "JPEG", quality=95)
BOMB = zlib.compress(bytes(20_000_000), 9)


def assert_shown(tmp_path: Path, data: bytes) -> None:
    completeness.check(data)
    picture = identify.identify(data)
    assert (picture.width, picture.height) == (64, 48)
    analysis, [variant] = processed(tmp_path, data)
    assert is_like(variant, quarters())
    assert not analysis.animated


@pytest.mark.parametrize(
    "name",
    b"bKGD cHRM cICP eXIf fcTL gAMA hIST iCCP iTXt mDCV pHYs sBIT sPLT sRGB tEXt tIME tRNS zTXt zzZz a1!\xff".split(),
)
@pytest.mark.parametrize("body", [b"", b"x", b"x\0\0broken", b"\xff" * 40])
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_a_broken_chunk_of_a_png_is_passed_over(tmp_path: Path, name: bytes, body: bytes, before: bytes) -> None:
    assert_shown(tmp_path, with_chunks(PNG, chunk(name, body), before=before))
    assert_shown(tmp_path, with_chunks(PNG, chunk(name, body, checksum=5), before=before))


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"zTXt", b"Comment\0\0" + BOMB),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),
        chunk(b"iCCP", b"sRGB\0\0" + BOMB),
        chunk(b"eXIf", bytes(2_000_000)),
        chunk(b"tEXt", b"Comment\0" + bytes(2_000_000)) * 3,
    ],
    ids=["zTXt", "iTXt", "iCCP", "eXIf", "tEXt"],
)
def test_large_metadata_of_a_png_is_passed_over(tmp_path: Path, bomb: bytes, before: bytes) -> None:
    assert_shown(tmp_path, with_chunks(PNG, bomb, before=before))


def test_only_the_first_profile_of_a_png_is_inflated(tmp_path: Path) -> None:
    """A small file with many profiles would otherwise take seconds."""
    profiles = chunk(b"iCCP", b"broken") + chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(bytes(1_000_000))) * 800
    data = with_chunks(PNG, profiles)
    assert_shown(tmp_path, data)
    assert b"iCCP" not in joined(png.picture(data)).read()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


@pytest.mark.parametrize(
    "part",
    [
        segment(0xE0, b"JFIF\0"),
        segment(0xE1, b"Exif"),
        segment(0xE1, b"Exif\0\0" + b"\xff" * 60),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"\xff" * 30),
        segment(0xE2, b"ICC_PROFILE\0"),
        segment(0xE2, b"ICC_PROFILE\0\1\2abc"),
        segment(0xE2, b"ICC_PROFILE\0\1\1" + b"abc" * 100),
        segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
        segment(0xED, b"Photoshop 3.0\x008BIM\3"),
        segment(0xEE, b"Adobe"),
        segment(0xEF, b""),
        segment(0xFE, bytes(65_000)) * 40,
        b"\xff" * 20,
        b"abc\0def",
        b"\xff\xd0\xff\xd8\xff\xd9",
    ],
)
def test_a_broken_segment_of_a_jpeg_is_passed_over(tmp_path: Path, part: bytes) -> None:
    assert_shown(tmp_path, JPEG[:2] + part + JPEG[2:])


def test_what_follows_the_picture_of_a_jpeg_is_not_read(tmp_path: Path) -> None:
    scans = b"\xff\xda\0\2" * 500
    for trailer in (JPEG, bytes(65_536), b"ftypmp42" * 100, scans):
        assert_shown(tmp_path, JPEG + trailer)
        assert_shown(tmp_path, saved(quarters(), "JPEG", progressive=True, quality=95) + trailer)


def test_the_mark_of_a_scan_within_metadata_is_not_a_scan(tmp_path: Path) -> None:
    data = saved(quarters(), "JPEG", progressive=True, quality=95)
    assert_shown(tmp_path, data[:2] + segment(0xE1, b"\xff\xda" * 500) + data[2:])


def test_a_jpeg_without_its_end_mark_is_shown(tmp_path: Path) -> None:
    for data in (JPEG, saved(quarters(), "JPEG", progressive=True, quality=95)):
        assert_shown(tmp_path, data[:-2])


def test_a_jpeg_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    """Such a file was stored before cut-off files were refused, or ends within its last scan."""
    data = saved(quarters(64, 480), "JPEG", quality=95)
    variant = only_variant(tmp_path, data[: len(data) * 3 // 4])
    assert is_near(variant.getpixel((10, 100)), RED)  # type: ignore[arg-type]
    assert is_near(variant.getpixel((50, 100)), GREEN)  # type: ignore[arg-type]
    assert is_near(variant.getpixel((10, 270)), BLUE, 14)  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", [1, 11, 12, 14, 16, 18, 20])
def test_a_png_without_its_end_is_shown(tmp_path: Path, missing: int) -> None:
    assert_shown(tmp_path, PNG[:-missing])


def test_a_png_whose_last_chunk_has_a_wrong_length_is_shown(tmp_path: Path) -> None:
    assert_shown(tmp_path, with_chunks(PNG, struct.pack(">I4s", 30_000, b"IDAT") + bytes(9), before=b"IEND"))


def animated(frames: int = 3) -> bytes:
    buffer = io.BytesIO()
    others = [Image.new("RGB", (64, 48), (n, 0, 0)) for n in range(1, frames)]
    quarters().save(buffer, "PNG", save_all=True, append_images=others)
    return buffer.getvalue()


def control(frames: int) -> bytes:
    return chunk(b"acTL", struct.pack(">II", frames, 0))


def test_a_png_that_moves_is_animated_and_its_first_frame_is_shown(tmp_path: Path) -> None:
    analysis, [variant] = processed(tmp_path, animated())
    assert analysis.animated
    assert is_like(variant, quarters())


@pytest.mark.parametrize("frames", [0, 1 << 31, (1 << 32) - 1])
def test_an_animation_with_an_impossible_number_of_frames_is_a_still_picture(tmp_path: Path, frames: int) -> None:
    assert_shown(tmp_path, animated().replace(control(3), control(frames)))


def test_an_animation_without_frames_is_a_still_picture(tmp_path: Path) -> None:
    assert_shown(tmp_path, with_chunks(PNG, control(3)))
    assert_shown(tmp_path, with_chunks(PNG, control(3), control(3)))
    assert_shown(tmp_path, with_chunks(PNG, control(3), before=b"IEND"))


def test_a_broken_frame_does_not_change_the_first_one(tmp_path: Path) -> None:
    data = animated()
    at = data.index(b"fdAT") + 4
    assert is_like(only_variant(tmp_path, data[:at] + bytes(20) + data[at + 20 :]), quarters())
    assert is_like(only_variant(tmp_path, data.replace(control(3), control(300))), quarters())


@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_with_broken_metadata_is_shown(tmp_path: Path, lossless: bool) -> None:
    data = saved(quarters(), "WEBP", lossless=lossless, quality=95, exif=exif_block(6), xmp=b"<x/>" * 30)
    at = data.index(b"XMP ")
    for broken in (data[:-1], data[:at], data[: at + 4], data.replace(b"XMP ", b"abcd"), data + bytes(99)):
        assert is_like(only_variant(tmp_path, broken), quarters().transpose(Image.Transpose.ROTATE_270))
    at = data.index(b"EXIF")
    for broken in (data[: at + 40], data[: at + 4] + b"\xff\xff\0\0" + data[at + 8 :], data[: at + 8]):
        assert_shown(tmp_path, broken)


def test_decoding_transparency_of_16_bits_counts_its_memory(tmp_path: Path, configured: Configure) -> None:
    path = tmp_path / "wide"
    rows = [bytes(600)] * 100
    key = chunk(b"tRNS", bytes(6))
    configured(MAX_DECODED_BYTES=str(15 * 100 * 100))
    path.write_bytes(png_of_rows(2, 16, rows, size=(100, 100)))
    assert mean(Image.open(io.BytesIO(make(path)[1][0]))) == [0, 0, 0]
    path.write_bytes(png_of_rows(2, 16, rows, key, size=(100, 100)))
    with pytest.raises(decode.Undecodable, match="MAX_DECODED_BYTES"):
        make(path)
