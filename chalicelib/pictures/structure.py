"""How much a header makes a parser do, found without parsing it: pure, and linear in its size.

Image libraries read every part of a header when they open a file. A file of 3 MB can have enough parts to keep one busy
for minutes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from mmap import mmap

_TIFF = {b"II*\0": "<", b"MM\0*": ">"}  # TIFF 6.0 section 2
_BIG_TIFF = {b"II+\0": "<", b"MM\0+": ">"}

_ALONE = {0x01, *range(0xD0, 0xD9)}  # JPEG markers without a length (ITU-T T.81 table B.1)
_START_OF_SCAN = 0xDA
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_SCAN = bytes((0xFF, _START_OF_SCAN))

_GIF = (b"GIF87a", b"GIF89a")
_EXTENSION, _FRAME = b"!", b","  # what a GIF's blocks begin with


@dataclass(frozen=True, slots=True)
class Survey:
    """What lies before the pixels; each counted no further than one past its limit."""

    parts: int  # segments of a JPEG, entries of a TIFF's longest directory
    pages: int  # of a TIFF, or frames of a GIF; 1 for what has none


def survey(data: bytes | mmap, *, most_parts: int, most_pages: int) -> Survey:
    """Count the parts of a JPEG's or a TIFF's header, and a GIF's frames; other formats have too few to matter.

    Raises struct.error, IndexError, OverflowError: the header ends before it should, or leads nowhere.
    """
    if data[:2] == b"\xff\xd8":
        return Survey(sum(1 for _ in islice(_segments(data), most_parts + 1)), 1)
    if data[:4] in _TIFF:
        return _directories(data, _TIFF[data[:4]], False, most_parts, most_pages)
    if data[:4] in _BIG_TIFF:
        return _directories(data, _BIG_TIFF[data[:4]], True, most_parts, most_pages)
    if data[:6] in _GIF:
        return Survey(0, _frames(data, most_pages))
    return Survey(0, 1)


def scans(data: bytes | mmap, most: int) -> int:
    """How many scans a JPEG may have, no further than one past `most`: a decoder passes over all pixels for each.

    A marker can't come by chance within a scan; one within metadata, or in a further picture, counts too.
    """
    count, position = 0, data.find(_SCAN)
    while position >= 0 and count <= most:
        count, position = count + 1, data.find(_SCAN, position + 2)
    return count


def is_in_one_scan(data: bytes | mmap) -> bool:
    """Whether a JPEG's only scan has all of its components, so that a decoder needs to hold no more than a few rows.

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
    """The markers of a JPEG up to its first scan, and where each is; stuffing and filling are taken for some."""
    position = 2
    while True:
        position = data.find(b"\xff", position)
        if position < 0:
            return
        marker = data[position + 1]
        yield marker, position
        if marker == _START_OF_SCAN:
            return
        if marker in _ALONE:
            position += 2
        elif marker in (0x00, 0xFF):  # stuffing, filling
            position += 1
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            position += 2 + length


def _directories(data: bytes | mmap, order: str, big: bool, most_parts: int, most_pages: int) -> Survey:
    """Walk the chain of directories: each a count, its entries, and the offset of the next one."""
    count_form, offset_form, entry_bytes = (order + "Q", order + "Q", 20) if big else (order + "H", order + "I", 12)
    (offset,) = struct.unpack_from(offset_form, data, 8 if big else 4)
    parts = pages = 0
    while offset and parts <= most_parts and pages <= most_pages:
        (entries,) = struct.unpack_from(count_form, data, offset)
        parts, pages = max(parts, entries), pages + 1
        (offset,) = struct.unpack_from(offset_form, data, offset + struct.calcsize(count_form) + entries * entry_bytes)
    return Survey(min(parts, most_parts + 1), pages)


def _frames(data: bytes | mmap, most: int) -> int:
    """Walk the blocks of a GIF (GIF89a appendix A): up to its trailer, or to where it stops being one."""
    count, position = 0, 13 + _color_table_bytes(data[10])
    try:
        while count <= most:
            kind = data[position : position + 1]
            if kind == _FRAME:
                count += 1
                # After the descriptor and its colours, the byte that says how long codes are at first.
                position += 10 + _color_table_bytes(data[position + 9]) + 1
            elif kind == _EXTENSION:
                position += 2
            else:
                return count
            while length := data[position]:
                position += 1 + length
            position += 1
    except IndexError:  # it ends in a frame, which a decoder may still make something of
        return count
    return count


def _color_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
