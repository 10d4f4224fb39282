"""Estimate how much work a file causes for a decoder, from the structure of its bytes. Pure functions, in linear time.

An image library reads every part of a header when it opens a file. A file of 3 MB can have so many parts that opening
it takes minutes. So the parts are counted first, without an image library.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from mmap import mmap

# The first bytes of a TIFF -> its byte order, as the struct module spells it (TIFF 6.0 section 2).
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_BIG_TIFF = {b"II+\0": "<", b"MM\0+": ">"}

# JPEG markers (ITU-T T.81 table B.1).
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_START_OF_SCAN = 0xDA
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_SCAN = bytes((0xFF, _START_OF_SCAN))

_GIF = (b"GIF87a", b"GIF89a")
_EXTENSION, _FRAME = b"!", b","  # the first byte of a GIF's block


@dataclass(frozen=True, slots=True)
class Survey:
    """The number of parts and pages of a file. A number above its limit is counted only as the limit plus one."""

    parts: int  # segments of a JPEG's header, entries of the longest directory of a TIFF; 0 for other formats
    pages: int  # pages of a TIFF, frames of a GIF; 1 for other formats


def survey(data: bytes | mmap, *, max_parts: int, max_pages: int) -> Survey:
    """Count the parts of a JPEG's or a TIFF's header, a TIFF's pages and a GIF's frames.

    The headers of other formats have too few parts to matter.
    Raises struct.error, IndexError, OverflowError: the header is cut off, or an offset points outside the file.
    """
    if data[:2] == b"\xff\xd8":
        return Survey(sum(1 for _ in islice(_segments(data), max_parts + 1)), 1)
    if data[:4] in _TIFF:
        return _directories(data, _TIFF[data[:4]], False, max_parts, max_pages)
    if data[:4] in _BIG_TIFF:
        return _directories(data, _BIG_TIFF[data[:4]], True, max_parts, max_pages)
    if data[:6] in _GIF:
        return Survey(0, _frames(data, max_pages))
    return Survey(0, 1)


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
