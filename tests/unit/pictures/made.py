"""Pictures for the tests of this folder, and comparisons with their variants."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageStat

from chalicelib.model import Analysis
from chalicelib.pictures.variants import make

Configure = Callable[..., None]
Color = tuple[int, ...]
RED, GREEN, BLUE, WHITE = (220, 30, 40), (20, 160, 60), (40, 60, 200), (250, 250, 250)
NEAR = 8  # how much lossy encoding may change an even colour


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def quarters(width: int = 64, height: int = 48) -> Image.Image:
    """Return a picture of red, green, blue and white, from the top left, row by row."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


def processed(tmp_path: Path, data: bytes) -> tuple[Analysis, list[Image.Image]]:
    path = tmp_path / "original"
    path.write_bytes(data)
    analysis, contents = make(path)
    images: list[Image.Image] = [Image.open(io.BytesIO(content)) for content in contents]
    assert [(variant.width, variant.height, variant.content_type, variant.size) for variant in analysis.variants] == [
        (*image.size, Image.MIME[image.format or ""], len(content))
        for image, content in zip(images, contents, strict=True)
    ]
    return analysis, images


def only_variant(tmp_path: Path, data: bytes) -> Image.Image:
    _, [image] = processed(tmp_path, data)
    return image


def is_near(actual: Sequence[float], expected: Sequence[float], tolerance: float = NEAR) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(actual, expected, strict=True))


def mean(image: Image.Image) -> list[float]:
    return ImageStat.Stat(image).mean


def is_like(actual: Image.Image, expected: Image.Image, tolerance: float = 8) -> bool:
    assert actual.size == expected.size
    return max(mean(ImageChops.difference(actual.convert(expected.mode), expected))) <= tolerance


# The upright position of a pixel for each orientation (EXIF 2.32 section 4.6.4). `row` and `column` are its stored
# position; `right` and `bottom` are the largest upright x and y.
POSITIONS: dict[int, Callable[[int, int, int, int], tuple[int, int]]] = {
    1: lambda row, column, right, bottom: (column, row),
    2: lambda row, column, right, bottom: (right - column, row),
    3: lambda row, column, right, bottom: (right - column, bottom - row),
    4: lambda row, column, right, bottom: (column, bottom - row),
    5: lambda row, column, right, bottom: (row, column),
    6: lambda row, column, right, bottom: (right - row, column),
    7: lambda row, column, right, bottom: (right - row, bottom - column),
    8: lambda row, column, right, bottom: (row, bottom - column),
}


def stored(upright: Image.Image, orientation: int) -> Image.Image:
    width, height = upright.size[::-1] if orientation >= 5 else upright.size
    image = Image.new("RGB", (width, height))
    for row in range(height):
        for column in range(width):
            position = POSITIONS[orientation](row, column, upright.width - 1, upright.height - 1)
            image.putpixel((column, row), upright.getpixel(position))  # type: ignore[arg-type]
    return image


def exif_block(orientation: int = 1, **times: str) -> bytes:
    """Return EXIF with an orientation, times and a GPS position."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({{"taken": 0x9003, "offset": 0x9011}[name]: text for name, text in times.items()})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0)})
    return exif.tobytes()


def png(mode: int, depth: int, pixel: bytes, size: tuple[int, int] = (32, 32), rows: int | None = None) -> bytes:
    """Return a PNG of one colour. Pillow cannot write it, because it writes at most 8 bits per channel."""
    row = pixel * size[0]
    return png_of_rows(mode, depth, [row] * (size[1] if rows is None else rows), size=size)


def png_of_rows(
    mode: int, depth: int, rows: Sequence[bytes], *more: bytes, size: tuple[int, int], interlace: int = 0
) -> bytes:
    """Return a PNG of packed rows, with further chunks before its pixels."""
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    first = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, mode, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + b"".join((first, *more, chunk(b"IDAT", pixels), chunk(b"IEND", b"")))


def chunk(name: bytes, body: bytes, *, checksum: int | None = None) -> bytes:
    """Return a chunk of a PNG; with another checksum than its own, it is damaged."""
    right = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", right)


def with_chunks(data: bytes, *more: bytes, before: bytes = b"IDAT") -> bytes:
    """Return a PNG with further chunks before one of its own."""
    at = data.index(before) - 4
    return data[:at] + b"".join(more) + data[at:]
