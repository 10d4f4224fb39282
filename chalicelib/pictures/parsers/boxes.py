"""Read the boxes of an AVIF or a HEIC, without an image library. Pure functions.

A file consists of boxes. A box has a size, a name, and other boxes or a table (ISO/IEC 14496-12 section 4.2). The box
`meta` lists the items of the file: pictures, their tiles, and metadata (ISO/IEC 23008-12).
"""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

# The types of files that the image libraries accept: AVIF, AVIF sequences, HEIC, and either.
_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}

# Boxes that consist of boxes -> the number of bytes before the first one.
_CONTAINERS = dict.fromkeys((b"moov", b"trak", b"edts", b"tref", b"mdia", b"minf", b"stbl", b"iprp", b"ipco"), 0)
_CONTAINERS |= {b"meta": 4, b"iref": 4, b"grpl": 4, b"stsd": 8}
_REFERENCES_PER_ITEM = 16  # to properties; a picture has about five properties
_SAMPLE_ENTRY_BYTES = 78  # before the boxes of a track's description (in `stsd`)

# Tables of a track -> the position of their number of rows. `stsz` and `stz2` have a row for each frame.
_TRACK_TABLES = dict.fromkeys((b"stts", b"ctts", b"stsc", b"stco", b"co64", b"stss", b"elst"), 4)
_FRAMES = {b"stsz": 8, b"stz2": 8}


@dataclass(frozen=True, slots=True)
class Box:
    """A box."""

    name: bytes
    start: int  # position of its first byte
    body: int  # position after its size and name
    end: int  # position after its last byte
    parent: bytes  # name of the box around it


def is_file(data: bytes | mmap) -> bool:
    """Whether a file begins with the box of its type, and is an AVIF or a HEIC."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def survey(data: bytes | mmap, *, max_parts: int) -> tuple[int, int]:
    """Return the numbers of parts and frames. The count of parts stops soon after its limit.

    Parts are the boxes of the file, or the rows of its longest table.
    Raises struct.error, IndexError: a table is cut off.
    """
    frames, longest, rows = 1, 0, Counter[bytes]()
    for boxes, box in enumerate(walked(data), 1):
        if box.name in _TRACK_TABLES:
            longest = max(longest, number(data, box.body + _TRACK_TABLES[box.name], "I"))
        elif box.name in _FRAMES:
            frames = max(frames, number(data, box.body + _FRAMES[box.name], "I"))
        else:
            rows[box.name] += _rows(data, box, max_parts)
        longest = max(longest, boxes, rows[box.name])
        if longest > max_parts:
            break
    return longest, frames


def walked(data: bytes | mmap) -> Iterator[Box]:
    """Yield the boxes of a file that a decoder reads, each before the boxes in it."""
    pending = [(0, len(data), b"")]
    while pending:
        position, end, parent = pending.pop()
        if position + 8 > end:
            continue
        size, name = struct.unpack_from(">I4s", data, position)
        body = position + 8
        if size == 1:
            size, body = number(data, body, "Q"), body + 8
        last = end if size == 0 else position + size
        if not body <= last <= end:
            continue
        yield Box(name, position, body, last, parent)
        pending.append((last, end, parent))
        if name in _CONTAINERS:
            pending.append((body + _CONTAINERS[name], last, name))
        elif parent == b"stsd":
            pending.append((body + _SAMPLE_ENTRY_BYTES, last, name))
        elif name == b"iinf":
            pending.append((body + (6 if data[body] == 0 else 8), last, name))


def number(data: bytes | mmap, position: int, form: str) -> int:
    """Return the number at a position, in a format of the struct module. Raises struct.error: the file is cut off."""
    (number,) = struct.unpack_from(">" + form, data, position)
    return int(number)


def _rows(data: bytes | mmap, box: Box, limit: int) -> int:
    """Return the number of rows of a table of items; 0 for another box. A count stops soon after its limit."""
    if box.name == b"iloc":
        return _extents(data, box, limit)
    if box.name == b"ipma":
        return _references(data, box, limit)
    if box.name == b"iinf":
        return number(data, box.body + 4, "I" if data[box.body] else "H")
    # A list of the ids of items. An id has two or four bytes.
    return (box.end - box.body) // 4 if box.parent in (b"iref", b"grpl", b"tref") else 0


def _references(data: bytes | mmap, box: Box, limit: int) -> int:
    """Return the number of items that refer to properties; more if they have more than 16 references on average."""
    items, references = number(data, box.body + 4, "I"), 0
    id_bytes, reference_bytes = (4 if data[box.body] else 2), (2 if data[box.body + 3] & 1 else 1)
    position = box.body + 8
    for _ in range(items if items <= limit else 0):
        count = data[position + id_bytes]
        position += id_bytes + 1 + count * reference_bytes
        references += count
    return max(items, references // _REFERENCES_PER_ITEM)


def _extents(data: bytes | mmap, box: Box, limit: int) -> int:
    """Return the number of parts of the file in which items are, or of items if there are more."""
    version, sizes, base_sizes = data[box.body], data[box.body + 4], data[box.body + 5]
    items = number(data, box.body + 6, "I" if version == 2 else "H")
    position = box.body + (10 if version == 2 else 8)
    row_bytes = (sizes >> 4) + (sizes & 15) + (base_sizes & 15 if version else 0)
    extents = 0
    for _ in range(items if items <= limit else 0):
        position += (4 if version == 2 else 2) + (2 if version else 0) + 2 + (base_sizes >> 4)
        count = number(data, position, "H")
        position += 2 + count * row_bytes
        extents += count
        if extents > limit:
            break
    return max(items, extents)
