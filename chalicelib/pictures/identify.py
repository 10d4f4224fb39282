"""Identify a file from its header: content type, size and limits. No pixels are decoded.

Also opens files for decode.py. These two modules and variants.py are the only ones that use the image library.
"""

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from chalicelib.pictures.parsers import avif, boxes, jpeg, pieces, png, webp

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "HEIF")  # as Pillow names them

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the header of a file says about its picture."""

    content_type: str  # one of EXTENSIONS
    width: int  # pixels, upright: after the EXIF orientation is applied
    height: int  # pixels, upright
    taken_at: str | None = None  # see exif.Exif


_lock = threading.Lock()


def identify(file: bytes | Path) -> Picture:
    """Return what a file is, from its header, and check that it is within the limits. No pixels are decoded.

    Of a path, only the header is read. WebP, AVIF and HEIF are an exception: Pillow reads the whole file.
    Raises Unsupported: the file is not an image of an accepted type.
    Raises TooLarge: over MAX_PIXELS, MAX_SIDE_PX, MAX_FRAMES, MAX_HEADER_PARTS or MAX_TIFF_BLOCKS.
    Raises OSError: the path can't be read.
    """
    limits = settings()
    with mapped(file) as data:
        survey = _parsed(
            data, lambda: structure.survey(data, max_parts=limits.max_header_parts, max_pages=limits.max_frames)
        )
        if survey.parts > limits.max_header_parts:
            raise TooLarge("The image", limits.max_header_parts, "parts in its header", "MAX_HEADER_PARTS")
        if survey.pages > limits.max_frames:
            raise TooLarge("The image", limits.max_frames, "frames", "MAX_FRAMES")
        if survey.blocks > limits.max_tiff_blocks:
            raise TooLarge("The TIFF", limits.max_tiff_blocks, "strips or tiles", "MAX_TIFF_BLOCKS")
        try:
            picture, frames = _parsed(data, lambda: _described(file, data))
        except Unsupported:
            if boxes.is_file(data):  # libavif has limits of its own, and does not say so
                _check_size(*_parsed(data, lambda: avif.size(data)) or (0, 0))
            raise
    _check_size(picture.width, picture.height)
    if frames > limits.max_frames:
        raise TooLarge("The image", limits.max_frames, "frames", "MAX_FRAMES")
    return picture


def _check_size(width: int, height: int) -> None:
    """Raises TooLarge: over MAX_PIXELS or MAX_SIDE_PX."""
    limits = settings()
    if width * height > limits.max_pixels:
        raise TooLarge("The image", limits.max_pixels, "pixels", "MAX_PIXELS")
    if max(width, height) > limits.max_side_px:
        raise TooLarge("The image", limits.max_side_px, "pixels on one side", "MAX_SIDE_PX")


def opened(file: bytes | Path, data: bytes | mmap) -> "ImageFile":
    """Open a file with Pillow, which parses its header; `data` is the bytes of the file.

    The caller closes the result, for example by `with`. Of a JPEG, PNG or WebP, Pillow sees only the parts it needs.
    Raises whatever Pillow raises. Raises struct.error, IndexError: the header is cut off.
    """
    source: Path | io.BufferedIOBase = io.BytesIO(file) if isinstance(file, bytes) else file
    if data[:2] == jpeg.MAGIC:
        source = pieces.joined(jpeg.picture(data))
    elif data[:8] == png.MAGIC:
        source = pieces.joined(png.picture(data))
    elif webp.is_file(data):
        source = pieces.joined(webp.picture(data))
    image: ImageFile
    try:
        image = pillow().open(source, formats=_FORMATS)
    except OSError:
        if not boxes.is_file(data):
            raise
        image = pillow().open(io.BytesIO(avif.with_sizes(data)), formats=_FORMATS)
    return image


def exif_of(image: "ImageFile", data: bytes | mmap) -> Exif:
    """Return the EXIF of an opened image; `data` is the bytes of its file.

    Only EXIF before the pixels is read. The orientation is the one that remains to be applied: it is always 1 for TIFF
    and HEIF, because Pillow and libheif apply it while they decode.
    """
    # A TIFF has the structure of EXIF, so its own entries are read.
    fields = exif.read(data if image.format == "TIFF" else image.info.get("exif") or b"")
    return replace(fields, orientation=1) if image.format in ("TIFF", "HEIF") else fields


@contextmanager
def mapped(file: bytes | Path) -> Iterator[bytes | mmap]:
    """Provide the bytes of a file. A path is mapped into memory: only the pages that are used are read.

    Raises OSError: the path can't be read.
    """
    if isinstance(file, bytes):
        yield file
    elif file.stat().st_size == 0:  # mmap does not accept an empty file
        yield b""
    else:
        with file.open("rb") as source, mmap(source.fileno(), 0, access=ACCESS_READ) as data:
            yield data


def pillow() -> ModuleType:
    """Return Pillow's module Image. The first call imports and configures it."""
    with _lock:
        return _pillow()


def _parsed(data: bytes | mmap, parse: Callable[[], T]) -> T:
    """Return the result of a parser of a file; `data` is the bytes of the file.

    Raises Unsupported: the parser raised any exception. Parsers of hostile bytes may raise every type of exception, and
    all of them mean that the file is not an image of an accepted type.
    """
    try:
        return parse()
    except Exception as error:
        name, kind = structure.kind(data)
        raise Unsupported(
            f"The file is a kind of {name} that is not accepted: {kind}. Save it as a common kind, "
            "for example with 8 bits per channel."
            if kind
            else "The file is not an image of an accepted type (JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP, HEIC)."
        ) from error


def _described(file: bytes | Path, data: bytes | mmap) -> tuple[Picture, int]:
    """Return what the header says, and the number of frames.

    Raises whatever Pillow raises, and ValueError: the content type is not one of EXTENSIONS.
    """
    with opened(file, data) as image:
        # A sequence of HEIF images counts as HEIF.
        content_type = (image.get_format_mimetype() or "").removesuffix("-sequence")
        # The survey has counted the pages of a TIFF and the frames of a GIF. Pillow needs quadratic time for a TIFF.
        frames = 1 if image.format in ("TIFF", "GIF") else getattr(image, "n_frames", 1)
        if content_type not in EXTENSIONS:
            raise ValueError(content_type)
        width, height = image.size
        metadata = exif_of(image, data)
        if metadata.swaps_sides:
            width, height = height, width
    return Picture(content_type=content_type, width=width, height=height, taken_at=metadata.taken_at), frames


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

    from chalicelib.pictures import formats

    pillow_heif.register_heif_opener()
    formats.register()
    # Pillow's own limit is off: identify checks MAX_PIXELS before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None
    # A hostile header can cause one warning for each of its entries.
    warnings.filterwarnings("ignore", module="PIL")
    return Image
