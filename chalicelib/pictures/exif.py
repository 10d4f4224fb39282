"""Read EXIF metadata: the orientation, the time and the place of capture, and facts about the camera. Pure functions.

Serial numbers, names of owners and everything else are not read. EXIF is laid out like a TIFF file: a header, then
directories of entries (CIPA DC-008 section 4.5, TIFF 6.0 section 2). Three directories are read, whatever they say
about further ones, and a bounded part of each value.
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from mmap import mmap

from chalicelib.model import CONTROL, CameraFacts, Location

IDENTIFIER = b"Exif\0\0"  # stands before the header in a JPEG
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}  # the header's first bytes -> byte order, as the struct module spells it

# Tags of entries in the main directory.
_MAKE = 0x010F
_MODEL = 0x0110
_ORIENTATION = 0x0112
_EXIF_DIRECTORY = 0x8769
_GPS_DIRECTORY = 0x8825

# Tags in the directory of EXIF.
_EXPOSURE_TIME = 0x829A
_F_NUMBER = 0x829D
_ISO = 0x8827
_DATE_TIME_ORIGINAL = 0x9003
_OFFSET_TIME_ORIGINAL = 0x9011
_FLASH = 0x9209
_FOCAL_LENGTH = 0x920A
_LENS_MODEL = 0xA434

# Tags in the directory of GPS.
_LATITUDE_REFERENCE = 1
_LATITUDE = 2
_LONGITUDE_REFERENCE = 3
_LONGITUDE = 4

_KNOWN = frozenset(
    {
        *(_MAKE, _MODEL, _ORIENTATION, _EXIF_DIRECTORY, _GPS_DIRECTORY),
        *(_EXPOSURE_TIME, _F_NUMBER, _ISO, _DATE_TIME_ORIGINAL, _OFFSET_TIME_ORIGINAL, _FLASH, _FOCAL_LENGTH),
        *(_LENS_MODEL, _LATITUDE_REFERENCE, _LATITUDE, _LONGITUDE_REFERENCE, _LONGITUDE),
    }
)

_ASCII, _SHORT, _LONG, _RATIONAL = 2, 3, 4, 5  # types of values
_ENTRY_BYTES = 12
_INLINE_BYTES = 4  # a longer value is elsewhere in the block; its entry has its offset
_MAX_TEXT_BYTES = 256
_MAX_TEXT_CHARS = 64
_FLASH_FIRED = 1  # a bit
_ISO_IS_ELSEWHERE = 65_535  # the greatest SHORT: the sensitivity is greater

_TIME = re.compile(rb"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)\0*")
_OFFSET = re.compile(rb"([+-]([01]\d|2[0-3]):[0-5]\d)\0*")

_Entry = tuple[int, int, bytes]  # type, number of values, and the value or its offset
_Entries = Mapping[int, _Entry]  # by tag


@dataclass(frozen=True, slots=True)
class Exif:
    """What EXIF says about a picture. The defaults apply to a picture without EXIF."""

    orientation: int = 1  # 1 to 8: how the stored pixels are to be turned (CIPA DC-008 section 4.6.4)
    taken_at: str | None = None  # RFC 3339 if the offset is known, else local time without an offset
    camera: CameraFacts | None = None  # None: nothing is known
    location: Location | None = None

    @property
    def swaps_sides(self) -> bool:
        """Whether the stored width is the height of the upright picture."""
        return self.orientation >= 5


def read(data: bytes | mmap) -> Exif:
    """Return what a block of EXIF says. The block may begin with the identifier that precedes EXIF in a JPEG.

    A value that is missing or invalid has its default.
    """
    start = len(IDENTIFIER) if data[: len(IDENTIFIER)] == IDENTIFIER else 0
    order = _BYTE_ORDERS.get(data[start : start + 4])
    if order is None:
        return Exif()
    block = _Block(data, start, order)
    main = block.entries(block.number(data[start + 4 : start + 8], "I"))
    own = block.directory(main.get(_EXIF_DIRECTORY))
    orientation = block.short(main.get(_ORIENTATION))
    return Exif(
        orientation if orientation and orientation <= 8 else 1,
        _taken_at(block.ascii(own.get(_DATE_TIME_ORIGINAL)), block.ascii(own.get(_OFFSET_TIME_ORIGINAL))),
        _camera(block, main, own),
        _location(block, block.directory(main.get(_GPS_DIRECTORY))),
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of EXIF. Each method returns an empty value if the block ends too early or an entry has another type."""

    data: bytes | mmap
    start: int  # of the header; offsets count from there
    order: str  # of bytes, as the struct module spells it

    def number(self, data: bytes, form: str) -> int:
        """Return the number that `data` is in a format of the struct module; 0 if it is too short."""
        number: int = struct.unpack(self.order + form, data)[0] if len(data) == struct.calcsize(form) else 0
        return number

    def entries(self, offset: int) -> _Entries:
        """Return the known entries of a directory. A block that is cut off has fewer than the directory's count."""
        first = self.start + offset + 2
        end = first + _ENTRY_BYTES * self.number(self.data[first - 2 : first], "H")
        directory = self.data[first : min(end, len(self.data))]
        whole = directory[: len(directory) // _ENTRY_BYTES * _ENTRY_BYTES]
        entries = struct.iter_unpack(self.order + "HHI4s", whole)
        return {tag: (kind, count, value) for tag, kind, count, value in entries if tag in _KNOWN}

    def directory(self, entry: _Entry | None) -> _Entries:
        """Return the known entries of the directory that an entry leads to."""
        kind, _, offset = entry or (0, 0, b"")
        return self.entries(self.number(offset, "I")) if kind == _LONG else {}

    def short(self, entry: _Entry | None) -> int | None:
        """Return the first number of an entry of one or two of 16 bits."""
        kind, count, value = entry or (0, 0, b"")
        return self.number(value[:2], "H") if kind == _SHORT and count in (1, 2) else None

    def ascii(self, entry: _Entry | None) -> bytes:
        """Return the first bytes of a text."""
        kind, count, value = entry or (0, 0, b"")
        if kind != _ASCII:
            return b""
        return value[:count] if count <= _INLINE_BYTES else self._at(value, min(count, _MAX_TEXT_BYTES))

    def rationals(self, entry: _Entry | None, count: int) -> tuple[float, ...]:
        """Return the `count` numbers of an entry that has that many fractions; none if a denominator is 0."""
        kind, found, value = entry or (0, 0, b"")
        if kind != _RATIONAL or found != count:
            return ()
        parts = self._at(value, 8 * count)
        if len(parts) < 8 * count:
            return ()
        fractions = list(struct.iter_unpack(self.order + "II", parts))
        return tuple(above / below for above, below in fractions) if all(below for _, below in fractions) else ()

    def _at(self, offset: bytes, length: int) -> bytes:
        first = self.start + self.number(offset, "I")
        return self.data[first : first + length]


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


def _camera(block: _Block, main: _Entries, own: _Entries) -> CameraFacts | None:
    iso, flash = block.short(own.get(_ISO)), block.short(own.get(_FLASH))
    facts = CameraFacts(
        make=_text(block.ascii(main.get(_MAKE))),
        model=_text(block.ascii(main.get(_MODEL))),
        lens_model=_text(block.ascii(own.get(_LENS_MODEL))),
        exposure_seconds=_measure(block, own.get(_EXPOSURE_TIME)),
        f_number=_measure(block, own.get(_F_NUMBER)),
        iso=iso if iso not in (0, _ISO_IS_ELSEWHERE) else None,
        focal_length_mm=_measure(block, own.get(_FOCAL_LENGTH)),
        flash=None if flash is None else bool(flash & _FLASH_FIRED),
    )
    return None if facts == CameraFacts() else facts


def _text(data: bytes) -> str | None:
    """Return a text of at most _MAX_TEXT_CHARS without control characters. It ends at the first NUL."""
    text = data.partition(b"\0")[0].decode(errors="ignore")
    return CONTROL.sub("", text).strip()[:_MAX_TEXT_CHARS].strip() or None


def _measure(block: _Block, entry: _Entry | None) -> float | None:
    """Return a fraction to six digits. Cameras write 0 for what they do not know."""
    (number,) = block.rationals(entry, 1) or (0.0,)
    return float(f"{number:.6g}") or None


def _location(block: _Block, gps: _Entries) -> Location | None:
    latitude = _degrees(block, gps.get(_LATITUDE), gps.get(_LATITUDE_REFERENCE), {b"N": 1, b"S": -1}, 90)
    longitude = _degrees(block, gps.get(_LONGITUDE), gps.get(_LONGITUDE_REFERENCE), {b"E": 1, b"W": -1}, 180)
    return None if latitude is None or longitude is None else Location(latitude=latitude, longitude=longitude)


def _degrees(
    block: _Block, entry: _Entry | None, reference: _Entry | None, signs: Mapping[bytes, int], most: int
) -> float | None:
    """Return an angle of degrees, minutes and seconds, to a millionth of a degree: 11 cm. Adding 0.0 removes -0.0."""
    angle, sign = block.rationals(entry, 3), signs.get(block.ascii(reference).rstrip(b"\0"))
    if not angle or sign is None:
        return None
    degrees, minutes, seconds = angle
    whole = degrees + minutes / 60 + seconds / 3600
    return round(sign * whole, 6) + 0.0 if whole <= most and max(minutes, seconds) <= 60 else None
