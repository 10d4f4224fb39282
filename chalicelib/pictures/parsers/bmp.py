"""Read the header of a BMP, and unpack its run-length encoding, without an image library. Pure functions.

The formats are those of Windows (BITMAPINFOHEADER and later, RLE4, RLE8) and OS/2.
"""

import struct
from dataclasses import dataclass
from mmap import mmap

MAGIC = b"BM"
MAX_HEADER_BYTES = 70  # that `header` reads
_CORE_HEADER_BYTES = 12  # of OS/2 1
_MAX_HEADER_SIZE = 124  # of Windows 98
_BIT_FIELDS, _ALPHA_BIT_FIELDS = 3, 6
_COMPRESSIONS = {0: "no compression", 1: "RLE8", 2: "RLE4", 3: "bit fields", 4: "JPEG or RLE24", 5: "PNG"}
_MASK_BITS = (16, 32)  # per pixel, of a BMP with bit fields

# Commands of a run-length encoding that are not runs. Other numbers are counts of pixels that are stored one by one.
_END_OF_ROW, _END_OF_PICTURE, _MOVE = 0, 1, 2
_RUNS_AT_ONCE = 64
# The longest run of each value: of one index, or of two that alternate.
_SINGLES = [bytes((value,)) * 255 for value in range(256)]
_PAIRS = [(bytes((value >> 4, value & 15)) * 128)[:255] for value in range(256)]


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a BMP says. Positions and sizes are in bytes."""

    size: int  # of the header, without the 14 bytes that all BMPs begin with
    pixels: int  # position of the first row
    width: int
    height: int
    bottom_up: bool  # the last row of the picture is the first of the file
    planes: int  # always 1
    bits: int  # per pixel
    compression: int
    masks: tuple[int, ...]  # the bits of red, green, blue and alpha in a pixel; empty: it has no bit fields

    @property
    def row_bytes(self) -> int:
        """The size of a row: a multiple of 4."""
        return (self.width * self.bits + 31) // 32 * 4

    @property
    def has_alpha(self) -> bool:
        """Whether pixels have bits of alpha."""
        return any(self.masks[3:])


def header(data: bytes | mmap) -> Header:
    """Return what the header of a BMP says. Raises struct.error: it is cut off."""
    pixels, size = struct.unpack_from("<II", data, 10)
    if size == _CORE_HEADER_BYTES:
        width, height, planes, bits = struct.unpack_from("<HHHH", data, 18)
        return Header(size, pixels, width, height, True, planes, bits, 0, ())
    width, height, planes, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    masks: tuple[int, ...] = ()
    if compression in (_BIT_FIELDS, _ALPHA_BIT_FIELDS) and bits in _MASK_BITS:
        # They are in the header, or follow a header of 40 bytes. Alpha is in headers of at least 56 bytes.
        masks = struct.unpack_from("<III", data, 54)
        has_alpha = size >= 56 or compression == _ALPHA_BIT_FIELDS
        masks += struct.unpack_from("<I", data, 66) if has_alpha else (0,)
    return Header(size, pixels, width, abs(height), height > 0, planes, bits, compression, masks)


def kind(data: bytes | mmap) -> str:
    """Return how a BMP stores its pixels, in words; empty: the file is no BMP. Raises struct.error: it is cut off."""
    about = header(data)
    if about.planes != 1 or about.size > _MAX_HEADER_SIZE:
        return ""
    compression = _COMPRESSIONS.get(about.compression, f"compression {about.compression}")
    return (
        f"a header of {about.size} bytes, {about.bits} {'bit' if about.bits == 1 else 'bits'} per pixel, {compression}"
    )


def unpacked(data: bytes, width: int, height: int, *, four_bits: bool) -> bytes:
    """Return the colour indexes of a run-length encoded BMP, row by row in the order of the file.

    Pixels that the file leaves out have index 0. Many runs are unpacked at once: Pillow's decoder needs three times as
    long. Raises EOFError: the data ends before the picture does.
    """
    pixels, row, at, position = bytearray(width * height), 0, 0, 0
    runs = _PAIRS if four_bits else _SINGLES
    try:
        while row < height:
            end = (row + 1) * width
            counts = data[position : position + _RUNS_AT_ONCE * 2 : 2]
            found = counts.find(0)  # the first command that is not a run
            found = len(counts) if found < 0 else found
            if found:
                values = data[position + 1 : position + 2 * found : 2]
                part = b"".join([runs[value][:count] for count, value in zip(counts, values, strict=False)])
                position += 2 * found
            else:
                command, position = data[position + 1], position + 2
                if command == _END_OF_PICTURE:
                    break
                if command == _END_OF_ROW:
                    row, at = row + 1, end
                    continue
                if command == _MOVE:
                    row, column = row + data[position + 1], at - end + width + data[position]
                    at, position = row * width + min(column, width), position + 2
                    continue
                part, position = _literal(data, position, command, four_bits)
            stop = min(at + len(part), end)
            pixels[at:stop] = part[: stop - at]
            at = stop
    except IndexError:
        raise EOFError from None
    return bytes(pixels)


def most_packed_bytes(width: int, height: int) -> int:
    """Return the most bytes that a run-length encoded picture can need: 4 for each pixel, and 2 for each row's end."""
    return (4 * width + 2) * height + 2


def _literal(data: bytes, position: int, count: int, four_bits: bool) -> tuple[bytes, int]:
    """Return pixels that are stored one by one, and the position after them, which is even."""
    size = (count + 1) // 2 if four_bits else count
    stored = data[position : position + size]
    pixels = b"".join([_PAIRS[byte][:2] for byte in stored])[:count] if four_bits else stored
    return pixels, position + size + size % 2
