from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.images.model import Fit, Format, RenderRequest
from chalicelib.images.render import best_variant
from chalicelib.model import Image, Variant
from chalicelib.web.accept import preferences
from tests.unit.samples import ANALYSIS, IMAGE

# The sizes of the variants of a picture of 2400 x 1600.
SIZES = [(1920, 1280), (1280, 853), (640, 427), (320, 213)]
TYPES = ["image/avif", "image/jpeg", "image/webp"]
ANY = RenderRequest(width=None, height=None, fit=Fit.CONTAIN, format=Format.AUTO, preferences=preferences("*/*"))


def processed(*types: str, content_type: str = "image/tiff") -> Image:
    """Return an image with variants of these types."""
    variants = [
        Variant(width=width, height=height, content_type=each, size=1) for width, height in SIZES for each in types
    ]
    return replace(IMAGE, content_type=content_type, analysis=replace(ANALYSIS, variants=tuple(variants)))


def width(box: RenderRequest) -> int:
    variant = best_variant(processed("image/webp"), box)
    assert variant
    return variant.width


def content_type(image: Image, request: RenderRequest) -> str | None:
    variant = best_variant(image, request)
    return variant.content_type if variant else None


@pytest.mark.parametrize(
    ("w", "h", "contained", "covering"),
    [
        (None, None, 1920, 1920),
        (1, None, 320, 320),
        (320, None, 320, 320),
        (321, None, 640, 640),
        (None, 213, 320, 320),
        (None, 214, 640, 640),
        (320, 1000, 320, 1920),  # the width limits: shown 320 x 213
        (1000, 213, 320, 1280),  # the height limits
        (640, 640, 640, 1280),
        (1280, 853, 1280, 1280),
        (1921, 1281, 1920, 1920),  # no variant is large enough
        (10_000, 1, 320, 1920),
    ],
)
def test_the_smallest_variant_that_fills_the_box_is_chosen(
    w: int | None, h: int | None, contained: int, covering: int
) -> None:
    box = replace(ANY, width=w, height=h)
    assert width(box) == contained
    assert width(replace(box, fit=Fit.COVER)) == covering


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_covering_variant_is_never_smaller_than_a_contained_one(w: int, h: int) -> None:
    box = replace(ANY, width=w, height=h)
    contained, covering = width(box), width(replace(box, fit=Fit.COVER))
    assert contained <= covering
    shown_width = min(w, h * 2400 / 1600)
    assert contained >= min(shown_width - 1, 1920)  # a height is rounded


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "image/avif"),
        ("image/*", "image/avif"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/avif"),
        ("image/webp,*/*", "image/webp"),  # a wildcard does not say what a client can show
        ("image/webp,image/*;q=0.8,*/*;q=0.5", "image/webp"),
        ("image/webp;q=0.5,image/jpeg;q=0.6,*/*;q=0.1", "image/jpeg"),
        ("image/avif;q=0,image/webp;q=0,*/*", "image/jpeg"),
        ("image/png,image/jpeg;q=0.2", "image/jpeg"),
        ("image/tiff", "image/jpeg"),  # no variant matches: the header is ignored, and most clients show JPEG
        ("image/tiff,image/webp;q=0.1", "image/webp"),
        ("image/jpeg", "image/jpeg"),
        ("text/html", "image/jpeg"),
        ("", "image/jpeg"),
    ],
)
def test_the_type_is_the_one_that_the_client_prefers(accept: str, expected: str | None) -> None:
    assert content_type(processed(*TYPES), replace(ANY, preferences=preferences(accept))) == expected


def test_a_requested_format_overrides_the_accept_header() -> None:
    for requested, expected in ((Format.WEBP, "image/webp"), (Format.AVIF, "image/avif"), (Format.JPEG, "image/jpeg")):
        assert (
            content_type(processed(*TYPES), replace(ANY, format=requested, preferences=preferences("image/png")))
            == expected
        )


def test_the_variant_in_place_of_an_original_is_the_one_that_the_client_prefers() -> None:
    assert content_type(processed(*TYPES), replace(ANY, format=Format.ORIGINAL)) == "image/avif"


def test_a_requested_format_without_variants_is_treated_as_auto() -> None:
    request = replace(ANY, format=Format.AVIF)
    assert content_type(processed("image/webp", "image/jpeg"), request) == "image/webp"
    assert (
        content_type(processed("image/webp"), replace(request, preferences=preferences("image/tiff"))) == "image/webp"
    )


def test_an_image_without_variants_has_no_best_one() -> None:
    assert best_variant(IMAGE, ANY) is None
    assert best_variant(processed(), ANY) is None
