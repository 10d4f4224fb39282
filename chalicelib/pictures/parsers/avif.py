"""Read the items of an AVIF or a HEIC, without an image library. Pure functions.

An item is a picture, a tile of one, its transparency, or metadata. Its properties are in a list that all items share:
the box `ipma` refers to their indexes (ISO/IEC 14496-12 section 8.11, ISO/IEC 23008-12 section 9.3).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

from chalicelib.pictures.parsers.boxes import Box, number, walked

_METHODS = (b"", b"idat")  # where the bytes of an item are: at an offset of the file, or of this box


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference of an item to a property."""

    item: int  # the item's id
    position: int  # of the reference in the file
    wide: bool  # whether the reference has two bytes
    index: int  # of the property, from 1


def size(data: bytes | mmap) -> tuple[int, int] | None:
    """Return the stored width and height of the main picture; None: the file does not say it.

    Raises struct.error, IndexError: a table is cut off.
    """
    found = list(walked(data))
    main = _main_item(data, found)
    properties = [box for box in found if box.parent == b"ipco"]
    for each in _references(data, found):
        box = properties[each.index - 1] if 0 < each.index <= len(properties) else None
        if each.item == main and box and box.name == b"ispe":
            return number(data, box.body + 4, "I"), number(data, box.body + 8, "I")
    return None


def exif_blocks(data: bytes | mmap) -> Iterator[bytes]:
    """Yield the EXIF metadata of a file, each block from its TIFF header on (ISO/IEC 23008-12 annex A.2.1).

    Raises struct.error, IndexError: a table is cut off. Raises ValueError: the blocks overlap, so reading them could
    take more memory than the file has bytes.
    """
    found, total = list(walked(data)), 0
    wanted = {item for item, kind in _kinds(data, found) if kind == b"Exif"}
    starts = {box.name: box.body for box in found if box.name == b"idat"}
    for item, method, extents in _locations(data, found):
        if item in wanted and method < len(_METHODS):
            start = starts.get(_METHODS[method], 0)
            total += sum(length for _, length in extents)
            if total > len(data):
                raise ValueError("overlapping metadata")
            block = b"".join(data[start + offset : start + offset + length] for offset, length in extents)
            yield block[4 + int.from_bytes(block[:4], "big") :]


def with_sizes(data: bytes | mmap) -> bytes:
    """Return a file in which auxiliary items without a size have the size of the main picture.

    MIAF requires a size (`ispe`) of each item, and libavif refuses transparency without one. Viewers show it. The
    property `pixi`, which libavif does not need, is replaced. The file keeps its length.
    Raises struct.error, IndexError: a table is cut off.
    """
    repaired = bytearray(data)
    found = list(walked(data))
    main = _main_item(data, found)
    names = dict(enumerate((box.name for box in found if box.parent == b"ipco"), 1))
    references = list(_references(data, found))
    sizes = {each.item: each.index for each in references if names.get(each.index) == b"ispe"}
    for each in references:
        if each.item not in sizes and main in sizes and names.get(each.index) == b"pixi":
            struct.pack_into(">H" if each.wide else ">B", repaired, each.position, sizes[main])
    return bytes(repaired)


def lacks_pixels(data: bytes | mmap) -> bool:
    """Whether a file ends before the last byte of its main picture. A grid consists of the items that it refers to.

    Raises struct.error, IndexError: a table is cut off.
    """
    found = list(walked(data))
    if not any(box.name == b"meta" for box in found):
        end = max((box.end for box in found if not box.parent), default=0)
        return data[end + 4 : end + 8] == b"meta"
    main = _main_item(data, found)
    wanted = {main, *_tiles(data, found, main)}
    return any(
        start + length > len(data)
        for item, method, extents in _locations(data, found)
        if item in wanted and method == 0
        for start, length in extents
    )


def _tiles(data: bytes | mmap, found: list[Box], main: int | None) -> Iterator[int]:
    """Yield the items of which the main picture is derived."""
    form = "I" if any(data[box.body] for box in found if box.name == b"iref") else "H"
    size = struct.calcsize(form)
    for box in found:
        if box.parent == b"iref" and box.name == b"dimg" and number(data, box.body, form) == main:
            # After the item and the number of its tiles, which has two bytes.
            for position in range(box.body + size + 2, box.end - size + 1, size):
                yield number(data, position, form)


def _main_item(data: bytes | mmap, found: list[Box]) -> int | None:
    return next(
        (number(data, box.body + 4, "I" if data[box.body] else "H") for box in found if box.name == b"pitm"), None
    )


def _references(data: bytes | mmap, found: list[Box]) -> Iterator[Reference]:
    """Yield the references of all items to properties."""
    for box in found:
        if box.name != b"ipma":
            continue
        wide_ids, wide = data[box.body] > 0, bool(data[box.body + 3] & 1)
        position = box.body + 8
        for _ in range(number(data, box.body + 4, "I")):
            item = number(data, position, "I" if wide_ids else "H")
            position += 4 if wide_ids else 2
            count, position = data[position], position + 1
            for _ in range(count):
                # The highest bit says that a reader must know the property.
                index = number(data, position, "H") & 0x7FFF if wide else data[position] & 0x7F
                yield Reference(item, position, wide, index)
                position += 2 if wide else 1


def _kinds(data: bytes | mmap, found: list[Box]) -> Iterator[tuple[int, bytes]]:
    """Yield the id and the type of each item."""
    for box in found:
        if box.name == b"infe" and data[box.body] in (2, 3):
            wide = data[box.body] == 3
            after = box.body + (8 if wide else 6)
            yield number(data, box.body + 4, "I" if wide else "H"), data[after + 2 : after + 6]


def _locations(data: bytes | mmap, found: list[Box]) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Yield the id of each item, the method by which its bytes are found, and their offsets and lengths."""
    for box in found:
        if box.name != b"iloc":
            continue
        version = data[box.body]
        offset_bytes, length_bytes = data[box.body + 4] >> 4, data[box.body + 4] & 15
        base_bytes, index_bytes = data[box.body + 5] >> 4, data[box.body + 5] & 15 if version else 0
        position = box.body + (10 if version == 2 else 8)
        for _ in range(number(data, box.body + 6, "I" if version == 2 else "H")):
            item = number(data, position, "I" if version == 2 else "H")
            position += 4 if version == 2 else 2
            method = number(data, position, "H") & 15 if version else 0
            position += 4 if version else 2  # the method, and the index of the file
            base = int.from_bytes(data[position : position + base_bytes], "big")
            position += base_bytes + 2
            extents = []
            for _ in range(number(data, position - 2, "H")):
                position += index_bytes
                offset = int.from_bytes(data[position : position + offset_bytes], "big")
                position += offset_bytes
                length = int.from_bytes(data[position : position + length_bytes], "big")
                position += length_bytes
                extents.append((base + offset, length))
            yield item, method, extents
