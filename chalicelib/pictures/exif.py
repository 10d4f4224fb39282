"""Read the orientation and the time of capture from EXIF metadata. Pure functions.

Nothing else is read from EXIF, in particular not where a picture was taken. EXIF is laid out like a TIFF file: a
header, then directories of entries (CIPA DC-008 section 4.5, TIFF 6.0 section 2).
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from mmap import mmap

IDENTIFIER = b"Exif\0\0"  # stands before the header in a JPEG
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}  # the header's first bytes -> byte order, as the struct module spells it

# Tags of entries.
_ORIENTATION = 0x0112
_EXIF_DIRECTORY = 0x8769
_DATE_TIME_ORIGINAL = 0x9003
_OFFSET_TIME_ORIGINAL = 0x9011

_ASCII, _SHORT, _LONG = 2, 3, 4  # types of values
_ENTRY_BYTES = 12
_INLINE_BYTES = 4  # a longer value is elsewhere in the block; its entry has its offset
_MAX_TEXT_BYTES = 64

_TIME = re.compile(rb"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)\0*")
_OFFSET = re.compile(rb"([+-]([01]\d|2[0-3]):[0-5]\d)\0*")

_Entry = tuple[int, int, bytes]  # type, number of values, and the value or its offset
_Entries = Mapping[int, _Entry]  # by tag


@dataclass(frozen=True, slots=True)
class Exif:
    """What EXIF says about a picture. The defaults apply to a picture without EXIF."""

    orientation: int = 1  # 1 to 8: how the stored pixels are to be turned (CIPA DC-008 section 4.6.4)
    taken_at: str | None = None  # RFC 3339 if the offset is known, else local time without an offset

    @property
    def swaps_sides(self) -> bool:
        """Whether the stored width is the height of the upright picture."""
        return self.orientation >= 5


def read(block: bytes | mmap) -> Exif:
    """Return what a block of EXIF says. The block may begin with the identifier that precedes EXIF in a JPEG.

    A value that is missing or invalid has its default.
    """
    start = len(IDENTIFIER) if block[: len(IDENTIFIER)] == IDENTIFIER else 0
    order = _BYTE_ORDERS.get(block[start : start + 4])
    if order is None:
        return Exif()
    main = _entries(block, start, order, _number(block[start + 4 : start + 8], order, "I"))
    orientation = _short(main, _ORIENTATION, order)
    kind, _, offset = main.get(_EXIF_DIRECTORY, (0, 0, b""))
    own = _entries(block, start, order, _number(offset, order, "I")) if kind == _LONG else {}
    time = _text(block, start, order, own.get(_DATE_TIME_ORIGINAL))
    utc_offset = _text(block, start, order, own.get(_OFFSET_TIME_ORIGINAL))
    return Exif(orientation if orientation in range(1, 9) else 1, _taken_at(time, utc_offset))


def _entries(block: bytes | mmap, start: int, order: str, offset: int) -> _Entries:
    """Return the entries of a directory. A block that is cut off has fewer entries than the directory's count."""
    first = start + offset + 2
    end = first + _ENTRY_BYTES * _number(block[first - 2 : first], order, "H")
    directory = block[first : min(end, len(block))]
    whole = directory[: len(directory) // _ENTRY_BYTES * _ENTRY_BYTES]
    return {tag: (kind, count, value) for tag, kind, count, value in struct.iter_unpack(order + "HHI4s", whole)}


def _number(data: bytes, order: str, form: str) -> int:
    """Return the number that `data` is in a format of the struct module; 0 if the block ends before the number does."""
    number: int = struct.unpack(order + form, data)[0] if len(data) == struct.calcsize(form) else 0
    return number


def _short(entries: _Entries, tag: int, order: str) -> int:
    kind, _, value = entries.get(tag, (0, 0, b""))
    return _number(value[:2], order, "H") if kind == _SHORT else 0


def _text(block: bytes | mmap, start: int, order: str, entry: _Entry | None) -> bytes:
    kind, count, value = entry or (0, 0, b"")
    if kind != _ASCII or count > _MAX_TEXT_BYTES:
        return b""
    at = start + _number(value, order, "I")
    return value[:count] if count <= _INLINE_BYTES else block[at : at + count]


def _taken_at(text: bytes, utc_offset: bytes) -> str | None:
    match, offset_match = _TIME.fullmatch(text), _OFFSET.fullmatch(utc_offset)
    if match is None:
        return None
    time = "{}-{}-{}T{}".format(*(part.decode() for part in match.groups()))
    try:
        datetime.fromisoformat(time)
    except ValueError:  # for example the 30th of February
        return None
    return time + (offset_match[1].decode() if offset_match else "")
