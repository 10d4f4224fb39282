import re
from base64 import b64decode
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.pictures.made import (
    BLUE,
    RED,
    Configure,
    exif_block,
    is_like,
    is_near,
    mean,
    only_variant,
    processed,
    quarters,
    saved,
    stored,
)


def test_variants_have_upright_widths_and_are_not_enlarged(tmp_path: Path, configured: Configure) -> None:
    configured(VARIANT_WIDTHS="40 80 160 320", VARIANT_FORMATS="webp jpeg avif")
    analysis, images = processed(tmp_path, saved(stored(quarters(240, 360), 6), "JPEG", exif=exif_block(6)))
    assert [(variant.width, variant.height, variant.content_type) for variant in analysis.variants] == [
        (width, height, f"image/{kind}")
        for width, height in ((240, 360), (160, 240), (80, 120), (40, 60))
        for kind in ("avif", "jpeg", "webp")
    ]
    for image in images:
        assert is_like(image, quarters(240, 360).resize(image.size, Image.Resampling.LANCZOS))


@pytest.mark.parametrize(("width", "widths"), [(100, [80, 40]), (101, [101, 80, 40]), (161, [160, 80, 40])])
def test_a_picture_far_from_the_configured_widths_has_a_variant_of_its_own_width(
    tmp_path: Path, configured: Configure, width: int, widths: list[int]
) -> None:
    configured(VARIANT_WIDTHS="40 80 160")
    analysis, _ = processed(tmp_path, saved(quarters(width, 10), "PNG"))
    assert [each.width for each in analysis.variants] == widths


@pytest.mark.parametrize(
    ("formats", "jpeg_px", "width", "variants"),
    [
        ("webp", 100, 200, ["160 webp", "80 jpeg", "80 webp", "40 webp"]),
        ("webp", 80, 200, ["160 webp", "80 jpeg", "80 webp", "40 webp"]),
        ("webp", 9_999, 200, ["160 jpeg", "160 webp", "80 webp", "40 webp"]),
        ("webp", 30, 200, ["160 webp", "80 webp", "40 jpeg", "40 webp"]),  # all are wider
        ("webp", 100, 50, ["40 jpeg", "40 webp"]),
        ("webp avif", 100, 80, ["80 avif", "80 jpeg", "80 webp", "40 avif", "40 webp"]),
        ("jpeg webp", 100, 80, ["80 jpeg", "80 webp", "40 jpeg", "40 webp"]),
        ("jpeg", 100, 80, ["80 jpeg", "40 jpeg"]),
        ("webp", 0, 80, ["80 webp", "40 webp"]),
    ],
)
def test_one_width_has_a_jpeg_too(
    tmp_path: Path, configured: Configure, formats: str, jpeg_px: int, width: int, variants: list[str]
) -> None:
    configured(VARIANT_WIDTHS="40 80 160", VARIANT_FORMATS=formats, JPEG_VARIANT_WIDTH_PX=str(jpeg_px))
    analysis, images = processed(tmp_path, saved(quarters(width, width), "PNG"))
    assert [f"{each.width} {each.content_type.removeprefix('image/')}" for each in analysis.variants] == variants
    for image in images:
        assert is_like(image, quarters(*image.size))


@pytest.mark.parametrize(
    ("size", "variant"), [((7, 9), (7, 9)), ((1, 1), (1, 1)), ((30, 1), (20, 1)), ((3, 40_000), (1, 13_333))]
)
def test_very_narrow_and_very_long_pictures_have_a_variant(
    tmp_path: Path, configured: Configure, size: tuple[int, int], variant: tuple[int, int]
) -> None:
    configured(VARIANT_WIDTHS="20")
    assert only_variant(tmp_path, saved(Image.new("RGB", size, RED), "PNG")).size == variant


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA"), ("TIFF", "RGBA"), ("PNG", "P"), ("GIF", "RGBA")],
)
def test_transparency_is_preserved_and_becomes_white_in_a_jpeg(
    tmp_path: Path, configured: Configure, kind: str, mode: str
) -> None:
    configured(VARIANT_FORMATS="webp avif jpeg")
    image = Image.new("RGBA", (64, 64), (40, 40, 40, 255))
    image.paste((0, 0, 0, 0), (32, 0, 64, 64))
    avif, jpeg, webp = processed(tmp_path, saved(image.convert(mode), kind))[1]
    for each in (avif, webp):
        assert is_near(mean(each.crop((0, 0, 24, 64))), (40, 40, 40, 255))
        assert mean(each.crop((40, 0, 64, 64)))[3] <= 2
    assert is_near(mean(jpeg.crop((0, 0, 24, 64))), (40, 40, 40))
    assert is_near(mean(jpeg.crop((40, 0, 64, 64))), (255, 255, 255))


def test_the_dominant_colour_is_the_colour_of_most_visible_pixels(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 60), BLUE)
    image.paste(RED, (0, 0, 60, 20))
    color = processed(tmp_path, saved(image, "PNG"))[0].color
    assert is_near(bytes.fromhex(color[1:]), BLUE, 12)
    clear = Image.new("RGBA", (60, 60), (*BLUE, 0))
    assert processed(tmp_path, saved(clear, "PNG"))[0].color == "#ffffff"
    clear.paste((*RED, 255), (0, 0, 20, 20))
    assert is_near(bytes.fromhex(processed(tmp_path, saved(clear, "PNG"))[0].color[1:]), RED, 12)


def test_the_placeholder_has_the_mean_colour_and_the_orientation(tmp_path: Path) -> None:
    analysis, _ = processed(tmp_path, saved(Image.new("RGB", (64, 32), (200, 60, 50)), "PNG"))
    placeholder = b64decode(analysis.placeholder)
    light, yellow_blue = (placeholder[0] & 63) / 63, ((placeholder[0] >> 6 | placeholder[1] << 2) & 63) / 31.5 - 1
    assert light == pytest.approx((200 + 60 + 50) / 3 / 255, abs=0.02)
    assert yellow_blue == pytest.approx(((200 + 60) / 2 - 50) / 255, abs=0.04)
    assert placeholder[4] & 0x80  # wider than high


def test_perceptual_hashes_of_copies_are_similar_and_of_other_pictures_different(tmp_path: Path) -> None:
    def hashed(data: bytes) -> int:
        text = processed(tmp_path, data)[0].perceptual_hash
        assert re.fullmatch("[0-9a-f]{16}", text)
        return int(text, 16)

    photo = Image.radial_gradient("L").resize((300, 200)).rotate(30, fillcolor=90).convert("RGB")
    first = hashed(saved(photo, "PNG"))
    assert (first ^ hashed(saved(photo.resize((120, 80)), "JPEG", quality=60))).bit_count() <= 4
    assert (first ^ hashed(saved(photo.rotate(90), "PNG"))).bit_count() > 16
    rising = Image.linear_gradient("L").rotate(90)
    assert hashed(saved(rising, "PNG")) == 2**64 - 1
    assert hashed(saved(rising.rotate(180), "PNG")) == 0
