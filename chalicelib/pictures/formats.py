"""Adapt Pillow's plugins for TIFF and BMP: they refuse some common kinds of files, and show others wrongly.

What Pillow can't convert stays in the samples of the file. A mark in `info` says so, and `converted` converts them.
Imported where it is used, because it imports Pillow.
"""

from itertools import product
from typing import IO, cast

from PIL import BmpImagePlugin, Image, ImageFile, ImageMath, ImagePalette, TiffImagePlugin

from chalicelib.pictures.parsers import bmp

# Marks in `info`. They stay when an image is cropped or converted.
MASKS = "masks"  # of a BMP in mode I: see bmp.Header
_GREY_ALPHA = "grey and alpha"  # of a TIFF in mode RGBA: grey and alpha of 16 bits; its extra samples
_WHITE_IS_ZERO = "white is zero"  # of a TIFF in a mode of more than 8 bits

_SIGNED, _FLOAT = 2, 3  # TIFF sample formats
_UNSPECIFIED, _ASSOCIATED, _UNASSOCIATED = 0, 1, 2  # TIFF extra samples: no alpha, premultiplied alpha, alpha
_WHITE_IS_ZERO_PHOTOMETRIC = 0
_SEPARATE = 2  # TIFF planar configuration: each channel is stored by itself
_WITHOUT_DECODER = (50_001,)  # TIFF compressions that Pillow knows, but its libtiff can't decode: WebP

# Grey TIFFs: sample format, bits per sample, extra samples -> mode and raw mode. libtiff returns samples in the order
# of the machine, which is little-endian, whatever the order of the file.
_GREY_MODES: dict[tuple[int, tuple[int, ...], tuple[int, ...]], tuple[str, str]] = {
    (1, (16,), ()): ("I;16", "I;16N"),
    (_SIGNED, (16,), ()): ("I", "I;16NS"),
    (1, (32,), ()): ("F", "F;32N"),
    (_SIGNED, (32,), ()): ("I", "I;32NS"),
    (_FLOAT, (32,), ()): ("F", "F;32NF"),
    (_FLOAT, (64,), ()): ("F", "F;64NF"),
    # Pillow has no mode for these. The bytes of a pixel are read as four channels.
    **{(1, (16, 16), (extra,)): ("RGBA", "RGBA") for extra in (_UNSPECIFIED, _ASSOCIATED, _UNASSOCIATED)},
}


def register() -> None:
    """Let Pillow use what this module adds."""
    # Pillow's own reader of uncompressed TIFFs is wrong for some: separate planes, orientations, swapped bits.
    TiffImagePlugin.READ_LIBTIFF = True
    for order, photometric, fill_order in product((b"II", b"MM"), (_WHITE_IS_ZERO_PHOTOMETRIC, 1), (1, 2)):
        for (sample_format, bits, extra), modes in _GREY_MODES.items():
            key = (order, photometric, (sample_format,), fill_order, bits, extra)
            TiffImagePlugin.OPEN_INFO[key] = modes
    Image.register_open(TiffFile.format, TiffFile, TiffImagePlugin._accept)
    Image.register_open(BmpFile.format, BmpFile, BmpImagePlugin._accept)
    Image.register_decoder("bmp_rle", RunLengthDecoder)


class TiffFile(TiffImagePlugin.TiffImageFile):
    """A TIFF with marks."""

    def _open(self) -> None:
        super()._open()
        tags = self.tag_v2
        alpha = tags.get(TiffImagePlugin.EXTRASAMPLES)
        grey_alpha = tags.get(TiffImagePlugin.SAMPLESPERPIXEL) == 2 and alpha != (_UNSPECIFIED,)
        separate = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION) == _SEPARATE
        if (separate and grey_alpha) or tags.get(TiffImagePlugin.COMPRESSION) in _WITHOUT_DECODER:
            raise SyntaxError("a kind of TIFF that is not supported")
        photometric = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, _WHITE_IS_ZERO_PHOTOMETRIC)
        if photometric > 1:
            return
        if self.mode == "RGBA":
            self.info[_GREY_ALPHA] = alpha
        if photometric == _WHITE_IS_ZERO_PHOTOMETRIC and (self.mode in ("RGBA", "I", "F") or self.mode[:4] == "I;16"):
            self.info[_WHITE_IS_ZERO] = True


class BmpFile(BmpImagePlugin.BmpImageFile):
    """A BMP, also one with any bit fields, or with more colours than its pixels can use."""

    def _open(self) -> None:
        file = cast(IO[bytes], self.fp)
        header = bmp.header(file.read(bmp.MAX_HEADER_BYTES))
        file.seek(0)
        try:
            super()._open()
        except OSError:
            if not header.masks:
                raise
            self._open_bit_fields(header)
        if header.has_alpha and self.mode == "RGB":  # Pillow ignores the alpha of 16 bits per pixel
            self._open_bit_fields(header)
        if self.palette and self.mode == "P":
            mode = self.palette.rawmode or ""
            self.palette = ImagePalette.raw(mode, bytes(self.palette.palette)[: 256 * len(mode)])

    def _open_bit_fields(self, header: bmp.Header) -> None:
        self._size, self._mode = (header.width, header.height), "I"
        self.info[MASKS] = header.masks
        arguments = ("I;32N" if header.bits == 32 else "I;16N", header.row_bytes, -1 if header.bottom_up else 1)
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), header.pixels, arguments)]


class RunLengthDecoder(ImageFile.PyDecoder):
    """Decode RLE4 and RLE8 of a BMP. Reads no more of the file than the pixels can need."""

    _pulls_fd = True

    def decode(self, buffer: object) -> tuple[int, int]:
        """Decode all rows. Raises EOFError: the file is cut off."""
        file = cast(IO[bytes], self.fd)
        width, height = self.state.xsize, self.state.ysize
        _, four_bits, direction = self.args
        packed = file.read(bmp.most_packed_bytes(width, height))
        indexes = bmp.unpacked(packed, width, height, four_bits=four_bits)
        self.set_as_raw(indexes, "P" if self.mode == "P" else "L", (0, direction))
        return -1, 0


def converted(image: Image.Image) -> Image.Image | None:
    """Return an image with a mark for all of its channels in 8 bits; None: it has no such mark."""
    if MASKS in image.info:
        *colors, alpha = image.info[MASKS]
        masks = [*colors, alpha] if alpha else colors
        return Image.merge("RGBA" if alpha else "RGB", [_channel(image, mask) for mask in masks])
    if _GREY_ALPHA in image.info:
        _, grey, _, alpha = image.split()  # the high bytes
        if _WHITE_IS_ZERO in image.info:
            grey = _inverted(grey)
        if image.info[_GREY_ALPHA] == (_UNSPECIFIED,):
            return grey
        mode = "La" if image.info[_GREY_ALPHA] == (_ASSOCIATED,) else "LA"
        return Image.merge(mode, (grey, alpha)).convert("LA")
    return None


def white_is_light(image: Image.Image) -> Image.Image:
    """Return a grey image of 8 bits in which white is 255."""
    return _inverted(image) if _WHITE_IS_ZERO in image.info else image


def _inverted(image: Image.Image) -> Image.Image:
    return image.point([255 - value for value in range(256)])


def _channel(image: Image.Image, mask: int) -> Image.Image:
    """Return the bits of each pixel that are in a mask, from 0 to 255. An empty mask has 0."""
    if not mask:
        return Image.new("L", image.size)
    shift = (mask & -mask).bit_length() - 1
    highest = mask >> shift
    excess = max(0, highest.bit_length() - 8)
    shift, highest = shift + excess, highest >> excess
    channel: Image.Image = ImageMath.lambda_eval(
        lambda images: images["convert"](((images["pixels"] >> shift & highest) * 255 + highest // 2) / highest, "L"),
        pixels=image,
    )
    return channel
