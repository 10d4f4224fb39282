"""How a picture lies and when it was taken, as its EXIF says: pure, and nothing else of it is read, so no place either.

EXIF is laid out as a TIFF is: a header, and directories of entries (CIPA DC-008 section 4.5, TIFF 6.0 section 2).
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from mmap import mmap

_MARK = b"Exif\0\0"  # before the header in a JPEG
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}

_ORIENTATION = 0x0112
_EXIF_DIRECTORY = 0x8769
_DATE_TIME_ORIGINAL = 0x9003
_OFFSET_TIME_ORIGINAL = 0x9011

_ASCII, _SHORT, _LONG = 2, 3, 4
_LONGEST_TEXT = 64

_TIME = re.compile(rb"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)\0*")
_OFFSET = re.compile(rb"([+-]([01]\d|2[0-3]):[0-5]\d)\0*")

_Entries = Mapping[int, tuple[int, int, bytes]]  # by tag: type, count, value or where it is


@dataclass(frozen=True, slots=True)
class Exif:
    """What EXIF says that is used; the defaults are those of a picture without."""

    orientation: int = 1  # 1 to 8: how the stored pixels are to be turned
    taken_at: str | None = None  # RFC 3339 with its offset, or local time without one where none is known


def read(block: bytes | mmap) -> Exif:
    """What a block of EXIF says, with its mark or without; what is missing or broken counts as not said."""
    start = len(_MARK) if block[: len(_MARK)] == _MARK else 0
    order = _ORDERS.get(block[start : start + 4])
    if order is None:
        return Exif()
    main = _entries(block, start, order, _number(block[start + 4 : start + 8], order, "I"))
    orientation = _short(main, _ORIENTATION, order)
    kind, _, where = main.get(_EXIF_DIRECTORY, (0, 0, b""))
    own = _entries(block, start, order, _number(where, order, "I")) if kind == _LONG else {}
    time = _text(block, start, order, own.get(_DATE_TIME_ORIGINAL))
    offset = _text(block, start, order, own.get(_OFFSET_TIME_ORIGINAL))
    return Exif(orientation if orientation in range(1, 9) else 1, _time(time, offset))


def _entries(block: bytes | mmap, start: int, order: str, offset: int) -> _Entries:
    """The entries of a directory, as far as the block has them."""
    first = start + offset + 2
    last = first + 12 * _number(block[first - 2 : first], order, "H")
    directory = block[first : min(last, len(block))]
    whole = directory[: len(directory) // 12 * 12]
    return {tag: (kind, count, value) for tag, kind, count, value in struct.iter_unpack(order + "HHI4s", whole)}


def _number(data: bytes, order: str, form: str) -> int:
    """A number; 0 where the block has ended."""
    number: int = struct.unpack(order + form, data)[0] if len(data) == struct.calcsize(form) else 0
    return number


def _short(entries: _Entries, tag: int, order: str) -> int:
    kind, _, value = entries.get(tag, (0, 0, b""))
    return _number(value[:2], order, "H") if kind == _SHORT else 0


def _text(block: bytes | mmap, start: int, order: str, entry: tuple[int, int, bytes] | None) -> bytes:
    kind, count, value = entry or (0, 0, b"")
    if kind != _ASCII or count > _LONGEST_TEXT:
        return b""
    at = start + _number(value, order, "I")
    return value[:count] if count <= 4 else block[at : at + count]


def _time(text: bytes, offset: bytes) -> str | None:
    found, known = _TIME.fullmatch(text), _OFFSET.fullmatch(offset)
    if found is None:
        return None
    time = "{}-{}-{}T{}".format(*(part.decode() for part in found.groups()))
    try:
        datetime.fromisoformat(time)
    except ValueError:  # a day that there is not
        return None
    return time + (known[1].decode() if known else "")
