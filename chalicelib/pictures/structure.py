"""Estimate how much work a file causes for a decoder, from the structure of its bytes. Pure functions, in linear time.

An image library reads every part of a header when it opens a file. A file of 3 MB can have so many parts that opening
it takes minutes. So the parts are counted first, without an image library.
"""

import struct
from dataclasses import dataclass
from itertools import islice
from mmap import mmap

from chalicelib.pictures import jpeg, png

# The first bytes of a TIFF -> its byte order, as the struct module spells it (TIFF 6.0 section 2).
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_BIG_TIFF = {b"II+\0": "<", b"MM\0+": ">"}

_GIF = (b"GIF87a", b"GIF89a")
_EXTENSION, _FRAME = b"!", b","  # the first byte of a GIF's block


@dataclass(frozen=True, slots=True)
class Survey:
    """The number of parts and pages of a file. A number above its limit is counted only as the limit plus one."""

    parts: int  # segments of a JPEG's header, entries of the longest directory of a TIFF; 0 for other formats
    pages: int  # pages of a TIFF, frames of a GIF or PNG; 1 for other formats


def survey(data: bytes | mmap, *, max_parts: int, max_pages: int) -> Survey:
    """Count the parts of a JPEG's or a TIFF's header, a TIFF's pages, and the frames of a GIF or PNG.

    The headers of other formats have too few parts to matter.
    Raises struct.error, IndexError, OverflowError: the header is cut off, or an offset points outside the file.
    """
    if data[:2] == jpeg.MAGIC:
        return Survey(sum(1 for _ in islice(jpeg.header(data), max_parts + 1)), 1)
    if data[:8] == png.MAGIC:
        return Survey(0, png.count_frames(data, max_pages))
    if data[:4] in _TIFF:
        return _directories(data, _TIFF[data[:4]], False, max_parts, max_pages)
    if data[:4] in _BIG_TIFF:
        return _directories(data, _BIG_TIFF[data[:4]], True, max_parts, max_pages)
    if data[:6] in _GIF:
        return Survey(0, _frames(data, max_pages))
    return Survey(0, 1)


def _directories(data: bytes | mmap, order: str, big: bool, max_parts: int, max_pages: int) -> Survey:
    """Follow the chain of directories. Each directory is a count, its entries, and the offset of the next directory."""
    count_form, offset_form, entry_bytes = (order + "Q", order + "Q", 20) if big else (order + "H", order + "I", 12)
    (offset,) = struct.unpack_from(offset_form, data, 8 if big else 4)
    parts = pages = 0
    while offset and parts <= max_parts and pages <= max_pages:
        (entries,) = struct.unpack_from(count_form, data, offset)
        parts, pages = max(parts, entries), pages + 1
        (offset,) = struct.unpack_from(offset_form, data, offset + struct.calcsize(count_form) + entries * entry_bytes)
    return Survey(min(parts, max_parts + 1), pages)


def _frames(data: bytes | mmap, limit: int) -> int:
    """Count the frames of a GIF, up to `limit` plus one (GIF89a appendix A).

    Stops at the trailer, and at the first byte that begins no block.
    """
    count, position = 0, 13 + _color_table_bytes(data[10])
    try:
        while count <= limit:
            kind = data[position : position + 1]
            if kind == _FRAME:
                count += 1
                # After the frame's descriptor and its colour table, one byte has the initial size of the codes.
                position += 10 + _color_table_bytes(data[position + 9]) + 1
            elif kind == _EXTENSION:
                position += 2
            else:
                return count
            while length := data[position]:
                position += 1 + length
            position += 1
    except IndexError:  # the file ends within a frame, which a decoder may still decode in part
        return count
    return count


def _color_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
