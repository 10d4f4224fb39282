"""Kinds of TIFF: each is shown as its tags say, or refused with a sentence that names the kind."""

import io
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chalicelib.errors import Unsupported
from chalicelib.pictures import identify
from chalicelib.pictures.variants import make
from tests.tiffs import DEFLATE, FLOAT, HEIGHT, NONE, SEPARATE, SIGNED, UNSIGNED, WEBP, WIDTH, tiff
from tests.unit.pictures.made import POSITIONS, is_near

ORDERS, COMPRESSIONS, PLANARS = "<>", (NONE, DEFLATE), (1, SEPARATE)
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5
LEFT, RIGHT = (2, 10), (61, 10)
TOLERANCE = 14


def grey(x: int, _: int) -> list[float]:
    return [x / (WIDTH - 1)]


def negative(x: int, _: int) -> list[float]:
    return [1 - x / (WIDTH - 1)]


def color(x: int, y: int) -> list[float]:
    return [x / (WIDTH - 1), y / (HEIGHT - 1), 0.2]


def opacity(y: int) -> float:
    return 1.0 if y < HEIGHT // 2 else 0.5


def shown(tmp_path: Path, data: bytes) -> Image.Image:
    path = tmp_path / "original.tif"
    path.write_bytes(data)
    _, [content] = make(path)
    return Image.open(io.BytesIO(content)).convert("RGBA")


def assert_near(image: Image.Image, position: tuple[int, int], expected: Sequence[float]) -> None:
    actual: Any = image.getpixel(position)
    assert is_near(actual, [*expected, 255][:4], TOLERANCE), (position, actual, expected)


@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
@pytest.mark.parametrize(
    ("bits", "sample_format"),
    [
        *((bits, UNSIGNED) for bits in (2, 4, 8, 16, 32)),
        *((bits, SIGNED) for bits in (16, 32)),
        *((bits, FLOAT) for bits in (32, 64)),
    ],
)
def test_grey_becomes_lighter_to_the_right(tmp_path: Path, photometric: int, bits: int, sample_format: int) -> None:
    predictors = (1, 2) if 8 <= bits <= 32 and sample_format != FLOAT else (1,)
    for order, compression, fill_order, predictor in product(ORDERS, COMPRESSIONS, (1, 2), predictors):
        if predictor == 2 and compression == NONE:
            continue
        image = shown(
            tmp_path,
            tiff(
                negative if photometric == WHITE_IS_ZERO else grey,
                bits=bits,
                photometric=photometric,
                order=order,
                compression=compression,
                predictor=predictor,
                fill_order=fill_order,
                sample_format=sample_format,
            ),
        )
        left, right = (0, 255) if bits == 2 else (8, 247)
        assert_near(image, LEFT, [left] * 3)
        assert_near(image, RIGHT, [right] * 3)


def test_a_single_bit_is_black_or_white(tmp_path: Path) -> None:
    for order, compression, fill_order, photometric in product(ORDERS, COMPRESSIONS, (1, 2), (0, 1)):
        right = float(photometric == BLACK_IS_ZERO)

        def samples(x: int, _: int, right: float = right) -> list[float]:
            return [right if x >= WIDTH // 2 else 1 - right]

        data = tiff(
            samples,
            bits=1,
            photometric=photometric,
            order=order,
            compression=compression,
            fill_order=fill_order,
        )
        image = shown(tmp_path, data)
        assert_near(image, LEFT, (0, 0, 0))
        assert_near(image, RIGHT, (255, 255, 255))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("extra", [None, UNSPECIFIED, ASSOCIATED, UNASSOCIATED])
def test_the_alpha_of_colours_is_used_as_declared(tmp_path: Path, bits: int, extra: int | None) -> None:
    def samples(x: int, y: int) -> list[float]:
        alpha = [] if extra is None else [opacity(y)]
        return [value * (opacity(y) if extra == ASSOCIATED else 1) for value in color(x, y)] + alpha

    for order, compression, planar in product(ORDERS, COMPRESSIONS, PLANARS):
        data = tiff(
            samples, bits=bits, photometric=RGB, order=order, compression=compression, planar=planar, extra=extra
        )
        image = shown(tmp_path, data)
        for x, y in ((4, 6), (50, 12), (50, 40)):
            alpha = 255 * opacity(y) if extra in (ASSOCIATED, UNASSOCIATED) else 255
            assert_near(image, (x, y), [*(255 * value for value in color(x, y)), alpha])


@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
@pytest.mark.parametrize("extra", [UNSPECIFIED, ASSOCIATED, UNASSOCIATED])
def test_the_alpha_of_grey_is_used_as_declared(tmp_path: Path, photometric: int, extra: int) -> None:
    def samples(x: int, y: int) -> list[float]:
        [value] = negative(x, y) if photometric == WHITE_IS_ZERO else grey(x, y)
        return [value * (opacity(y) if extra == ASSOCIATED else 1), opacity(y)]

    for order, compression, bits in product(ORDERS, COMPRESSIONS, (8, 16)):
        if photometric == WHITE_IS_ZERO and (bits == 8 or extra == ASSOCIATED):
            continue
        data = tiff(samples, bits=bits, photometric=photometric, order=order, compression=compression, extra=extra)
        image = shown(tmp_path, data)
        for x, y in ((4, 6), (50, 40)):
            value, alpha = 255 * x / (WIDTH - 1), 255 if extra == UNSPECIFIED else 255 * opacity(y)
            assert_near(image, (x, y), (value, value, value, alpha))


@pytest.mark.parametrize("bits", [8, 16])
def test_black_ink_darkens(tmp_path: Path, bits: int) -> None:
    for order, compression, planar in product(ORDERS, COMPRESSIONS, PLANARS):
        data = tiff(
            lambda x, _: [0, 0, 0, float(x < WIDTH // 2)],
            bits=bits,
            photometric=CMYK,
            order=order,
            compression=compression,
            planar=planar,
        )
        image = shown(tmp_path, data)
        assert_near(image, LEFT, (35, 31, 32))
        assert_near(image, RIGHT, (255, 255, 255))


@pytest.mark.parametrize("orientation", POSITIONS)
@pytest.mark.parametrize(
    ("photometric", "bits"), [(BLACK_IS_ZERO, 1), (BLACK_IS_ZERO, 8), (CMYK, 8), (BLACK_IS_ZERO, 16)]
)
def test_every_orientation_becomes_upright(tmp_path: Path, orientation: int, photometric: int, bits: int) -> None:
    right, bottom = (HEIGHT - 1, WIDTH - 1) if orientation >= 5 else (WIDTH - 1, HEIGHT - 1)

    def samples(x: int, y: int) -> list[float]:
        column, row = POSITIONS[orientation](y, x, right, bottom)
        light = float(column <= right // 2 and row <= bottom // 2)
        return [0, 0, 0, 1 - light] if photometric == CMYK else [light]

    for order, compression, rows in product(ORDERS, COMPRESSIONS, (16, HEIGHT)):
        data = tiff(
            samples,
            bits=bits,
            photometric=photometric,
            order=order,
            compression=compression,
            orientation=orientation,
            rows_per_strip=rows,
        )
        image = shown(tmp_path, data)
        assert image.size == (right + 1, bottom + 1)
        assert (identify.identify(data).width, identify.identify(data).height) == image.size
        dark = (35, 31, 32) if photometric == CMYK else (0, 0, 0)
        for x, y in product((right // 4, 3 * right // 4), (bottom // 4, 3 * bottom // 4)):
            assert_near(image, (x, y), (255, 255, 255) if x < right / 2 and y < bottom / 2 else dark)


def test_a_big_tiff_is_shown(tmp_path: Path) -> None:
    image = shown(tmp_path, tiff(negative, bits=16, photometric=WHITE_IS_ZERO, big=True))
    assert_near(image, LEFT, (8, 8, 8))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"bits": 32, "sample_format": FLOAT}, "RGB, 3 samples of 32 bits per pixel, floating point, not compressed"),
        ({"bits": 16, "sample_format": SIGNED}, "RGB, 3 samples of 16 bits per pixel, signed, not compressed"),
        ({"compression": WEBP}, "RGB, 3 samples of 8 bits per pixel, unsigned, WebP"),
        ({"compression": 9}, "RGB, 3 samples of 8 bits per pixel, unsigned, compression 9"),
        (
            {"sample_format": 4, "photometric": 99},
            "photometric interpretation 99, 3 samples of 8 bits per pixel, sample format 4, not compressed",
        ),
    ],
)
def test_a_kind_that_is_not_accepted_is_named(options: dict[str, Any], kind: str, big: bool) -> None:
    for order in ORDERS:
        prefix = {"<": "BigTIFF, ", ">": "big-endian BigTIFF, "}[order] if big else ""
        with pytest.raises(Unsupported) as raised:
            identify.identify(tiff(color, **{"photometric": RGB, "order": order, "big": big, **options}))
        assert raised.value.message == (
            f"The file is a kind of TIFF that is not accepted: {prefix}{kind}. Save it as a common kind, "
            "for example with 8 bits per channel."
        )


def test_a_big_endian_big_tiff_is_refused() -> None:
    with pytest.raises(Unsupported, match="a kind of TIFF that is not accepted: big-endian BigTIFF, grey, 1 sample of"):
        identify.identify(tiff(grey, order=">", big=True))


def test_grey_and_alpha_in_separate_planes_are_refused() -> None:
    data = tiff(lambda x, y: [0.5, 1.0], bits=16, planar=SEPARATE, extra=UNASSOCIATED)
    with pytest.raises(Unsupported, match="grey, 2 samples of 16 bits per pixel, unsigned, separate planes, not"):
        identify.identify(data)


def test_unspecified_samples_in_separate_planes_are_ignored(tmp_path: Path) -> None:
    for order, compression, bits in product(ORDERS, COMPRESSIONS, (8, 16)):
        data = tiff(
            lambda x, y: [*grey(x, y), 0.5],
            bits=bits,
            order=order,
            compression=compression,
            planar=SEPARATE,
            extra=UNSPECIFIED,
        )
        image = shown(tmp_path, data)
        assert_near(image, LEFT, (8, 8, 8))
        assert_near(image, RIGHT, (247, 247, 247))
