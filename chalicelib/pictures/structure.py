"""Estimate how much work a file causes for a decoder, from the structure of its bytes. Pure functions, in linear time.

An image library reads every part of a header when it opens a file. A file of 3 MB can have so many parts that opening
it takes minutes. So the parts are counted first, without an image library.
"""

import struct
from dataclasses import dataclass
from itertools import islice
from mmap import mmap

from chalicelib.pictures.parsers import avif, bmp, boxes, gif, jpeg, png, tiff

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
    if data[:2] == jpeg.MAGIC:
        return _segment_count(data, max_parts), 1
    if data[:8] == png.MAGIC:
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


def _segment_count(data: bytes | mmap, max_parts: int) -> int:
    """Count the segments of a JPEG's header, or the values of its EXIF if that has several segments and more values."""
    segments, blocks = 0, []
    for _, start, stop in islice(jpeg.header(data), max_parts + 1):
        segments += 1
        if jpeg.is_exif(data, start):
            blocks.append(data[start + 10 : stop])
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
    chunks, frames, expected = 0, 0, len(data) // _BYTES_PER_CHUNK
    for chunk in png.chunks(data):
        chunks += 1
        if chunk.name == b"fcTL":
            frames += 1
            expected += _CHUNKS_PER_FRAME
        if chunks - expected > max_parts or frames > max_pages:
            break
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
