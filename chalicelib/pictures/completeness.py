"""Find out whether a file is cut off: whether a part of its picture is missing for certain.

A file is not cut off only because its end mark or a part of its metadata is missing: readers show the whole picture.
The check compares declared lengths with the length of the file. Only a JPEG without an end mark is decoded, at an
eighth of its size, and only a PNG that ends within its pixels is inflated, block by block.
"""

import struct
import zlib
from collections.abc import Callable
from mmap import mmap
from pathlib import Path

from chalicelib.config import settings
from chalicelib.errors import BadInput
from chalicelib.pictures import identify, items, jpeg, png
from chalicelib.pictures.pieces import Piece, joined

_MAX_INFLATED_BYTES = 200_000_000  # of a PNG; a larger one does not count as cut off

# A file with more blocks, chunks or boxes than this does not count as cut off.
_MAX_BLOCKS = 100_000
_BYTES_PER_BLOCK = 64

# A decoder of JPEG reads up to 8 bytes beyond the last code.
_LOOKAHEAD = bytes(8)
# The last code of a GIF's frame has no pixels, and at most 12 bits.
_GIF_END_BYTES = 2

_BMP_HEADER_BYTES = 54
_BMP_PLAIN = (0, 3, 6)  # compressions of a BMP that are none
_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")


def check(file: bytes | Path) -> None:
    """Check that a file is not cut off.

    Raises BadInput: a part of the picture is missing for certain. Raises OSError: the path can't be read.
    """
    with identify.mapped(file) as data:
        if is_cut_off(data):
            raise BadInput("The file is cut off: a part of its picture is missing. Send the whole file.")


def is_cut_off(data: bytes | mmap) -> bool:
    """Whether a part of the picture is missing for certain. A file of an unknown format is never cut off."""
    for position, magic, lacks_pixels in _CHECKS:
        if data[position : position + len(magic)] == magic:
            try:
                return lacks_pixels(data)
            except (struct.error, IndexError):  # the file ends within a header
                return True
    return False


def _jpeg_lacks_pixels(data: bytes | mmap) -> bool:
    if data[-2:] == jpeg.END:
        return False
    frame, scans = b"", list[bytes]()
    try:
        for number, (marker, start, stop) in enumerate(jpeg.segments(data)):
            if number >= jpeg.MAX_SEGMENTS or marker == jpeg.END_OF_IMAGE:
                return False
            if marker in jpeg.FRAME_HEADERS:
                frame = data[start + 4 : stop]
            elif marker == jpeg.START_OF_SCAN and stop < len(data):
                scans.append(data[start + 4 : stop])
    except (struct.error, IndexError):  # the file ends between two scans, or before the first one
        pass
    if not scans:
        return True
    return _last_row_is_missing(data) if jpeg.is_in_one_scan(data) else not _has_all_scans(frame, scans)


def _last_row_is_missing(data: bytes | mmap) -> bool:
    """Whether a JPEG in one scan ends before its last row. Decodes it at an eighth of its size.

    A decoder that waits for more bytes leaves the last rows as they were. A row may have that colour, so another one is
    tried.
    """
    return all(_last_row_keeps(data, value) for value in (0, 255))


def _last_row_keeps(data: bytes | mmap, value: int) -> bool:
    without_end = [*jpeg.picture(data)[:-1], Piece(_LOOKAHEAD, 0, len(_LOOKAHEAD))]
    with identify.pillow().open(joined(without_end), formats=("JPEG",)) as image:
        if image.width * image.height > settings().max_pixels:
            return False
        image.draft(None, (1, 1))
        color = value if image.mode == "L" else (value,) * len(image.getbands())
        image.im = identify.pillow().core.fill(image.mode, image.size, color)
        try:
            image.load()
        except OSError:  # the decoder waits for more bytes
            return all(image.im.getpixel((x, image.height - 1)) == color for x in range(image.width))
    return False


def _has_all_scans(frame: bytes, scans: list[bytes]) -> bool:
    """Whether every coefficient of every component of a JPEG is in some scan, at full precision.

    The last scan may be cut off. What it refines is not seen.
    """
    components = set(frame[6 : 6 + 3 * frame[5] : 3])
    seen = set[tuple[int, int]]()
    for scan in scans:
        count = scan[0]
        first, last, precision = scan[1 + 2 * count : 4 + 2 * count]
        if precision & 15 == 0:
            seen |= {(each, n) for each in scan[1 : 1 + 2 * count : 2] for n in range(first, last + 1)}
    return seen >= {(each, n) for each in components for n in range(64)}


def _png_lacks_pixels(data: bytes | mmap) -> bool:
    last = b""
    for number, (name, _, _) in enumerate(png.chunks(data)):
        if name == b"IEND" or (name != b"IDAT" and last == b"IDAT") or number > _max_blocks(data):
            return False
        last = name
    try:
        needed = png.header(data).inflated_bytes
    except ValueError:  # it has none, so that it is not a PNG
        return False
    try:
        return needed <= _MAX_INFLATED_BYTES and png.inflated_bytes(data, needed) < needed
    except zlib.error:  # the pixels are damaged, perhaps not cut off
        return False


def _gif_lacks_pixels(data: bytes | mmap) -> bool:
    position, frames, blocks = 13 + _color_table_bytes(data[10]), 0, 0
    while position < len(data):
        is_frame = data[position] == ord(",")
        if is_frame:
            # After the frame's descriptor and its colour table, one byte has the initial size of the codes.
            position += 10 + _color_table_bytes(data[position + 9]) + 1
        elif data[position] == ord("!"):
            position += 2
        else:
            return False
        first = position
        while position < len(data) and (length := data[position]):
            position, blocks = position + 1 + length, blocks + 1
            if blocks > _max_blocks(data):
                return False
        if is_frame and (position == first or position > len(data) + _GIF_END_BYTES):
            return True
        frames, position = frames + is_frame, position + 1
    return not frames


def _color_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _webp_lacks_pixels(data: bytes | mmap) -> bool:
    (size,) = struct.unpack_from("<I", data, 4)
    position, end, found = 12, 8 + size, False
    for _ in range(_max_blocks(data)):
        if position + 8 > min(end, len(data)):
            break
        name, size = struct.unpack_from("<4sI", data, position)
        if name in _WEBP_PIXELS:
            found = True
            if position + 8 + size > len(data):
                return True
        position += 8 + size + size % 2
    return not found and end > len(data)


def _boxes_lack_pixels(data: bytes | mmap) -> bool:
    """Whether an AVIF or HEIC ends before the last byte of its picture."""
    for box in items.boxes(data, 0, len(data)):
        if box.name == b"meta":
            return box.stop > len(data) or items.pixels_end(data, box) > len(data)
    return False


def _bmp_lacks_pixels(data: bytes | mmap) -> bool:
    if len(data) < _BMP_HEADER_BYTES:  # perhaps a text that begins with "BM"
        return False
    first, header_bytes = struct.unpack_from("<II", data, 10)
    if header_bytes == 12:
        width, height, _, bits = struct.unpack_from("<4H", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    row_bytes = (width * bits + 7) // 8
    if compression not in _BMP_PLAIN or not 14 + header_bytes <= first < len(data) or width <= 0 or height == 0:
        return False
    end: int = first + (abs(height) - 1) * (-(-row_bytes // 4) * 4) + row_bytes
    return end > len(data)


def _tiff_lacks_pixels(data: bytes | mmap) -> bool:
    """Whether a strip or a tile of the first page of a TIFF begins after the end (TIFF 6.0 section 2)."""
    order = "<" if data[:2] == b"II" else ">"
    (offset,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, offset)
    for number in range(count):
        tag, kind, values, value = struct.unpack_from(order + "HHII", data, offset + 2 + 12 * number)
        if tag in (273, 324) and kind == 4 and 1 < values <= _MAX_BLOCKS:
            last: int = max(struct.unpack_from(f"{order}{values}I", data, value))
            return last >= len(data)
    return False


def _max_blocks(data: bytes | mmap) -> int:
    return _MAX_BLOCKS + len(data) // _BYTES_PER_BLOCK


_CHECKS: tuple[tuple[int, bytes, Callable[[bytes | mmap], bool]], ...] = (
    (0, b"\xff\xd8\xff", _jpeg_lacks_pixels),
    (0, png.MAGIC, _png_lacks_pixels),
    (0, b"GIF87a", _gif_lacks_pixels),
    (0, b"GIF89a", _gif_lacks_pixels),
    (8, b"WEBP", _webp_lacks_pixels),
    (4, b"ftyp", _boxes_lack_pixels),
    (0, b"BM", _bmp_lacks_pixels),
    (0, b"II*\0", _tiff_lacks_pixels),
    (0, b"MM\0*", _tiff_lacks_pixels),
)
