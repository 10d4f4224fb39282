"""What a file is by its header, and whether it is within the limits; no pixel is decoded.

This module and variants.py alone import the image library.
"""

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from chalicelib.config import settings
from chalicelib.errors import TooLarge, Unsupported
from chalicelib.model import EXTENSIONS
from chalicelib.pictures import exif, structure
from chalicelib.pictures.exif import Exif

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "HEIF")  # Pillow's names

TURNED = range(5, 9)  # the orientations whose stored width is the upright height

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a file is, by its header."""

    content_type: str
    width: int  # pixels, upright: after its EXIF orientation is applied
    height: int  # pixels, upright


_lock = threading.Lock()


def identify(file: bytes | Path) -> Picture:
    """What a file is, by its content: the header is parsed, and no pixel decoded.

    Of a path no more is read than the header, but for WebP, AVIF and HEIF, which Pillow reads whole.
    Raises Unsupported: not an image of an accepted type.
    Raises TooLarge: over MAX_PIXELS, MAX_SIDE_PX, MAX_FRAMES or MAX_HEADER_PARTS.
    Raises OSError: the path can't be read.
    """
    limits = settings()
    with mapped(file) as data:
        survey = _parsed(
            lambda: structure.survey(data, most_parts=limits.max_header_parts, most_pages=limits.max_frames)
        )
    if survey.parts > limits.max_header_parts:
        raise TooLarge("The image", limits.max_header_parts, "parts in its header", "MAX_HEADER_PARTS")
    if survey.pages > limits.max_frames:
        raise TooLarge("The image", limits.max_frames, "frames", "MAX_FRAMES")
    picture, frames = _parsed(lambda: _described(file))
    if picture.width * picture.height > limits.max_pixels:
        raise TooLarge("The image", limits.max_pixels, "pixels", "MAX_PIXELS")
    if max(picture.width, picture.height) > limits.max_side_px:
        raise TooLarge("The image", limits.max_side_px, "pixels on one side", "MAX_SIDE_PX")
    if frames > limits.max_frames:
        raise TooLarge("The image", limits.max_frames, "frames", "MAX_FRAMES")
    return picture


def opened(file: bytes | Path) -> "ImageFile":
    """A file as Pillow opens it, to be closed: its header is parsed.

    Raises whatever Pillow raises.
    """
    source = io.BytesIO(file) if isinstance(file, bytes) else file
    image: ImageFile = library().open(source, formats=_FORMATS)
    return image


def exif_of(image: "ImageFile", data: bytes | mmap) -> Exif:
    """The EXIF that stands before an image's pixels, where `data` is its file; the orientation is what is to be done.

    A TIFF is itself laid out as EXIF is. It and HEIF are turned by Pillow and libheif already.
    """
    found = exif.read(data if image.format == "TIFF" else image.info.get("exif") or b"")
    return Exif(1, found.taken_at) if image.format in ("TIFF", "HEIF") else found


@contextmanager
def mapped(file: bytes | Path) -> Iterator[bytes | mmap]:
    """A file's bytes, without reading more of a path than is looked at.

    Raises OSError: it can't be read.
    """
    if isinstance(file, bytes):
        yield file
    elif file.stat().st_size == 0:  # which can't be mapped
        yield b""
    else:
        with file.open("rb") as source, mmap(source.fileno(), 0, access=ACCESS_READ) as data:
            yield data


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


def _described(file: bytes | Path) -> tuple[Picture, int]:
    """What the header says, and the frames.

    Raises whatever Pillow raises, and ValueError: the type isn't one of EXTENSIONS.
    """
    with mapped(file) as data, opened(file) as image:
        # An animated PNG is a PNG, a sequence of HEIF images a HEIF, and an MPO a JPEG with further pictures behind the
        # first: phones add previews and depth.
        reported = (image.get_format_mimetype() or "").removesuffix("-sequence")
        content_type = {"image/apng": "image/png", "image/mpo": "image/jpeg"}.get(reported, reported)
        # headers.survey has counted a TIFF's pages and a GIF's frames: Pillow takes quadratic time for the former.
        frames = 1 if image.format in ("MPO", "TIFF", "GIF") else getattr(image, "n_frames", 1)
        if content_type not in EXTENSIONS:
            raise ValueError(content_type)
        width, height = image.size
        if exif_of(image, data).orientation in TURNED:
            width, height = height, width
    return Picture(content_type=content_type, width=width, height=height), frames


def library() -> ModuleType:
    """Pillow's module Image, imported and set up once."""
    with _lock:
        return _library()


@cache
def _library() -> ModuleType:
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
