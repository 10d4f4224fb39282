"""Recognise the image types that the service accepts, by the first bytes of a file."""

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


def content_type(file: BinaryIO) -> str | None:
    """Return the content type of an image file, or None if it is not an image of an accepted type.

    The file is read from its present position, which does not change.
    """
    start = file.tell()
    header = file.read(_HEADER_BYTES)
    file.seek(start)
    return next((name for pattern, name in _SIGNATURES if pattern.match(header)), None)
