#!/usr/bin/env python3
"""Print a small PNG: `python3 scripts/sample_image.py > sample.png`.

Needs only Python 3, so that there is a picture to upload before anything is installed.
"""

import struct
import sys
import zlib

WIDTH, HEIGHT, TILE = 96, 64, 8  # pixels


def png() -> bytes:
    """Return tiles whose color changes from blue to red from left to right, and to green from top to bottom."""
    rows = b"".join(b"\0" + b"".join(_pixel(x, y) for x in range(WIDTH)) for y in range(HEIGHT))  # 0: no filter
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)  # 8 bits per channel, RGB
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def main() -> None:
    """Write the PNG to stdout."""
    if sys.stdout.isatty():
        sys.exit("A terminal cannot show a PNG. Write it to a file: python3 scripts/sample_image.py > sample.png")
    sys.stdout.buffer.write(png())


def _pixel(x: int, y: int) -> bytes:
    red = 255 * (x // TILE) // (WIDTH // TILE - 1)
    green = 255 * (y // TILE) // (HEIGHT // TILE - 1)
    return bytes((red, green, 255 - red))


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG (PNG specification section 5.3)."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


if __name__ == "__main__":
    main()
