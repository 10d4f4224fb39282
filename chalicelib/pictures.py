"""The only importer of the image library: what bytes are, and whether they are within the limits."""

import io
import threading
from functools import cache
from types import ModuleType
from typing import Any

from chalicelib.config import settings
from chalicelib.errors import TooLarge, Unsupported
from chalicelib.model import Picture

# Content types that are accepted, and the extension of each. No SVG: it is a program, and would run in the
# viewer's browser.
EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/tiff": ".tiff",
    "image/bmp": ".bmp",
    "image/heic": ".heic",
    "image/heif": ".heif",
}

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "HEIF")  # Pillow's names

_lock = threading.Lock()


def identify(data: bytes) -> Picture:
    """What `data` is, by its content: the header is parsed, and no pixel decoded.

    Raises Unsupported: not an image of an accepted type.
    Raises TooLarge: more pixels than MAX_PIXELS or more frames than MAX_FRAMES.
    """
    with _lock:
        pillow = _pillow()
    try:
        image = pillow.open(io.BytesIO(data), formats=_FORMATS)
        content_type, (width, height) = image.get_format_mimetype(), image.size
        if image.format == "MPO":  # a JPEG with further pictures behind the first: phones add previews and depth
            content_type, frames = "image/jpeg", 1
        elif image.format == "TIFF":
            frames = _pages(image, settings().max_frames)
        else:
            frames = getattr(image, "n_frames", 1)
    # Whatever a parser raises on hostile bytes, it means the same.
    except Exception as error:
        raise Unsupported(
            "The file is not an image of an accepted type (JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP, HEIC)."
        ) from error
    if width * height > settings().max_pixels:
        raise TooLarge(settings().max_pixels, "pixels", "MAX_PIXELS")
    if frames > settings().max_frames:
        raise TooLarge(settings().max_frames, "frames", "MAX_FRAMES")
    return Picture(content_type=content_type, width=width, height=height)


def _pages(image: Any, limit: int) -> int:
    """Pages of a TIFF, counted no further than one past `limit`: Pillow's own count takes quadratic time."""
    try:
        image.seek(limit)
    except EOFError:
        return 1
    return limit + 1


@cache
def _pillow() -> ModuleType:
    import pillow_heif
    from PIL import (  # noqa: F401  # noqa: F401
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
    return Image
