"""Count the blocks of a GIF, without an image library (GIF89a appendix A). Pure functions."""

from collections.abc import Iterator
from mmap import mmap

MAGIC = (b"GIF87a", b"GIF89a")
_EXTENSION, _FRAME = ord("!"), ord(",")  # the first byte of a block

# What a file has without being crafted. A frame has some extensions, each with one sub-block; pixels are in sub-blocks
# of up to 255 bytes.
_BLOCKS_PER_FRAME = 8
_BYTES_PER_BLOCK = 64


def survey(data: bytes | mmap, *, max_parts: int, max_pages: int) -> tuple[int, int]:
    """Return the numbers of parts and frames. A count stops soon after its limit.

    Parts are the extensions and sub-blocks beyond 8 for each frame and one for each 64 bytes of the file. Stops at the
    trailer, and at the first byte that begins no block.
    """
    position, frames, blocks = 13 + _color_table_bytes(data[10]), 0, 0
    expected = len(data) // _BYTES_PER_BLOCK
    try:
        while frames <= max_pages:
            kind = data[position]
            if kind == _FRAME:
                frames += 1
                expected += _BLOCKS_PER_FRAME
                # After the frame's descriptor and its colour table, one byte has the initial size of the codes.
                position += 10 + _color_table_bytes(data[position + 9]) + 1
            elif kind == _EXTENSION:
                blocks += 1
                position += 2
            else:
                break
            limit = expected + max_parts
            while (length := data[position]) and blocks <= limit:
                blocks += 1
                position += 1 + length
            position += 1
            if blocks > limit:
                break
    except IndexError:  # the file ends within a block, which a decoder may still decode in part
        pass
    return max(0, blocks - expected), frames


def blocks(data: bytes | mmap) -> Iterator[tuple[bool, int, int]]:
    """Yield for each block: whether it is a frame, and where its sub-blocks begin and end.

    The end is the position of the block's last byte, which has the value 0. It is after the file if the file ends
    within a sub-block. Stops at the trailer, and at the first byte that begins no block.
    Raises IndexError: the file ends within the header, or before the sub-blocks of a frame.
    """
    position = 13 + _color_table_bytes(data[10])
    if position >= len(data):
        raise IndexError(position)
    while position < len(data) and data[position] in (_EXTENSION, _FRAME):
        is_frame = data[position] == _FRAME
        position += 10 + _color_table_bytes(data[position + 9]) + 1 if is_frame else 2
        start = position
        while position < len(data) and (length := data[position]):
            position += 1 + length
        yield is_frame, start, position
        position += 1


def _color_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
