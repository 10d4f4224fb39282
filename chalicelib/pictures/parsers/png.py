"""The chunks of a PNG (PNG specification, third edition, section 5). Pure functions, in linear time."""

import struct
import zlib
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

from chalicelib.pictures.parsers.pieces import Piece

MAGIC = b"\x89PNG\r\n\x1a\n"

GREY, RGB, PALETTE = 0, 2, 3  # colour types that may have a transparent colour
_CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, 4: 2, 6: 4}  # by colour type

# Of metadata, at most this much is read and inflated, which is also the limit of the image library. A chunk may inflate
# to a thousand times its size.
_MAX_METADATA_BYTES = 1024 * 1024
_BLOCK_BYTES = 256 * 1024  # of pixels that are inflated at once

# The seven pictures of an interlaced PNG: first column, first row, and the steps to the next ones (section 8.1).
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


class Chunk(NamedTuple):
    """A chunk. Its content is `data[start:stop]`, which ends earlier if the file does."""

    name: bytes
    start: int
    stop: int


class Header(NamedTuple):
    """What the first chunk of a PNG says about its pixels."""

    width: int
    height: int
    depth: int  # bits per sample
    color_type: int
    interlaced: bool

    @property
    def inflated_bytes(self) -> int:
        """The size of all rows, each with the byte of its filter."""
        if not self.interlaced:
            return self._rows_bytes(self.width, self.height)
        return sum(
            self._rows_bytes(-(-(self.width - x) // x_step), -(-(self.height - y) // y_step))
            for x, y, x_step, y_step in _PASSES
        )

    def _rows_bytes(self, width: int, height: int) -> int:
        bits = self.depth * _CHANNELS[self.color_type]
        return height * (1 + (width * bits + 7) // 8) if width > 0 and height > 0 else 0


def chunks(data: bytes | mmap) -> Iterator[Chunk]:
    """Yield the chunks up to the end of the file or the chunk IEND."""
    position = len(MAGIC)
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        yield Chunk(name, position + 8, position + 8 + length)
        if name == b"IEND":
            return
        position += 12 + length


def header(data: bytes | mmap) -> Header:
    """Return what the first chunk IHDR says.

    Raises ValueError: no such chunk is before the pixels. Raises struct.error: the file ends within it.
    """
    for name, start, _ in chunks(data):
        if name == b"IHDR":
            width, height, depth, color_type, _, _, interlace = struct.unpack_from(">IIBBBBB", data, start)
            if color_type not in _CHANNELS:
                raise ValueError(f"A PNG has no colour type {color_type}.")
            return Header(width, height, depth, color_type, interlace != 0)
        if name == b"IDAT":
            break
    raise ValueError("The PNG has no header.")


def picture(data: bytes | mmap) -> list[Piece]:
    """Return a PNG without the chunks that decoding does not need. It ends with its pixels.

    Left out are also chunks that are needed but broken: transparency, a colour profile and EXIF. Without the chunks of
    an animation, the picture is the one that readers show which do not know animations.
    """
    pieces, pixels = [Piece(data, 0, len(MAGIC))], Piece(data, 0, 0)
    seen = set[bytes]()  # only the first chunk of a name counts
    for chunk in chunks(data):
        start, stop = chunk.start - 8, min(chunk.stop + 4, len(data))
        if chunk.name == b"IDAT":
            if chunk.stop > len(data):  # it becomes a chunk of the bytes that are there
                cut = struct.pack(">I4s", len(data) - chunk.start, chunk.name)
                return [*pieces, pixels, Piece(cut, 0, len(cut)), Piece(data, chunk.start, len(data))]
            pixels = Piece(data, pixels.start or start, stop)
        elif pixels.start:
            break
        elif chunk.name not in seen:
            seen.add(chunk.name)
            if chunk.name in (b"IHDR", b"PLTE") or _is_useful(data, chunk):
                pieces.append(Piece(data, start, stop))
    return [*pieces, pixels]


def count_frames(data: bytes | mmap, limit: int) -> int:
    """Count the frames of an animated PNG, up to `limit` plus one; 1: no animation, or a broken one."""
    animated, before_pixels, frames = False, True, 0
    for chunk in chunks(data):
        before_pixels = before_pixels and chunk.name != b"IDAT"
        animated = animated or (before_pixels and chunk.name == b"acTL" and _is_animation(_content(data, chunk)))
        frames += chunk.name == b"fcTL"
        if frames > limit or (not before_pixels and not animated):
            break
    return max(1, frames) if animated else 1


def transparent_color(data: bytes | mmap) -> tuple[int, ...] | None:
    """Return the samples of the colour that a grey or RGB picture declares as transparent, at the depth of the file.

    None: it declares none. In a palette, each colour has its own transparency.
    """
    about = header(data)
    for chunk in chunks(data):
        if chunk.name == b"IDAT" or about.color_type not in (GREY, RGB):
            break
        if chunk.name == b"tRNS" and _is_useful(data, chunk):
            samples = struct.unpack_from(f">{_CHANNELS[about.color_type]}H", data, chunk.start)
            return tuple(sample & (1 << about.depth) - 1 for sample in samples)
    return None


def inflated_bytes(data: bytes | mmap, limit: int) -> int:
    """Return how many bytes the pixels in a file inflate to, up to about `limit`; no more than a block is in memory.

    Raises zlib.error: the data is broken.
    """
    size, inflater = 0, zlib.decompressobj()
    for name, start, stop in chunks(data):
        if name != b"IDAT":
            continue
        for position in range(start, min(stop, len(data)), _BLOCK_BYTES):
            block = data[position : min(position + _BLOCK_BYTES, stop)]
            while block and size < limit and not inflater.eof:
                size += len(inflater.decompress(block, _BLOCK_BYTES))
                block = inflater.unconsumed_tail
            if size >= limit or inflater.eof:
                return size
    return size


def _is_useful(data: bytes | mmap, chunk: Chunk) -> bool:
    """Whether a chunk says something about the pixels, and is not broken."""
    if chunk.name == b"tRNS":
        length, color_type = len(_content(data, chunk)), header(data).color_type
        return 1 <= length <= 256 if color_type == PALETTE else length == {GREY: 2, RGB: 6}.get(color_type)
    if chunk.name == b"iCCP":
        return _is_profile(_content(data, chunk))
    return chunk.name == b"eXIf" and _content(data, chunk) != b""


def _is_animation(content: bytes) -> bool:
    """Whether the content of the chunk acTL declares a number of frames that is allowed."""
    return len(content) == 8 and 0 < struct.unpack_from(">I", content)[0] < 1 << 31


def _is_profile(content: bytes) -> bool:
    """Whether a colour profile has a name of 1 to 79 bytes, and can be inflated within the limit."""
    name, _, rest = content.partition(b"\0")
    if not 1 <= len(name) <= 79 or rest[:1] != b"\0":
        return False
    inflater = zlib.decompressobj()
    try:
        inflater.decompress(rest[1:], _MAX_METADATA_BYTES)
    except zlib.error:
        return False
    return inflater.eof


def _content(data: bytes | mmap, chunk: Chunk) -> bytes:
    """Return the content of a chunk; empty if it is over the limit, cut off, or not as its checksum says."""
    if chunk.stop - chunk.start > _MAX_METADATA_BYTES or chunk.stop + 4 > len(data):
        return b""
    content = data[chunk.start : chunk.stop]
    (checksum,) = struct.unpack_from(">I", data, chunk.stop)
    return content if zlib.crc32(content, zlib.crc32(chunk.name)) == checksum else b""
