"""The image types that the service accepts: how files of them begin, and the extensions of their names."""

import re
from typing import BinaryIO

ACCEPTED_NAMES = "JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP or HEIC"

_HEADER_BYTES = 12

# For HEIF and AVIF: the major brand of the file (ISO/IEC 14496-12, "ftyp"), as the service reads it.
_SIGNATURES = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"(II[*+]\0|MM\0[*+])"), "image/tiff"),
    (re.compile(rb"BM"), "image/bmp"),
    (re.compile(rb".{4}ftypavi[fs]", re.DOTALL), "image/avif"),
    (re.compile(rb".{4}ftyphe(i[cxms]|v[cxms])", re.DOTALL), "image/heic"),
    (re.compile(rb".{4}ftypm[is]f1", re.DOTALL), "image/heif"),
)

# The usual extension of each content type that the service stores or makes.
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
# Other extensions in use for a content type.
_ALIASES = {
    ".jpg": {".jpeg", ".jpe", ".jfif"},
    ".tiff": {".tif"},
    ".bmp": {".dib"},
    ".heic": {".heif", ".hif"},
    ".heif": {".heic", ".hif"},
}


def content_type(file: BinaryIO) -> str | None:
    """Return the content type of an image file, or None if it is not an image of an accepted type.

    The file is read from its present position, which does not change.
    """
    start = file.tell()
    header = file.read(_HEADER_BYTES)
    file.seek(start)
    return next((name for pattern, name in _SIGNATURES if pattern.match(header)), None)


def is_extension(suffix: str) -> bool:
    """Whether a suffix such as `.JPG` is in use for one of the types."""
    return any(is_same_extension(suffix, extension) for extension in EXTENSIONS.values())


def is_same_extension(suffix: str, extension: str) -> bool:
    """Whether a suffix is in use for the type that has an extension of EXTENSIONS."""
    return suffix.lower() in {extension, *_ALIASES.get(extension, ())}
