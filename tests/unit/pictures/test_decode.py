import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from chalicelib.model import CameraFacts, Location
from chalicelib.pictures import decode, identify
from chalicelib.pictures.variants import make
from tests.icc import ADOBE_GAMMA, ADOBE_RGB, DISPLAY_P3, Primaries, cmyk_profile, matrix_profile
from tests.pictures import CAMERA, LOCATION, camera_exif, picture
from tests.unit.pictures.made import (
    BLUE,
    POSITIONS,
    RED,
    WHITE,
    Color,
    Configure,
    exif_block,
    is_like,
    is_near,
    mean,
    only_variant,
    png,
    processed,
    quarters,
    saved,
    stored,
)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", POSITIONS)
def test_a_picture_stored_in_any_orientation_becomes_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    upright = quarters(48, 64)
    data = saved(stored(upright, orientation), kind, exif=exif_block(orientation))
    analysis, [variant] = processed(tmp_path, data)
    assert is_like(variant, upright)
    assert (analysis.width, analysis.height) == (48, 64)
    identified = identify.identify(data)
    assert (identified.width, identified.height) == (48, 64)


def test_a_heic_is_rotated_only_once(tmp_path: Path) -> None:
    upright = quarters(48, 64)
    data = saved(stored(upright, 6), "HEIF", exif=exif_block(6), quality=90)
    analysis, [variant] = processed(tmp_path, data)
    assert is_like(variant, upright)
    assert (
        (analysis.width, analysis.height) == (48, 64) == (identify.identify(data).width, identify.identify(data).height)
    )


def scans(count: int) -> bytes:
    """Return a progressive JPEG that repeats its last scan."""
    data = saved(quarters(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 95}), ("TIFF", {}), ("BMP", {}), ("GIF", {})]
)
@pytest.mark.parametrize("size", [(640, 480), (643, 481), (1001, 333)])
def test_a_picture_reduced_in_steps_is_close_to_one_resize(
    tmp_path: Path, configured: Configure, kind: str, options: dict[str, Any], size: tuple[int, int]
) -> None:
    configured(VARIANT_WIDTHS="32 64", VARIANT_QUALITY="100")
    image = quarters(*size).convert("L").convert("RGB")  # grey, because encoders store colours in a lower resolution
    ImageDraw.Draw(image).ellipse((40, 30, size[0] - 60, size[1] - 90), fill=(200, 200, 200))
    _, variants = processed(tmp_path, saved(image, kind, **options))
    for variant in variants:
        assert is_like(variant, image.resize(variant.size, Image.Resampling.LANCZOS), 3)


def test_variants_contain_no_metadata(tmp_path: Path, configured: Configure) -> None:
    configured(VARIANT_FORMATS="webp avif jpeg")
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "at home")
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>at home</x:xmpmeta>")
    profile = matrix_profile(DISPLAY_P3, 2.2)
    for data in (
        saved(quarters(), "PNG", pnginfo=text, exif=exif_block(), icc_profile=profile),
        saved(
            quarters(),
            "JPEG",
            comment="at home",
            xmp=b"<x:xmpmeta>at home</x:xmpmeta>",
            exif=exif_block(),
            icc_profile=profile,
        ),
    ):
        for image in processed(tmp_path, data)[1]:
            assert not set(image.info) & {"exif", "xmp", "icc_profile", "comment", "Comment", "XML:com.adobe.xmp"}
            image.seek(0)
            assert not dict(image.getexif())


def test_the_analysis_has_the_time_at_which_a_picture_was_taken(tmp_path: Path) -> None:
    exif = exif_block(taken="2024:05:01 12:30:00", offset="+02:00")
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"):
        analysis, _ = processed(tmp_path, saved(quarters(), kind, exif=exif))
        assert analysis.taken_at == "2024-05-01T12:30:00+02:00"
    assert processed(tmp_path, saved(quarters(), "JPEG"))[0].taken_at is None


def test_the_analysis_has_the_facts_and_the_place_of_every_format(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"):
        analysis, _ = processed(tmp_path, saved(quarters(), kind, exif=camera_exif()))
        assert (analysis.exif, analysis.location) == (CameraFacts(**CAMERA), Location(**LOCATION)), kind
    analysis, _ = processed(tmp_path, saved(quarters(), "JPEG"))
    assert (analysis.exif, analysis.location) == (None, None)


# From XYZ, adapted to D50 by Bradford, to linear sRGB (brucelindbloom.com).
FROM_XYZ = (
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)


def in_srgb(color: Color, primaries: Primaries, gamma: float) -> list[float]:
    linear = [(channel / 255) ** gamma for channel in color]
    xyz = [sum(linear[n] * primaries[n][axis] for n in range(3)) for axis in range(3)]
    rgb = [min(1.0, max(0.0, sum(a * b for a, b in zip(row, xyz, strict=True)))) for row in FROM_XYZ]
    return [255 * (12.92 * each if each <= 0.0031308 else 1.055 * each ** (1 / 2.4) - 0.055) for each in rgb]


@pytest.mark.parametrize(("primaries", "gamma"), [(DISPLAY_P3, 2.2), (ADOBE_RGB, ADOBE_GAMMA)])
@pytest.mark.parametrize("color", [(200, 60, 50), (60, 190, 80), (120, 120, 120), (255, 0, 0)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_wide_gamut_colours_are_converted_to_srgb(
    tmp_path: Path, primaries: Primaries, gamma: float, color: Color, kind: str
) -> None:
    data = saved(Image.new("RGB", (32, 32), color), kind, icc_profile=matrix_profile(primaries, gamma))
    assert is_near(mean(only_variant(tmp_path, data)), in_srgb(color, primaries, gamma), 6)


def test_colour_conversion_does_not_change_alpha(tmp_path: Path) -> None:
    image = Image.new("RGBA", (32, 32), (200, 60, 50, 102))
    actual = mean(only_variant(tmp_path, saved(image, "PNG", icc_profile=matrix_profile(DISPLAY_P3, 2.2))))
    assert is_near(actual, [*in_srgb((200, 60, 50), DISPLAY_P3, 2.2), 102], 6)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted_with_and_without_a_profile(tmp_path: Path, kind: str) -> None:
    cyan = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    paper = Image.new("CMYK", (32, 32), (0, 0, 0, 0))
    # Without a profile, the inks of SWOP, as in Photoshop.
    for inks, color in (
        ((255, 0, 0, 0), (0, 174, 239)),
        ((0, 255, 0, 0), (236, 0, 140)),
        ((0, 0, 255, 0), (255, 242, 0)),
        ((0, 0, 0, 255), (35, 31, 32)),
        ((0, 0, 0, 128), (147, 149, 151)),
        ((0, 0, 0, 0), (255, 255, 255)),
    ):
        image = Image.new("CMYK", (32, 32), inks)
        assert is_near(mean(only_variant(tmp_path, saved(image, kind))), color, 12)
    # A press with orange ink, which only its profile describes.
    press = cmyk_profile(paper=(100, 0, 0), ink=(65, 45, 70))
    actual = mean(only_variant(tmp_path, saved(cyan, kind, icc_profile=press)))
    assert actual[0] > 220
    assert actual[2] < 60
    assert is_near(mean(only_variant(tmp_path, saved(paper, kind, icc_profile=press))), (255, 255, 255))


@pytest.mark.parametrize(
    "profile", [b"broken", matrix_profile(DISPLAY_P3, 2.2)[:200], cmyk_profile((100, 0, 0), (0, 0, 0))]
)
def test_a_broken_or_unsuitable_profile_is_ignored(tmp_path: Path, profile: bytes) -> None:
    for kind in ("JPEG", "PNG"):
        assert is_like(only_variant(tmp_path, saved(quarters(), kind, icc_profile=profile)), quarters())


def test_a_grey_picture_may_have_a_colour_profile(tmp_path: Path) -> None:
    data = saved(Image.new("L", (32, 32), 100), "JPEG", icc_profile=matrix_profile(DISPLAY_P3, 2.2))
    assert is_near(mean(only_variant(tmp_path, data)), in_srgb((100, 100, 100), DISPLAY_P3, 2.2))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"]
)
def test_broken_exif_is_ignored(tmp_path: Path, exif: bytes) -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        analysis, [variant] = processed(tmp_path, saved(quarters(), kind, exif=exif))
        assert is_like(variant, quarters())
        assert analysis.taken_at is None


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B")])
def test_grey_of_16_bits_is_scaled_to_8_bits(tmp_path: Path, kind: str, mode: str) -> None:
    for value in (0, 0x4080, 0x8000, 0xFFFF):
        image = Image.new(mode, (32, 32), value)
        assert is_near(mean(only_variant(tmp_path, saved(image, kind))), [value / 257] * 3, 2)


def test_colours_of_16_bits_are_scaled_to_8_bits(tmp_path: Path) -> None:
    assert is_near(mean(only_variant(tmp_path, png(2, 16, struct.pack(">3H", 0xC8C8, 0x3C3C, 0x3232)))), (200, 60, 50))
    actual = mean(only_variant(tmp_path, png(6, 16, struct.pack(">4H", 0xC8C8, 0x3C3C, 0x3232, 0x6666))))
    assert is_near(actual, (200, 60, 50, 102))


def test_integers_and_floats_are_scaled_from_the_darkest_to_the_lightest(tmp_path: Path) -> None:
    for mode, low, high in (("I", -70_000, 70_000), ("F", 0.0, 1.0)):
        image = Image.new(mode, (64, 64), low)
        image.paste(high, (32, 0, 64, 64))
        variant = only_variant(tmp_path, saved(image, "TIFF"))
        assert is_near(mean(variant.crop((0, 0, 24, 64))), (0, 0, 0))
        assert is_near(mean(variant.crop((40, 0, 64, 64))), (255, 255, 255))
        assert is_near(mean(only_variant(tmp_path, saved(Image.new(mode, (8, 8), high), "TIFF"))), (0, 0, 0))


def test_palettes_single_bits_and_rare_modes_are_converted_to_rgb(tmp_path: Path) -> None:
    for kind in ("PNG", "GIF", "BMP", "TIFF"):
        assert is_like(only_variant(tmp_path, saved(quarters().quantize(8), kind)), quarters())
    bits = Image.new("1", (32, 32))
    bits.paste(1, (0, 0, 16, 32))
    assert is_like(only_variant(tmp_path, saved(bits, "PNG")), bits.convert("RGB"))
    assert is_like(only_variant(tmp_path, saved(quarters().convert("YCbCr"), "TIFF")), quarters())
    lab = Image.new("LAB", (32, 32), (167, 178, 183))  # L 65, a 50, b 55
    actual = mean(only_variant(tmp_path, saved(lab, "TIFF")))
    assert is_near(actual, (249, 117, 61), 16)


def test_a_colour_declared_as_transparent_is_transparent(tmp_path: Path) -> None:
    variant = only_variant(tmp_path, saved(quarters(), "PNG", transparency=RED))
    assert mean(variant.crop((0, 0, 24, 16)))[3] <= 2
    assert mean(variant.crop((40, 0, 64, 16)))[3] >= 253


@pytest.mark.parametrize("size", [(90, 90), (400, 400)])  # resized directly; averaged first
def test_hidden_colours_do_not_show_at_transparent_edges(
    tmp_path: Path, configured: Configure, size: tuple[int, int]
) -> None:
    configured(VARIANT_WIDTHS="60", VARIANT_QUALITY="100")
    image = Image.new("RGBA", size, (220, 0, 0, 255))
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), fill=(0, 255, 0, 0))
    variant = only_variant(tmp_path, saved(image, "PNG"))
    visible = Image.new("RGB", variant.size)
    visible.paste(variant, mask=variant.getchannel("A"))
    assert visible.getextrema()[1][1] < 40  # type: ignore[index]


def test_the_variant_of_an_opaque_picture_has_no_alpha(tmp_path: Path) -> None:
    assert only_variant(tmp_path, saved(quarters().convert("RGBA"), "PNG")).mode == "RGB"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_the_first_frame_of_an_animation_is_used(tmp_path: Path, kind: str) -> None:
    others = [Image.new("RGB", (64, 48), color) for color in (BLUE, WHITE)]
    analysis, [variant] = processed(tmp_path, saved(quarters(), kind, save_all=True, append_images=others))
    assert analysis.animated
    assert is_like(variant.convert("RGB"), quarters())
    assert getattr(variant, "n_frames", 1) == 1
    assert not processed(tmp_path, saved(quarters(), kind))[0].animated


def test_pages_and_previews_are_not_an_animation(tmp_path: Path) -> None:
    for kind in ("TIFF", "MPO"):
        others = [Image.new("RGB", (64, 48), BLUE)]
        analysis, [variant] = processed(tmp_path, saved(quarters(), kind, save_all=True, append_images=others))
        assert not analysis.animated
        assert is_like(variant, quarters())


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "HEIF"])
@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_undecodable(tmp_path: Path, kind: str, part: float) -> None:
    path = tmp_path / "cut"
    data = picture(kind, width=200, height=150)
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(decode.Undecodable, match=r"^The [^\n]*\.$"):
        make(path)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is not an image of an accepted type"),
        (b"GIF89a or so", "The file is not an image of an accepted type"),
        (picture("PNG", width=99, height=99)[:-2000], "The file is truncated: its picture is incomplete."),
        (png(2, 8, b"abc", (50_000, 50_000), rows=1), "The image has more than 100000000 pixels"),
        (png(3, 8, b"a"), "The picture can't be decoded: its data is broken."),
        (scans(101), "The JPEG has more than 100 scans, which is the limit."),
        (picture("GIF", frames=1_001, width=2, height=2), "The image has more than 1000 frames"),
    ],
)
def test_the_error_message_says_what_is_broken(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "broken"
    path.write_bytes(data)
    with pytest.raises(decode.Undecodable) as raised:
        make(path)
    assert str(raised.value).startswith(sentence)


def test_a_picture_over_the_memory_limit_is_rejected(tmp_path: Path, configured: Configure) -> None:
    configured(MAX_DECODED_BYTES="100000")
    path = tmp_path / "large"
    for data in (
        picture("WEBP", width=100, height=80),
        saved(Image.new("RGBA", (100, 90)), "PNG"),
        saved(quarters(300, 200), "JPEG", progressive=True),
    ):
        path.write_bytes(data)
        with pytest.raises(decode.Undecodable, match=r"of memory, but the limit is 0 MB \(MAX_DECODED_BYTES\)\.$"):
            make(path)
    path.write_bytes(saved(quarters(100, 80), "JPEG"))
    assert make(path)


def test_an_error_of_the_machine_is_not_reported_as_a_broken_picture(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make(tmp_path / "none")
