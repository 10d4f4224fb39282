"""Read the directories of a TIFF, without an image library. Pure functions.

A directory lists the entries of one page. An entry has a tag, a type, a number of values, and the values or their
offset (TIFF 6.0 section 2; BigTIFF: libtiff.gitlab.io/libtiff/specification/bigtiff.html). EXIF has the same form.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap

# The first bytes of a file -> the byte order, as the struct module spells it.
# Pillow also accepts two wrong spellings.
_CLASSIC = {b"II*\0": "<", b"II\0*": "<", b"MM\0*": ">", b"MM*\0": ">"}
_BIG = {b"II+\0": "<", b"MM\0+": ">"}

# Types of values -> the struct module's letter. Bytes, texts and rational numbers are not read.
_NUMBERS = {3: "H", 4: "I", 16: "Q"}
_BYTES = {1, 2, 6, 7}  # types of which a value is one byte

# Tags.
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
SAMPLES, PLANAR, SAMPLE_FORMAT = 277, 284, 339
_STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_LENGTHS = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_LENGTHS = 322, 323, 324, 325
_COLOR_MAP = 320
_OFFSETS = {_STRIP_OFFSETS, _STRIP_LENGTHS, _TILE_OFFSETS, _TILE_LENGTHS}
_METADATA_DIRECTORIES = (34665, 34853, 40965)  # EXIF, GPS, interoperability
_MAX_COLOR_MAP = 3 << 16
_MAX_OFFSETS = 100_000  # that are read: 10 milliseconds
_WHOLE = (0, 1, 2, 3, 5)  # photometric interpretations in which each pixel has all samples

# Other tags whose values Pillow reads when it opens a file. Each has one value, or one for each sample.
_READ = {*range(254, 267), 274, SAMPLES, 282, 283, PLANAR, 296, 317, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT}
_READ |= {338, SAMPLE_FORMAT, 347, 530, 532, 700, 33723, 34675, *_METADATA_DIRECTORIES}

# Values of tags, in words.
_PHOTOMETRICS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}
_PHOTOMETRICS |= {32_803: "sensor data", 32_844: "LogL", 32_845: "LogLuv"}
_SAMPLE_FORMATS = {1: "unsigned", 2: "signed", 3: "floating point", 5: "complex", 6: "complex"}
_COMPRESSIONS = {1: "not compressed", 2: "CCITT", 3: "CCITT", 4: "CCITT", 5: "LZW", 6: "JPEG", 7: "JPEG", 8: "Deflate"}
_COMPRESSIONS |= {32_773: "PackBits", 34_676: "SGILog", 34_677: "SGILog", 34_712: "JPEG 2000", 34_887: "LERC"}
_COMPRESSIONS |= {34_892: "lossy DNG", 34_925: "LZMA", 50_000: "Zstandard", 50_001: "WebP", 50_002: "JPEG XL"}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a directory."""

    kind: int  # the type of its values
    count: int  # of its values
    value: bytes  # the values if they fit, else their offset


@dataclass(frozen=True, slots=True)
class Layout:
    """How the numbers of a file are stored."""

    order: str  # "<" or ">", as the struct module spells it
    big: bool  # a BigTIFF

    @property
    def first(self) -> int:
        """The position of the offset of the first directory."""
        return 8 if self.big else 4

    @property
    def offset_form(self) -> str:
        """The format of an offset, and of a number of values."""
        return self.order + ("Q" if self.big else "I")

    @property
    def count_form(self) -> str:
        """The format of a number of entries."""
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> struct.Struct:
        """The format of an entry."""
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))


def layout(data: bytes | mmap) -> Layout | None:
    """Return the layout of a file; None: the file is not a TIFF."""
    magic = data[:4]
    order = _CLASSIC.get(magic) or _BIG.get(magic)
    return Layout(order, magic in _BIG) if order else None


def survey(data: bytes | mmap, form: Layout, *, max_parts: int, max_pages: int) -> tuple[int, int, int]:
    """Return the numbers of parts, pages, and strips or tiles. A count stops soon after its limit.

    Parts are the entries of the longest directory, or the values that an image library reads from the first page and
    its metadata. Other values are passed over.
    Raises struct.error, OverflowError: the header is cut off, or an offset points outside the file.
    """
    (offset,) = struct.unpack_from(form.offset_form, data, form.first)
    parts, pages, blocks = 0, 0, 1
    while offset and parts <= max_parts and pages <= max_pages:
        (length,) = struct.unpack_from(form.count_form, data, offset)
        if not pages and length <= max_parts:
            values, blocks = _values(data, form, entries(data, form, offset), max_parts)
            parts = max(parts, values)
        parts, pages = max(parts, length), pages + 1
        after = offset + struct.calcsize(form.count_form) + length * form.entry.size
        (offset,) = struct.unpack_from(form.offset_form, data, after)
    return parts, pages, blocks


def entries(data: bytes | mmap, form: Layout, offset: int) -> Mapping[int, Entry]:
    """Return the entries of the directory at an offset, by tag.

    Raises struct.error, OverflowError: the offset points outside the file.
    """
    (length,) = struct.unpack_from(form.count_form, data, offset)
    first = offset + struct.calcsize(form.count_form)
    found = data[first : first + length * form.entry.size]
    whole = found[: len(found) // form.entry.size * form.entry.size]
    return {tag: Entry(kind, count, value) for tag, kind, count, value in form.entry.iter_unpack(whole)}


def first_page(data: bytes | mmap, form: Layout) -> Mapping[int, Entry]:
    """Return the entries of the first page, by tag.

    Raises struct.error, OverflowError: the offset points outside the file.
    """
    (offset,) = struct.unpack_from(form.offset_form, data, form.first)
    return entries(data, form, offset)


def number(data: bytes | mmap, form: Layout, page: Mapping[int, Entry], tag: int, default: int) -> int:
    """Return the only or first value of an entry; the default if there is none.

    Raises struct.error, OverflowError: the values are outside the file.
    """
    entry = page.get(tag)
    letter = _NUMBERS.get(entry.kind) if entry else None
    if not entry or not letter or not entry.count:
        return default
    if entry.count * struct.calcsize("=" + letter) <= len(entry.value):
        (value,) = struct.unpack_from(form.order + letter, entry.value)
    else:
        (offset,) = struct.unpack(form.offset_form, entry.value)
        (value,) = struct.unpack_from(form.order + letter, data, offset)
    return int(value)


def pixels_end(data: bytes | mmap, form: Layout) -> int:
    """Return a position before which the pixels of the first page do not end.

    It is exact for strips that are not compressed. Otherwise, it is after the first byte of the last strip or tile.
    Raises struct.error, OverflowError: the header is cut off.
    """
    page = first_page(data, form)
    offsets = _block_offsets(data, form, page)
    if not offsets:
        return 0
    width, height, bits, samples = (number(data, form, page, tag, 1) for tag in (WIDTH, HEIGHT, BITS, SAMPLES))
    is_plain = number(data, form, page, COMPRESSION, 1) == 1 and number(data, form, page, PHOTOMETRIC, 0) in _WHOLE
    if _TILE_OFFSETS in page or not is_plain or number(data, form, page, PLANAR, 1) == 2:
        return max(offsets) + 1
    rows = min(height, number(data, form, page, _ROWS_PER_STRIP, height))
    return offsets[-1] + max(0, height - rows * (len(offsets) - 1)) * ((width * bits * samples + 7) // 8)


def _block_offsets(data: bytes | mmap, form: Layout, page: Mapping[int, Entry]) -> tuple[int, ...]:
    """Return where the strips or tiles of a page begin; nothing if the page has no such entry or very many."""
    entry = page.get(_TILE_OFFSETS, page.get(_STRIP_OFFSETS))
    letter = _NUMBERS.get(entry.kind) if entry else None
    if not entry or not letter or entry.count > _MAX_OFFSETS:
        return ()
    values = struct.Struct(f"{form.order}{entry.count}{letter}")
    if values.size <= len(entry.value):
        return values.unpack_from(entry.value)
    (offset,) = struct.unpack(form.offset_form, entry.value)
    return values.unpack_from(data, offset)


def kind(data: bytes | mmap, form: Layout) -> str:
    """Return how the first page stores its pixels, in words.

    Raises struct.error, OverflowError: the offset points outside the file.
    """
    page = first_page(data, form)
    photometric, compression = number(data, form, page, PHOTOMETRIC, 0), number(data, form, page, COMPRESSION, 1)
    samples, sample_format = number(data, form, page, SAMPLES, 1), number(data, form, page, SAMPLE_FORMAT, 1)
    layout = "separate planes, " if number(data, form, page, PLANAR, 1) == 2 else ""
    variant = ("big-endian BigTIFF, " if form.order == ">" else "BigTIFF, ") if form.big else ""
    return (
        f"{variant}{_PHOTOMETRICS.get(photometric, f'photometric interpretation {photometric}')}, "
        f"{samples} {'sample' if samples == 1 else 'samples'} of {number(data, form, page, BITS, 1)} bits per pixel, "
        f"{_SAMPLE_FORMATS.get(sample_format, f'sample format {sample_format}')}, {layout}"
        f"{_COMPRESSIONS.get(compression, f'compression {compression}')}"
    )


def _values(data: bytes | mmap, form: Layout, page: Mapping[int, Entry], max_parts: int) -> tuple[int, int]:
    """Return the number of values that an image library reads from a page, and the number of its strips or tiles."""
    values = sum(entry.count for tag, entry in page.items() if tag in _READ and entry.kind not in _BYTES)
    blocks = max((page[tag].count for tag in _OFFSETS & page.keys()), default=1)
    if blocks > max(max_parts, _needed_blocks(data, form, page)):
        values = max(values, blocks)
    if _COLOR_MAP in page and page[_COLOR_MAP].count > _MAX_COLOR_MAP:
        values = max(values, page[_COLOR_MAP].count)
    for tag in _METADATA_DIRECTORIES:
        values = max(values, _metadata_values(data, form, number(data, form, page, tag, 0), max_parts))
    return values, blocks


def _needed_blocks(data: bytes | mmap, form: Layout, page: Mapping[int, Entry]) -> int:
    """Return how many strips or tiles the pixels of a page have."""
    width, height = (number(data, form, page, tag, 0) for tag in (WIDTH, HEIGHT))
    planes = number(data, form, page, SAMPLES, 1) if number(data, form, page, PLANAR, 1) == 2 else 1
    if _TILE_OFFSETS not in page:
        return planes * -(-height // max(1, number(data, form, page, _ROWS_PER_STRIP, height)))
    across = -(-width // max(1, number(data, form, page, _TILE_WIDTH, width)))
    down = -(-height // max(1, number(data, form, page, _TILE_HEIGHT, height)))
    return planes * across * down


def _metadata_values(data: bytes | mmap, form: Layout, offset: int, max_parts: int) -> int:
    """Return the number of entries and values of a directory of metadata; 0: there is none, or it is broken."""
    try:
        (length,) = struct.unpack_from(form.count_form, data, offset) if offset else (0,)
        if length > max_parts:
            return int(length)
        listed = entries(data, form, offset).values() if length else ()
    except (struct.error, OverflowError):
        return 0
    return sum(1 if entry.kind in _BYTES else entry.count for entry in listed)
