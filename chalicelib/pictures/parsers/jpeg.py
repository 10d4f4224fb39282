"""The segments of a JPEG (ITU-T T.81 annex B). Pure functions, in linear time.

What follows the first picture is never read: phones add previews, depth maps and films.
"""

import re
import struct
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

from chalicelib.pictures.parsers.pieces import Piece

MAGIC = b"\xff\xd8"
START_OF_SCAN = 0xDA
FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xDA)}
END_OF_IMAGE = 0xD9
END = bytes((0xFF, END_OF_IMAGE))
_COMMENT = 0xFE
_APPLICATION = range(0xE0, 0xF0)

# A marker after the data of a scan. A stuffed zero, a fill byte and a restart marker are none.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")

# The application segments that change how a picture looks: marker, how the content begins, and its minimum length.
_NEEDED = ((0xE0, b"JFIF\0", 14), (0xE1, b"Exif\0\0", 6), (0xE2, b"ICC_PROFILE\0", 14), (0xEE, b"Adobe", 12))

MAX_SEGMENTS = 10_000  # that are read of one picture; a picture of 100 scans has a few hundred


class Segment(NamedTuple):
    """The bytes `data[start:stop]`: a marker and its content. The data of a scan is not part of its segment."""

    marker: int
    start: int
    stop: int


def segments(data: bytes | mmap) -> Iterator[Segment]:
    """Yield the segments of the first picture, from the one after the first two bytes to the end of the picture.

    Before the first scan, stuffed zeros and fill bytes count as segments, so that a file can't have too many of them.
    Raises struct.error, IndexError: the file ends within a segment.
    """
    position, in_scan = len(MAGIC), False
    while True:
        if in_scan:
            match = _NEXT_MARKER.search(data, position)
            position = match.start() if match else -1
        else:
            position = data.find(b"\xff", position)
        if position < 0:
            return
        marker = data[position + 1]
        if marker in _WITHOUT_LENGTH:
            stop = position + 2
        elif marker in (0x00, 0xFF):
            stop = position + 1
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            stop = position + 2 + length
        yield Segment(marker, position, stop)
        if in_scan and marker == END_OF_IMAGE:
            return
        in_scan = in_scan or marker == START_OF_SCAN
        position = stop


def header(data: bytes | mmap) -> Iterator[Segment]:
    """Yield the segments up to the first scan. Raises struct.error, IndexError: see segments."""
    for segment in segments(data):
        yield segment
        if segment.marker == START_OF_SCAN:
            return


def picture(data: bytes | mmap) -> list[Piece]:
    """Return a JPEG without the segments that decoding does not need, and with a mark at its end.

    Left out are comments and application segments, which may be broken, but for those that change how a picture looks.
    Raises struct.error, IndexError: see segments.
    """
    pieces, stop = [Piece(data, 0, len(MAGIC))], len(data)
    for segment in header(data):
        stop = min(segment.stop, len(data))
        if _is_needed(data, segment):
            pieces.append(Piece(data, segment.start, stop))
    return [*pieces, Piece(data, stop, len(data)), Piece(END, 0, len(END))]


def is_exif(data: bytes | mmap, start: int) -> bool:
    """Whether the segment at a position contains EXIF."""
    return data[start : start + 2] == b"\xff\xe1" and data[start + 4 : start + 10] == b"Exif\0\0"


def count_scans(data: bytes | mmap, limit: int) -> int:
    """Count the scans of a JPEG, up to `limit` plus one. A decoder passes over all pixels once for each scan.

    A picture of more than MAX_SEGMENTS segments counts as one of too many scans.
    """
    count = 0
    try:
        for number, segment in enumerate(segments(data)):
            count += segment.marker == START_OF_SCAN
            if count > limit or number >= MAX_SEGMENTS:
                return limit + 1
    except (struct.error, IndexError):  # the file is cut off between two scans
        return count
    return count


def is_in_one_scan(data: bytes | mmap) -> bool:
    """Whether the first scan of a JPEG has all of the picture. Then a decoder holds only a few rows at a time.

    Such a JPEG is not progressive, and its first scan has all components.
    Raises struct.error, IndexError: see segments.
    """
    components, progressive = 0, False
    for marker, start, _ in header(data):
        if marker in FRAME_HEADERS:
            components, progressive = data[start + 9], marker in _PROGRESSIVE
        if marker == START_OF_SCAN:
            return not progressive and data[start + 4] == components
    return False


def _is_needed(data: bytes | mmap, segment: Segment) -> bool:
    marker, start, stop = segment
    if marker in _APPLICATION:
        content, size = data[start + 4 : start + 16], stop - start - 4
        return any(marker == each and content.startswith(magic) and size >= least for each, magic, least in _NEEDED)
    return marker != _COMMENT and marker not in _WITHOUT_LENGTH and marker not in (0x00, 0xFF)
