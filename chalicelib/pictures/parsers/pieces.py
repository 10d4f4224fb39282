"""Read parts of a file as if they were a file of their own.

An image library reads every part of a header and fails if one is broken, although the pixels do not need it. So the
library gets a file that consists of the needed parts only.
"""

import io
from bisect import bisect_right
from itertools import accumulate
from mmap import mmap
from typing import NamedTuple


class Piece(NamedTuple):
    """The bytes `data[start:stop]`. They are copied only when they are read."""

    data: bytes | mmap
    start: int
    stop: int


def joined(pieces: list[Piece]) -> io.BufferedReader:
    """Return a file that consists of pieces, one after the other."""
    return io.BufferedReader(_Pieces(pieces))


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: list[Piece]) -> None:
        self._pieces = pieces
        self._ends = list(accumulate(piece.stop - piece.start for piece in pieces))  # positions in the joined file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        index = bisect_right(self._ends, self._position)
        if index == len(self._pieces):
            return 0
        data, _, stop = self._pieces[index]
        first = stop - (self._ends[index] - self._position)
        content = data[first : min(stop, first + len(buffer))]
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def seek(self, offset: int, reference: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ends[-1]}[reference]
        self._position = max(0, origin + offset)
        return self._position
