"""How much a header makes a parser do, found without parsing it: pure, and linear in its size.

Image libraries read every part of a header when they open a file. A file of 3 MB can have enough parts to keep one busy
for minutes.
"""

import struct
from dataclasses import dataclass

_TIFF = {b"II*\0": "<", b"MM\0*": ">"}  # TIFF 6.0 section 2
_BIG_TIFF = {b"II+\0": "<", b"MM\0+": ">"}

_ALONE = {0x01, *range(0xD0, 0xD9)}  # JPEG markers without a length (ITU-T T.81 table B.1)
_START_OF_SCAN = 0xDA


@dataclass(frozen=True, slots=True)
class Survey:
    """What lies before the pixels; each counted no further than one past its limit."""

    parts: int  # segments of a JPEG, entries of a TIFF's longest directory
    pages: int  # of a TIFF; 1 for what has none


def survey(data: bytes, *, most_parts: int, most_pages: int) -> Survey:
    """Count the parts of a JPEG's or a TIFF's header; other formats have too few to matter.

    Raises struct.error, IndexError, OverflowError: the header ends before it should, or leads nowhere.
    """
    if data.startswith(b"\xff\xd8"):
        return Survey(_segments(data, most_parts), 1)
    if data[:4] in _TIFF:
        return _directories(data, _TIFF[data[:4]], False, most_parts, most_pages)
    if data[:4] in _BIG_TIFF:
        return _directories(data, _BIG_TIFF[data[:4]], True, most_parts, most_pages)
    return Survey(0, 1)


def _segments(data: bytes, most: int) -> int:
    count, position = 0, 2
    while count <= most:
        position = data.find(b"\xff", position)
        if position < 0:
            return count
        count += 1
        marker = data[position + 1]
        if marker == _START_OF_SCAN:
            return count
        if marker in _ALONE:
            position += 2
        elif marker in (0x00, 0xFF):  # stuffing, filling
            position += 1
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            position += 2 + length
    return count


def _directories(data: bytes, order: str, big: bool, most_parts: int, most_pages: int) -> Survey:
    """Walk the chain of directories: each a count, its entries, and the offset of the next one."""
    count_form, offset_form, entry_bytes = (order + "Q", order + "Q", 20) if big else (order + "H", order + "I", 12)
    (offset,) = struct.unpack_from(offset_form, data, 8 if big else 4)
    parts = pages = 0
    while offset and parts <= most_parts and pages <= most_pages:
        (entries,) = struct.unpack_from(count_form, data, offset)
        parts, pages = max(parts, entries), pages + 1
        (offset,) = struct.unpack_from(offset_form, data, offset + struct.calcsize(count_form) + entries * entry_bytes)
    return Survey(min(parts, most_parts + 1), pages)
