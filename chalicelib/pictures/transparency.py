"""The transparent colour that a PNG in grey or RGB may declare (PNG specification section 11.3.1.1).

It is declared at the depth of the file. Pillow compares it with pixels that are converted to 8 bits already.
"""

from mmap import mmap
from typing import TYPE_CHECKING

from chalicelib.pictures.parsers import pieces, png

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile


def applied(image: "ImageFile", data: bytes | mmap) -> "Image":
    """Return a decoded PNG whose transparent colour is at the depth of its pixels, or applied to them.

    `data` is the bytes of its file. RGB of 16 bits is decoded a second time: its pixels have lost their lower bytes.
    """
    color = png.transparent_color(data)
    if color is None:
        return image
    depth = png.header(data).depth
    if depth < 8:
        image.info["transparency"] = color[0] * 255 // ((1 << depth) - 1)
    elif depth == 8:
        image.info["transparency"] = color if len(color) > 1 else color[0]
    elif image.mode == "RGB":
        return _keyed(image, data, color)
    return image


def extra_bytes(image: "ImageFile", data: bytes | mmap) -> int:
    """Return the memory per pixel that `applied` takes: for the lower bytes of 16 bits, and for masks."""
    return 14 if image.mode == "RGB" and png.transparent_color(data) and png.header(data).depth == 16 else 0


def alpha_of_grey(image: "Image", value: int) -> "Image":
    """Return the alpha channel of a picture in grey of 16 bits in which this value is transparent."""
    return image.convert("I").point([0 if each == value else 255 for each in range(1 << 16)], "L")


def _keyed(image: "ImageFile", data: bytes | mmap, color: tuple[int, ...]) -> "Image":
    """Return RGB with alpha, from a picture with the upper bytes of 16 bits."""
    from PIL import ImageChops

    del image.info["transparency"]
    alpha = _differs(image, [sample >> 8 for sample in color])
    with type(image)(pieces.joined(png.picture(data))) as lower:
        lower.tile = [lower.tile[0]._replace(args="RGB;16L")]
        lower.load()
        alpha = ImageChops.lighter(alpha, _differs(lower, [sample & 255 for sample in color]))
    image.putalpha(alpha)
    return image


def _differs(image: "Image", color: list[int]) -> "Image":
    """Return 0 where a picture has a colour, 255 elsewhere."""
    from PIL import ImageChops

    red, green, blue = image.point([255 * (each != sample) for sample in color for each in range(256)]).split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)
