"""Read the header of a BMP, and unpack its run-length encoding, without an image library. Pure functions.

The formats are those of Windows (BITMAPINFOHEADER and later, RLE4, RLE8) and OS/2.
"""

import struct
from dataclasses import dataclass
from mmap import mmap

MAGIC = b"BM"
MAX_HEADER_BYTES = 70  # that `header` reads
_BIT_FIELDS, _ALPHA_BIT_FIELDS = 3, 6
_COMPRESSIONS = {0: "no compression", 1: "RLE8", 2: "RLE4", 3: "bit fields", 4: "JPEG or RLE24", 5: "PNG"}
_MASK_BITS = (16, 32)  # per pixel, of a BMP with bit fields


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a BMP says. Positions and sizes are in bytes."""

    size: int  # of the header, without the 14 bytes that all BMPs begin with
    pixels: int  # position of the first row
    width: int
    height: int
    bottom_up: bool  # the last row of the picture is the first of the file
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
    """Return what the header of a Windows BMP says. Raises struct.error: it is cut off."""
    pixels, size, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", data, 10)
    masks: tuple[int, ...] = ()
    if compression in (_BIT_FIELDS, _ALPHA_BIT_FIELDS) and bits in _MASK_BITS:
        # They are in the header, or follow a header of 40 bytes. Alpha is in headers of at least 56 bytes.
        masks = struct.unpack_from("<III", data, 54)
        has_alpha = size >= 56 or compression == _ALPHA_BIT_FIELDS
        masks += struct.unpack_from("<I", data, 66) if has_alpha else (0,)
    return Header(size, pixels, width, abs(height), height > 0, bits, compression, masks)


def kind(data: bytes | mmap) -> str:
    """Return how a BMP stores its pixels, in words. Raises struct.error: its header is cut off."""
    about = header(data)
    compression = _COMPRESSIONS.get(about.compression, f"compression {about.compression}")
    return (
        f"a header of {about.size} bytes, {about.bits} {'bit' if about.bits == 1 else 'bits'} per pixel, {compression}"
    )


def unpacked(data: bytes, width: int, height: int, *, four_bits: bool) -> bytes:
    """Return the colour indexes of a run-length encoded BMP, row by row in the order of the file.

    Pixels that the file leaves out have index 0. Pillow's decoder takes four times as long.
    Raises EOFError: the data ends before the picture does.
    """
    pixels = bytearray(width * height)
    row, at, end, position = 0, 0, width, 0
    try:
        while row < height:
            count, value = data[position], data[position + 1]
            position += 2
            if count:
                stop = at + count if at + count < end else end
                pixels[at:stop] = _run(value, stop - at, four_bits)
                at = stop
            elif value == 0:  # the end of a row
                row, at, end = row + 1, end, end + width
            elif value == 1:  # the end of the picture
                break
            elif value == 2:  # the next pixel is some columns and rows away
                row, column = row + data[position + 1], at - row * width + data[position]
                at, end, position = row * width + min(column, width), (row + 1) * width, position + 2
            else:  # single pixels, padded to an even number of bytes
                size = (value + 1) // 2 if four_bits else value
                single = data[position : position + size]
                if four_bits:
                    single = bytes(index for byte in single for index in (byte >> 4, byte & 15))
                stop = at + value if at + value < end else end
                pixels[at:stop] = single[: stop - at].ljust(stop - at, b"\0")
                at, position = stop, position + size + size % 2
    except IndexError:
        raise EOFError from None
    return bytes(pixels[: width * height])


def most_packed_bytes(width: int, height: int) -> int:
    """Return the most bytes that a run-length encoded picture can need: 4 for each pixel, and 2 for each row's end."""
    return (4 * width + 2) * height + 2


def _run(value: int, count: int, four_bits: bool) -> bytes:
    if four_bits:
        return (bytes((value >> 4, value & 15)) * (count // 2 + 1))[:count]
    return bytes((value,)) * count
