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
from chalicelib.pictures import identify, structure
from chalicelib.pictures.parsers import avif, bmp, gif, jpeg, png, tiff, webp
from chalicelib.pictures.parsers.pieces import Piece, joined

_MAX_INFLATED_BYTES = 200_000_000  # of a PNG, which takes 0.4 seconds; a larger one does not count as cut off

_CHECKSUM_BYTES = 4  # at the end of a frame of an animated PNG

# A decoder of JPEG reads up to 8 bytes beyond the last code.
_LOOKAHEAD = bytes(8)
# The last code of a GIF's frame has no pixels, and at most 12 bits.
_GIF_END_BYTES = 2


def check(file: bytes | Path) -> None:
    """Check that a file is not cut off.

    Raises BadInput: a part of the picture is missing for certain. Raises OSError: the path can't be read.
    """
    with identify.mapped(file) as data:
        if is_cut_off(data):
            raise BadInput("The file is cut off: a part of its picture is missing. Send the whole file.")


def is_cut_off(data: bytes | mmap) -> bool:
    """Whether a part of the picture is missing for certain.

    A file does not count as cut off if its format is unknown, or if it is over a limit that identify checks.
    """
    if not _is_within_limits(data):
        return False
    for position, magic, lacks_pixels in _CHECKS:
        if data[position : position + len(magic)] == magic:
            try:
                return lacks_pixels(data)
            except (struct.error, IndexError, OverflowError):  # the file ends within a header
                return True
    return False


def _is_within_limits(data: bytes | mmap) -> bool:
    """Whether a file has so few parts that they can be walked in a short time."""
    limits = settings()
    try:
        survey = structure.survey(data, max_parts=limits.max_header_parts, max_pages=limits.max_frames)
    except (struct.error, IndexError, OverflowError, ValueError):  # the file ends within its first parts
        return True
    return survey.parts <= limits.max_header_parts and survey.pages <= limits.max_frames


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
        except OSError as error:
            # Pillow says so if the decoder waits for more bytes. Otherwise, the data is damaged.
            return "truncated" in str(error) and all(
                image.im.getpixel((x, image.height - 1)) == color for x in range(image.width)
            )
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
    pixels = after_pixels = False
    for name, _, stop in png.chunks(data):
        if name == b"IEND":
            return False
        if name == b"fdAT" and stop - _CHECKSUM_BYTES > len(data):
            return png.count_frames(data, 1) > 1
        after_pixels = after_pixels or (pixels and name != b"IDAT")
        pixels = pixels or name == b"IDAT"
    if after_pixels:
        return False
    try:
        needed = png.header(data).inflated_bytes
    except ValueError:  # it has none, so that it is not a PNG
        return False
    try:
        return needed <= _MAX_INFLATED_BYTES and png.inflated_bytes(data, needed) < needed
    except zlib.error:  # the pixels are damaged, perhaps not cut off
        return False


def _gif_lacks_pixels(data: bytes | mmap) -> bool:
    frames = 0
    for is_frame, start, stop in gif.blocks(data):
        if is_frame and (start == stop or stop > len(data) + _GIF_END_BYTES):
            return True
        frames += is_frame
        if stop >= len(data):
            return not frames
    return False


def _bmp_lacks_pixels(data: bytes | mmap) -> bool:
    if len(data) < bmp.MAX_HEADER_BYTES:  # perhaps a text that begins with "BM"
        return False
    about = bmp.header(data)
    is_plain = about.compression in (0, 3, 6) and about.bits <= 32 and about.size >= 40  # bytes, Windows's header
    if not is_plain or about.width <= 0 or about.height <= 0 or not 14 + about.size <= about.pixels <= len(data):
        return False
    unpadded = (about.width * about.bits + 7) // 8
    return about.pixels + (about.height - 1) * about.row_bytes + unpadded > len(data)


def _tiff_lacks_pixels(data: bytes | mmap) -> bool:
    form = tiff.layout(data)
    return form is not None and tiff.pixels_end(data, form) > len(data)


_CHECKS: tuple[tuple[int, bytes, Callable[[bytes | mmap], bool]], ...] = (
    (0, b"\xff\xd8\xff", _jpeg_lacks_pixels),
    (0, png.MAGIC, _png_lacks_pixels),
    *((0, magic, _gif_lacks_pixels) for magic in gif.MAGIC),
    (8, b"WEBP", webp.lacks_pixels),
    (4, b"ftyp", avif.lacks_pixels),
    (0, bmp.MAGIC, _bmp_lacks_pixels),
    (0, b"II", _tiff_lacks_pixels),
    (0, b"MM", _tiff_lacks_pixels),
)
