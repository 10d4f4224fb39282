"""Estimate how much work a file causes for a decoder, from the structure of its bytes. Pure functions, in linear time.

An image library reads every part of a header when it opens a file. A file of 3 MB can have so many parts that opening
it takes minutes. So the parts are counted first, without an image library.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from mmap import mmap

from chalicelib.pictures import avif, bmp, boxes, exif, gif, tiff

# JPEG markers (ITU-T T.81 table B.1).
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_START_OF_SCAN = 0xDA
_APP1 = 0xE1
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_SCAN = bytes((0xFF, _START_OF_SCAN))

_PNG = b"\x89PNG\r\n\x1a\n"
# What a PNG has without being crafted: three chunks for each frame, and chunks of more than a kilobyte.
_CHUNKS_PER_FRAME = 3
_BYTES_PER_CHUNK = 1_024


@dataclass(frozen=True, slots=True)
class Survey:
    """The number of parts, pages and blocks of a file. Parts or pages above their limit count as the limit plus one."""

    parts: int  # of the header: segments of a JPEG, values of a TIFF, extensions of a GIF, chunks, boxes
    pages: int = 1  # pages of a TIFF, frames of an animation
    blocks: int = 1  # strips or tiles of a TIFF


def survey(data: bytes | mmap, *, max_parts: int, max_pages: int) -> Survey:
    """Count the parts of a file that an image library reads when it opens the file. A BMP has no such parts.

    Raises struct.error, IndexError, OverflowError, ValueError: the header is cut off, or it contradicts itself.
    """
    parts, pages, *blocks = _counted(data, max_parts, max_pages)
    return Survey(min(parts, max_parts + 1), min(pages, max_pages + 1), *blocks)


def _counted(data: bytes | mmap, max_parts: int, max_pages: int) -> tuple[int, ...]:
    """Return the numbers of parts and pages and, of a TIFF, of blocks. A count stops soon after its limit."""
    if data[:2] == b"\xff\xd8":
        return _segment_count(data, max_parts), 1
    if data[:8] == _PNG:
        return _chunks(data, max_parts, max_pages)
    if data[:6] in gif.MAGIC:
        return gif.survey(data, max_parts=max_parts, max_pages=max_pages)
    if data[:4] == b"RIFF":
        return _riff_chunks(data, max_parts, max_pages)
    if form := tiff.layout(data):
        return tiff.survey(data, form, max_parts=max_parts, max_pages=max_pages)
    if boxes.is_file(data):
        parts, frames = boxes.survey(data, max_parts=max_parts)
        metadata = avif.exif_blocks(data) if parts <= max_parts else ()
        return max(parts, *(_exif_values(block, max_parts) for block in metadata), 0), frames
    return 0, 1


def kind(data: bytes | mmap) -> tuple[str, str]:
    """Return the format of a BMP or TIFF, and how it stores its pixels, in words.

    Both are empty if the file is neither, or its header is cut off.
    """
    try:
        if data[:2] == bmp.MAGIC:
            return "BMP", bmp.kind(data)
        form = tiff.layout(data)
        return ("TIFF", tiff.kind(data, form)) if form else ("", "")
    except (struct.error, OverflowError):
        return "", ""


def count_scans(data: bytes | mmap, limit: int) -> int:
    """Count the scans of a JPEG, up to `limit` plus one. A decoder passes over all pixels once for each scan.

    The count may be too high: the marker of a scan also counts in metadata and in a further picture of the file. It
    can't occur by chance within a scan.
    """
    count, position = 0, data.find(_SCAN)
    while position >= 0 and count <= limit:
        count, position = count + 1, data.find(_SCAN, position + 2)
    return count


def is_in_one_scan(data: bytes | mmap) -> bool:
    """Whether the first scan of a JPEG has all of the picture. Then a decoder holds only a few rows at a time.

    Such a JPEG is not progressive, and its first scan has all components.
    Raises struct.error, IndexError: see survey.
    """
    components, progressive = 0, False
    for marker, position in _segments(data):
        if marker in _FRAME_HEADERS:
            components, progressive = data[position + 9], marker in _PROGRESSIVE
        if marker == _START_OF_SCAN:
            return not progressive and data[position + 4] == components
    return False


def _segments(data: bytes | mmap) -> Iterator[tuple[int, int]]:
    """Yield the markers of a JPEG up to its first scan, each with its position.

    Stuffed zeros and fill bytes count as markers, so that a file can't have too many of them either.
    """
    position = 2
    while True:
        position = data.find(b"\xff", position)
        if position < 0:
            return
        marker = data[position + 1]
        yield marker, position
        if marker == _START_OF_SCAN:
            return
        if marker in _WITHOUT_LENGTH:
            position += 2
        elif marker in (0x00, 0xFF):  # a stuffed zero or a fill byte
            position += 1
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            position += 2 + length


def _segment_count(data: bytes | mmap, max_parts: int) -> int:
    """Count the segments of a JPEG's header, or the values of its EXIF if that has several segments and more values."""
    segments, blocks = 0, []
    for marker, position in islice(_segments(data), max_parts + 1):
        segments += 1
        if marker == _APP1 and data[position + 4 : position + 10] == exif.IDENTIFIER:
            (length,) = struct.unpack_from(">H", data, position + 2)
            blocks.append(data[position + 10 : position + 2 + length])
    # One segment has too few bytes to matter.
    return max(segments, _exif_values(b"".join(blocks), max_parts)) if len(blocks) > 1 else segments


def _exif_values(block: bytes, max_parts: int) -> int:
    """Return the number of values of an EXIF block that an image library reads; 0: the block is broken."""
    form = tiff.layout(block)
    try:
        return tiff.survey(block, form, max_parts=max_parts, max_pages=1)[0] if form else 0
    except (struct.error, OverflowError):
        return 0


def _chunks(data: bytes | mmap, max_parts: int, max_pages: int) -> tuple[int, int]:
    """Return the numbers of parts and frames of a PNG (PNG specification section 5.3).

    Parts are the chunks beyond 3 for each frame and one for each kilobyte of the file. A PNG that is cut off has fewer.
    """
    position, chunks, frames = len(_PNG), 0, 0
    expected = len(data) // _BYTES_PER_CHUNK
    while position + 8 <= len(data) and chunks - expected <= max_parts and frames <= max_pages:
        length, name = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        chunks += 1
        if name == b"fcTL":
            frames += 1
            expected += _CHUNKS_PER_FRAME
    return max(0, chunks - expected), max(1, frames)


def _riff_chunks(data: bytes | mmap, max_parts: int, max_pages: int) -> tuple[int, int]:
    """Return the numbers of chunks other than frames, and of frames, of a WebP (RFC 9649 section 2.3)."""
    position, chunks, frames = 12, 0, 0
    while position + 8 <= len(data) and chunks <= max_parts and frames <= max_pages:
        name, length = struct.unpack_from("<4sI", data, position)
        position += 8 + length + length % 2
        if name == b"ANMF":
            frames += 1
        else:
            chunks += 1
    return chunks, max(1, frames)
