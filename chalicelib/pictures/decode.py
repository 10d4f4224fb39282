"""Decode the first frame of a picture at a smaller size: upright, in sRGB, without metadata.

Decoding touches as few pixels as possible. A JPEG is decoded at a fraction of its size (a "draft"). Then the picture is
shrunk in its own mode, and only the small picture is turned upright and converted to sRGB.

The file is not trusted. What decoding will take is estimated from the header and checked first. Whatever the decoder
raises is the file's fault, except a lack of memory and errors of reading.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.config import settings
from chalicelib.pictures import identify, transparency
from chalicelib.pictures.exif import Exif
from chalicelib.pictures.parsers import jpeg, png

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_MAX_SCANS = 100  # of a JPEG: cameras and libraries write up to about twenty
_BAND_PIXELS = 1_000_000  # pixels that are converted at once while a picture is averaged

# Measured bytes of memory per pixel while a picture is decoded and shrunk, by Pillow's name of the format. They include
# the 4 bytes per pixel of Pillow itself and the buffers of its codecs, and apply to every mode.
_PIXEL_BYTES = {"WEBP": 17, "AVIF": 15, "HEIF": 15, "TIFF": 12}
_OTHER_PIXEL_BYTES = 6
_PREMULTIPLIED_BYTES = 6  # added per pixel for a transparent picture that is resized in one step

# CGATS001Compat-v2-micro.icc of github.com/saucecontrol/Compact-ICC-Profiles, which is in the public domain (CC0).
_CMYK_PROFILE = Path(__file__).with_name("cmyk.icc")

# EXIF orientation -> the member of Pillow's Transpose that turns the stored pixels upright (EXIF 2.32 section 4.6.4).
_TRANSPOSITIONS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


class Undecodable(Exception):
    """The file can't be decoded, and another attempt would not help. The message is a sentence for the owner."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The first frame of a picture, and what its file says about it."""

    pixels: "Image"  # upright, sRGB, without metadata; its mode is RGBA if the picture is transparent, else RGB
    exif: Exif
    animated: bool


def decode(path: Path, size: tuple[int, int]) -> Decoded:
    """Return the first frame of a file at a size, which is upright and not larger than the picture.

    Raises Undecodable: the file is damaged, or decoding it takes more than MAX_DECODED_BYTES or too many scans.
    Raises OSError: the file can't be read. Raises MemoryError: the machine has not enough memory.
    """
    with _blaming_the_file(), identify.mapped(path) as data, identify.opened(path, data) as image:
        exif = identify.exif_of(image, data)
        animated = image.format in ("GIF", "WEBP", "AVIF") and bool(getattr(image, "is_animated", False))
        if image.format == "PNG":
            animated = png.count_frames(data, 1) > 1
        profile = image.info.get("icc_profile")
        stored_size = size[::-1] if exif.swaps_sides else size
        _draft_and_check_cost(image, data, stored_size)
        pixels = _first_frame(image, data, stored_size)
    return Decoded(_in_srgb(_upright(pixels, exif.orientation), profile), exif, animated)


def shrinking_filter() -> Any:
    """Return the filter of Pillow that shrinks pictures.

    Hamming takes half of the time of Lanczos. The results differ by 34 to 44 dB, about as much as encoding changes.
    """
    return identify.pillow().Resampling.HAMMING


@contextmanager
def _blaming_the_file() -> Iterator[None]:
    """Raise Undecodable for any exception, because decoders of hostile bytes may raise every type of exception.

    Two exceptions are the machine's: lets MemoryError through, and OSError with an errno (the file can't be read).
    """
    try:
        yield
    except (Undecodable, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        if "out of memory" in str(error):  # Pillow's message if a codec can't allocate memory
            raise MemoryError(str(error)) from error
        raise Undecodable(_sentence(error)) from error
    except Exception as error:
        raise Undecodable(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, EOFError) or re.search("truncated|premature|end of file", str(error), re.IGNORECASE):
        return "The file is truncated: its picture is incomplete."
    return "The picture can't be decoded: its data is broken."


def _draft_and_check_cost(image: "ImageFile", data: bytes | mmap, size: tuple[int, int]) -> None:
    """Let a JPEG be decoded at a fraction of its size, and check that decoding takes neither too much memory nor time.

    Raises Undecodable: it takes more than MAX_DECODED_BYTES, or a JPEG has more than _MAX_SCANS scans.
    """
    coefficient_bytes = 0
    if image.format == "JPEG":
        if not jpeg.is_in_one_scan(data):  # then the decoder holds all coefficients, at full size
            if jpeg.count_scans(data, _MAX_SCANS) > _MAX_SCANS:
                raise Undecodable(f"The JPEG has more than {_MAX_SCANS} scans, which is the limit.")
            coefficient_bytes = 2 * len(image.getbands()) * image.width * image.height
        # Only for a JPEG. For a HEIF, a draft is the embedded preview, which may show something else. The height is one
        # pixel less than the target's, because the target's height is rounded.
        image.draft(None, (size[0], max(1, size[1] - 1)))
    pixel_bytes = _PIXEL_BYTES.get(str(image.format), _OTHER_PIXEL_BYTES)
    if image.has_transparency_data and _reduction(image, size) == 1:
        pixel_bytes += _PREMULTIPLIED_BYTES
    if image.format == "PNG":
        pixel_bytes += transparency.extra_bytes(image, data)
    needed, limit = coefficient_bytes + pixel_bytes * image.width * image.height, settings().max_decoded_bytes
    if needed > limit:
        raise Undecodable(
            f"Decoding the picture takes about {needed // 1_000_000:,} MB of memory, but the limit is "
            f"{limit // 1_000_000:,} MB (MAX_DECODED_BYTES)."
        )


def _first_frame(image: "ImageFile", data: bytes | mmap, size: tuple[int, int]) -> "Image":
    """Return the first frame at a size, not yet turned upright, in mode L, LA, RGB, RGBA, CMYK or LAB."""
    announced = image.size
    image.load()
    if image.size != announced:
        raise Undecodable(
            f"The picture has {image.width} x {image.height} pixels, but its header says "
            f"{announced[0]} x {announced[1]}."
        )
    return _shrunk(transparency.applied(image, data) if image.format == "PNG" else image, size)


def _shrunk(image: "Image", size: tuple[int, int]) -> "Image":
    """Return an image at a size, in a plain mode.

    An image that is at least three times as large is averaged first. That happens band by band, so that there is no
    second copy of the whole image in another mode.
    """
    from chalicelib.pictures import formats

    if image.mode in ("I", "F") and formats.MASKS not in image.info:
        image = _stretched(image)
    factor = _reduction(image, size)
    if factor == 1:
        return _plain(image).resize(size, shrinking_filter())
    rows = max(1, _BAND_PIXELS // (image.width * factor)) * factor
    mode = _plain(image.crop((0, 0, 1, 1))).mode
    reduced: Image = identify.pillow().new(mode, (-(-image.width // factor), -(-image.height // factor)))
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(image.height, top + rows)))
        reduced.paste(_plain(band).reduce(factor), (0, top // factor))
    return reduced.resize(size, shrinking_filter(), box=(0, 0, image.width / factor, image.height / factor))


def _reduction(image: "Image", size: tuple[int, int]) -> int:
    """Return the factor by which an image is averaged before it is resized; 1: it is not averaged.

    The averaged image is still at least one and a half times as large as the target, for the better filter to work on.
    """
    return max(1, min(2 * image.width // (3 * size[0]), 2 * image.height // (3 * size[1])))


def _plain(image: "Image") -> "Image":
    """Return an image in a mode that can be resized: without palette, 8 bits per channel."""
    from chalicelib.pictures import formats

    if converted := formats.converted(image):
        return converted
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255. Half a unit is added because the conversion to L truncates.
        grey = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
        if "transparency" in image.info:
            grey.putalpha(transparency.alpha_of_grey(image, grey.info.pop("transparency")))
        image = grey
    if image.mode == "La":
        return image.convert("LA")
    if image.mode != "LA" and image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode == "L":
        return formats.white_is_light(image)
    if image.mode in ("L", "LA", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _stretched(image: "Image") -> "Image":
    """Return an image of 32-bit integers or floats in 8 bits: its lowest value becomes black, its highest white.

    Such an image does not define which values are black and white.
    """
    extrema: Any = image.getextrema()
    low, high = extrema
    scale = 255 / (high - low) if high > low else 0.0
    return image.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


def _upright(image: "Image", orientation: int) -> "Image":
    if orientation == 1:
        return image
    from PIL.Image import Transpose

    return image.transpose(Transpose[_TRANSPOSITIONS[orientation]])


def _in_srgb(image: "Image", profile: bytes | None) -> "Image":
    """Return an image in sRGB, without metadata; in mode RGBA if it is transparent, else RGB.

    Colours are converted from the image's ICC profile. Without a usable profile, grey and RGB count as sRGB already,
    and CMYK as inks of a web offset press (SWOP), as in Photoshop.
    """
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if alpha is not None:
        image = image.convert(image.mode[:-1])
    converted = _by_profile(image, profile)
    if not converted and image.mode == "CMYK":
        converted = _by_profile(image, _CMYK_PROFILE.read_bytes())
    if not converted:
        converted = image if image.mode == "RGB" else image.convert("RGB")
    if alpha is not None and alpha.getextrema() != (255, 255):
        converted.putalpha(alpha)
    converted.info.clear()
    return converted


def _by_profile(image: "Image", profile: bytes | None) -> "Image | None":
    """Return an image converted from its ICC profile to sRGB, with relative colorimetric intent.

    None: there is no profile, or it is broken or of another kind of colours than the image. LAB needs no profile.
    """
    if not profile and image.mode != "LAB":
        return None
    from PIL import ImageCms

    try:
        embedded = ImageCms.createProfile("LAB") if image.mode == "LAB" else io.BytesIO(profile or b"")
        source = ImageCms.ImageCmsProfile(embedded)
        if image.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        return ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
