#!/usr/bin/env python3
"""Print a small PNG: `python3 scripts/sample_image.py > sample.png`.

Runs on any Python 3 by itself, so that there is a picture to upload before anything is installed.
"""

import struct
import sys
import zlib

WIDTH, HEIGHT, TILE = 96, 64, 8  # pixels


def png() -> bytes:
    """Tiles that turn from blue to red to the right, and greener downwards."""
    rows = b"".join(b"\0" + b"".join(_pixel(x, y) for x in range(WIDTH)) for y in range(HEIGHT))  # 0: unfiltered
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)  # 8 bits in each of red, green and blue
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def main() -> None:
    """Write it to stdout."""
    if sys.stdout.isatty():
        sys.exit("A PNG is nothing for a terminal: python3 scripts/sample_image.py > sample.png")
    sys.stdout.buffer.write(png())


def _pixel(x: int, y: int) -> bytes:
    red = 255 * (x // TILE) // (WIDTH // TILE - 1)
    green = 255 * (y // TILE) // (HEIGHT // TILE - 1)
    return bytes((red, green, 255 - red))


def _chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG (PNG specification section 5.3)."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


if __name__ == "__main__":
    main()
