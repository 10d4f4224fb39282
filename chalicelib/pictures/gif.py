"""Count the blocks of a GIF, without an image library (GIF89a appendix A). Pure functions."""

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


def _color_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
