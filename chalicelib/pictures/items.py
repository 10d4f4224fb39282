"""Where the pixels of an AVIF or HEIC are. Pure functions.

The box `meta` has the table `iloc`, which says where each item of the file is (ISO/IEC 14496-12 section 8.11). The item
that `pitm` names is the picture. If it is a grid, its tiles are items, too (ISO/IEC 23008-12 section 6.6).
"""

import struct
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

MAX_BOXES = 10_000  # boxes, items, or parts of items; what follows is not read


class Box(NamedTuple):
    """A box: its content is `data[start:stop]`, which ends earlier if the file does."""

    name: bytes
    start: int
    stop: int


def boxes(data: bytes | mmap, position: int, end: int) -> Iterator[Box]:
    """Yield the boxes in a part of a file, without those in them. Raises struct.error: the file ends within a size."""
    for _ in range(MAX_BOXES):
        if position + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        position = position + size if size else end
        if position < start:
            return
        yield Box(name, start, position)


def pixels_end(data: bytes | mmap, meta: Box) -> int:
    """Return the position after the last byte of the picture's pixels; 0: it is not known.

    Raises struct.error, IndexError: a table is cut off.
    """
    tables = {box.name: box for box in boxes(data, meta.start + 4, meta.stop)}
    if not {b"pitm", b"iloc"} <= tables.keys():
        return 0
    primary = tables[b"pitm"].start
    picture = _number(data, primary + 4, 2 if data[primary] == 0 else 4)
    wanted = {picture, *(_tiles(data, tables[b"iref"], picture) if b"iref" in tables else ())}
    return max((end for item, end in _ends(data, tables[b"iloc"]) if item in wanted), default=0)


def _tiles(data: bytes | mmap, references: Box, picture: int) -> Iterator[int]:
    """Yield the items of which a picture is derived."""
    id_bytes = 2 if data[references.start] == 0 else 4
    for name, start, _ in boxes(data, references.start + 4, references.stop):
        if name == b"dimg" and _number(data, start, id_bytes) == picture:
            count = min(MAX_BOXES, _number(data, start + id_bytes, 2))
            for n in range(count):
                yield _number(data, start + id_bytes + 2 + n * id_bytes, id_bytes)


def _ends(data: bytes | mmap, table: Box) -> Iterator[tuple[int, int]]:
    """Yield the id of each item whose bytes are in the file outside of `meta`, and the end of each of its parts."""
    version, sizes, base_sizes = data[table.start], data[table.start + 4], data[table.start + 5]
    id_bytes = 4 if version == 2 else 2
    offset_bytes, length_bytes, base_bytes = sizes >> 4, sizes & 15, base_sizes >> 4
    index_bytes = base_sizes & 15 if version else 0
    position, left = table.start + 6 + id_bytes, MAX_BOXES
    for _ in range(min(MAX_BOXES, _number(data, table.start + 6, id_bytes))):
        item = _number(data, position, id_bytes)
        position += id_bytes
        in_file = version == 0 or _number(data, position, 2) & 15 == 0
        position += 4 if version else 2
        base = _number(data, position, base_bytes)
        parts = _number(data, position + base_bytes, 2)
        position += base_bytes + 2
        left -= parts
        if left < 0:
            return
        for _ in range(parts):
            offset = _number(data, position + index_bytes, offset_bytes)
            length = _number(data, position + index_bytes + offset_bytes, length_bytes)
            position += index_bytes + offset_bytes + length_bytes
            if in_file:
                yield item, base + offset + length


def _number(data: bytes | mmap, position: int, size: int) -> int:
    """Return a number of some bytes. Raises IndexError: the file ends before it does."""
    if position + size > len(data):
        raise IndexError(position)
    return int.from_bytes(data[position : position + size], "big")
