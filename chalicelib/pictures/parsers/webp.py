"""The chunks of a WebP (RFC 9649 section 2.3). Pure functions, in linear time."""

import struct
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

from chalicelib.pictures.parsers.pieces import Piece

_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")
_NEEDED = (*_PIXELS, b"VP8X", b"ICCP", b"ANIM", b"EXIF")
_FIRST = 12  # position of the first chunk


class Chunk(NamedTuple):
    """A chunk. Its content is `data[start:stop]`, which ends earlier if the file does."""

    name: bytes
    start: int
    stop: int


def is_file(data: bytes | mmap) -> bool:
    """Whether a file begins as a WebP does."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def chunks(data: bytes | mmap) -> Iterator[Chunk]:
    """Yield the chunks up to the declared end of the file, or the end of the file."""
    position, end = _FIRST, min(_declared_end(data), len(data))
    while position + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, position)
        yield Chunk(name, position + 8, position + 8 + length)
        position += 8 + length + length % 2


def lacks_pixels(data: bytes | mmap) -> bool:
    """Whether a file ends before the last byte of its pixels. Raises struct.error: it ends within its header."""
    found = False
    for name, _, stop in chunks(data):
        found = found or name in _PIXELS
        if name in _PIXELS and stop > len(data):
            return True
    return not found and _declared_end(data) > len(data)


def picture(data: bytes | mmap) -> list[Piece]:
    """Return a WebP without the chunks that decoding does not need, and without metadata that is cut off.

    Raises struct.error: the file ends within its header.
    """
    pieces, size = list[Piece](), len(b"WEBP")
    for name, start, stop in chunks(data):
        if name in _NEEDED and (stop <= len(data) or name in _PIXELS):
            piece = Piece(data, start - 8, min(stop + (stop - start) % 2, len(data)))
            size += piece.stop - piece.start
            pieces.append(piece)
    head = struct.pack("<4sI4s", b"RIFF", size, b"WEBP")
    return [Piece(head, 0, len(head)), *pieces]


def _declared_end(data: bytes | mmap) -> int:
    (size,) = struct.unpack_from("<I", data, 4)
    return 8 + int(size)
