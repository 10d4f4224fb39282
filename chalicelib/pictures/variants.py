"""Make the variants of a picture, and analyse what it looks like.

The picture is decoded once, at the size of the widest variant. Each narrower variant is made from the one before. The
dominant colour, the placeholder and the perceptual hash come from the narrowest variant.
"""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.config import settings
from chalicelib.errors import TooLarge, Unsupported
from chalicelib.model import Analysis, Variant
from chalicelib.pictures import identify, thumbhash
from chalicelib.pictures.decode import Undecodable, decode, shrinking_filter
from chalicelib.pictures.identify import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

_MAX_ENLARGEMENT = 1.25  # of the widest variant, if it were shown at the width of the picture
_MAX_SIDE_PX = 16_383  # of a WebP (RFC 9649 section 2.5)

# Pillow's arguments by content type.
_ENCODING: dict[str, dict[str, Any]] = {
    "image/webp": {"format": "WEBP", "method": 2},  # 60 % of the time of method 4, for 6 % more bytes
    "image/avif": {"format": "AVIF", "speed": 8},
    "image/jpeg": {"format": "JPEG", "progressive": True},
}

_SMALL_PX = 32  # longest side of the picture that is analysed: colour and placeholder need no details
_MIN_VISIBLE_ALPHA = 128  # of a pixel whose colour counts


def make(path: Path) -> tuple[Analysis, tuple[bytes, ...]]:
    """Return the analysis of the picture in a file, and the bytes of each of its variants, in the analysis's order.

    Raises Undecodable: the file is at fault: it is damaged or over a limit. Raises OSError: the file can't be read.
    Raises MemoryError: the machine has not enough memory for a picture that is within the limits.
    """
    picture = _identified(path)
    sizes = _sizes(picture)
    decoded = decode(path, sizes[0])
    pixels = decoded.pixels
    variants: list[Variant] = []
    contents: list[bytes] = []
    for width, height in sizes:
        if pixels.size != (width, height):
            # With this gap, Pillow first averages blocks of pixels, by a whole factor, which is fast.
            pixels = pixels.resize((width, height), shrinking_filter(), reducing_gap=1.0)
        for content_type in _content_types(width, [each for each, _ in sizes]):
            content = _encoded(pixels, content_type)
            variants.append(Variant(width=width, height=height, content_type=content_type, size=len(content)))
            contents.append(content)
    small = _fitted(pixels, _SMALL_PX)
    analysis = Analysis(
        width=picture.width,
        height=picture.height,
        taken_at=decoded.exif.taken_at,
        color=_color(small),
        placeholder=_placeholder(small),
        perceptual_hash=_perceptual_hash(pixels),
        animated=decoded.animated,
        variants=tuple(variants),
        exif=decoded.exif.camera,
        location=decoded.exif.location,
    )
    return analysis, tuple(contents)


def _identified(path: Path) -> Picture:
    try:
        return identify.identify(path)
    except (TooLarge, Unsupported) as error:
        raise Undecodable(error.message) from error


def _sizes(picture: Picture) -> list[tuple[int, int]]:
    """Return the sizes of the variants, widest first.

    No variant is wider than the picture, or longer than a WebP can be. If the widest width of VARIANT_WIDTHS that fits
    would be enlarged too much at the picture's own width, that width is added, up to the last of VARIANT_WIDTHS.
    """
    limits = settings()
    widths = [width for width in limits.variant_widths_px if width <= picture.width]
    own_width = min(picture.width, limits.variant_widths_px[-1])
    if not widths or own_width > _MAX_ENLARGEMENT * widths[-1]:
        widths.append(own_width)
    # The width at which the height reaches the limit.
    max_width = max(1, picture.width * _MAX_SIDE_PX // picture.height)
    distinct = sorted({min(width, max_width, _MAX_SIDE_PX) for width in widths}, reverse=True)
    return [(width, _height(picture, width)) for width in distinct]


def _content_types(width: int, widths: Sequence[int]) -> list[str]:
    """Return the content types of the variants of a width, sorted. `widths` are those of all variants, widest first.

    VARIANT_FORMATS apply to each width. One width has a JPEG, too: see JPEG_VARIANT_WIDTH_PX.
    """
    limits = settings()
    types = {*limits.variant_types}
    narrow_enough = (each for each in widths if each <= limits.jpeg_variant_width_px)
    if limits.jpeg_variant_width_px and width == next(narrow_enough, widths[-1]):
        types.add("image/jpeg")
    return sorted(types)


def _height(picture: Picture, width: int) -> int:
    """Return the height of a variant, rounded half up."""
    rounded = (2 * picture.height * width + picture.width) // (2 * picture.width)
    return min(_MAX_SIDE_PX, max(1, rounded))


def _encoded(image: "Image", content_type: str) -> bytes:
    buffer = io.BytesIO()
    shown = _on_white(image) if content_type == "image/jpeg" else image
    shown.save(buffer, quality=settings().variant_quality, **_ENCODING[content_type])
    return buffer.getvalue()


def _on_white(image: "Image") -> "Image":
    if image.mode != "RGBA":
        return image
    white: Image = identify.pillow().new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _fitted(image: "Image", max_side_px: int) -> "Image":
    """Return an image shrunk until neither side is longer than `max_side_px`."""
    divisor = max(*image.size, max_side_px)
    width, height = (max(1, side * max_side_px // divisor) for side in image.size)
    return image.resize((width, height), shrinking_filter())


def _color(image: "Image") -> str:
    """Return the dominant colour, "#rrggbb"; white if every pixel is transparent.

    The colours are grouped in 512 cubes of similar colours. The result is the mean of the colours in the fullest cube.
    """
    visible = [pixel[:3] for pixel in _rgba(image) if pixel[3] >= _MIN_VISIBLE_ALPHA]
    if not visible:
        return "#ffffff"
    cubes = Counter((red >> 5, green >> 5, blue >> 5) for red, green, blue in visible)
    (fullest, count), *_ = cubes.most_common(1)
    similar = [pixel for pixel in visible if tuple(channel >> 5 for channel in pixel) == fullest]
    return "#" + "".join(f"{round(sum(channel) / count):02x}" for channel in zip(*similar, strict=True))


def _placeholder(image: "Image") -> str:
    return base64.b64encode(thumbhash.encode(image.width, image.height, image.convert("RGBA").tobytes())).decode()


def _perceptual_hash(image: "Image") -> str:
    """Return the dHash of an image, as the library imagehash computes it: 64 bits, 16 hexadecimal digits.

    The image is shrunk to 9 x 8 grey pixels. A bit says whether a pixel is lighter than its left neighbour, row by row.
    """
    grey = _on_white(image).convert("L").resize((9, 8), shrinking_filter()).tobytes()
    bits = [grey[9 * row + column] < grey[9 * row + column + 1] for row in range(8) for column in range(8)]
    return f"{int(''.join('01'[bit] for bit in bits), 2):016x}"


def _rgba(image: "Image") -> list[tuple[int, int, int, int]]:
    channels = image.convert("RGBA").tobytes()
    return list(zip(channels[::4], channels[1::4], channels[2::4], channels[3::4], strict=True))
