"""The only importer of the image library: what bytes are, and whether they are within the limits."""

import io
import threading
import warnings
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TypeVar

from chalicelib import headers
from chalicelib.config import settings
from chalicelib.errors import TooLarge, Unsupported
from chalicelib.model import EXTENSIONS, Picture

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "HEIF")  # Pillow's names

T = TypeVar("T")

_lock = threading.Lock()


def identify(data: bytes) -> Picture:
    """What `data` is, by its content: the header is parsed, and no pixel decoded.

    Raises Unsupported: not an image of an accepted type.
    Raises TooLarge: over MAX_PIXELS, MAX_FRAMES or MAX_HEADER_PARTS.
    """
    limits = settings()
    survey = _parsed(lambda: headers.survey(data, most_parts=limits.max_header_parts, most_pages=limits.max_frames))
    if survey.parts > limits.max_header_parts:
        raise TooLarge("The image", limits.max_header_parts, "parts in its header", "MAX_HEADER_PARTS")
    if survey.pages > limits.max_frames:
        raise TooLarge("The image", limits.max_frames, "frames", "MAX_FRAMES")
    content_type, width, height, frames = _parsed(lambda: _opened(data))
    if width * height > limits.max_pixels:
        raise TooLarge("The image", limits.max_pixels, "pixels", "MAX_PIXELS")
    if frames > limits.max_frames:
        raise TooLarge("The image", limits.max_frames, "frames", "MAX_FRAMES")
    return Picture(content_type=content_type, width=width, height=height)


def _parsed(parse: Callable[[], T]) -> T:
    """What a parser gives.

    Raises Unsupported: it raised anything at all. On hostile bytes, whatever it is means the same.
    """
    try:
        return parse()
    except Exception as error:
        raise Unsupported(
            "The file is not an image of an accepted type (JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP, HEIC)."
        ) from error


def _opened(data: bytes) -> tuple[str, int, int, int]:
    """Content type, width, height and frames.

    Raises whatever Pillow raises, and ValueError: the type isn't one of EXTENSIONS.
    """
    with _lock:
        pillow = _pillow()
    image = pillow.open(io.BytesIO(data), formats=_FORMATS)
    # An animated PNG is a PNG, a sequence of HEIF images a HEIF, and an MPO a JPEG with further pictures behind the
    # first: phones add previews and depth.
    reported = image.get_format_mimetype().removesuffix("-sequence")
    content_type = {"image/apng": "image/png", "image/mpo": "image/jpeg"}.get(reported, reported)
    # headers.survey has counted a TIFF's pages: Pillow takes quadratic time for it.
    frames = 1 if image.format in ("MPO", "TIFF") else getattr(image, "n_frames", 1)
    if content_type not in EXTENSIONS:
        raise ValueError(content_type)
    width, height = image.size
    return content_type, width, height, frames


@cache
def _pillow() -> ModuleType:
    import pillow_heif
    from PIL import (  # noqa: F401
        AvifImagePlugin,
        BmpImagePlugin,
        GifImagePlugin,
        Image,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    pillow_heif.register_heif_opener()
    # identify() holds the limit itself, before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None
    # A hostile header can cause a warning for each of its entries.
    warnings.filterwarnings("ignore", module="PIL")
    return Image
