"""TIFFs of kinds that Pillow does not write."""

import struct
import zlib
from collections.abc import Callable, Sequence

Samples = Callable[[int, int], Sequence[float]]  # the samples of the pixel at x, y, each from 0 to 1
WIDTH, HEIGHT, ROWS_PER_STRIP = 64, 48, 16
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
CONTIGUOUS, SEPARATE = 1, 2
NONE, DEFLATE, WEBP = 1, 8, 50_001


def tiff(
    samples: Samples,
    *,
    bits: int = 8,
    photometric: int = 1,
    order: str = "<",
    compression: int = NONE,
    planar: int = CONTIGUOUS,
    predictor: int = 1,
    fill_order: int = 1,
    sample_format: int = UNSIGNED,
    extra: int | None = None,
    orientation: int = 1,
    rows_per_strip: int = ROWS_PER_STRIP,
    big: bool = False,
) -> bytes:
    count = len(samples(0, 0))
    planes = [range(count)] if planar == CONTIGUOUS else [range(plane, plane + 1) for plane in range(count)]
    rows = [
        _row(
            [samples(x, y)[n] for x in range(WIDTH) for n in plane],
            bits,
            order,
            sample_format,
            len(plane) if predictor == 2 else 0,
        )
        for plane in planes
        for y in range(HEIGHT)
    ]
    strips = [b"".join(rows[start : start + rows_per_strip]) for start in range(0, len(rows), rows_per_strip)]
    if compression == DEFLATE:
        strips = [zlib.compress(strip) for strip in strips]
    if fill_order == 2:  # the bits of each byte are reversed
        strips = [bytes(int(f"{byte:08b}"[::-1], 2) for byte in strip) for strip in strips]
    short = "H"
    position = 16 if big else 8
    entries = {
        256: ("I", [WIDTH]),
        257: ("I", [HEIGHT]),
        258: (short, [bits] * count),
        259: (short, [compression]),
        262: (short, [photometric]),
        266: (short, [fill_order]),
        273: ("I", [position + sum(map(len, strips[:n])) for n in range(len(strips))]),
        274: (short, [orientation]),
        277: (short, [count]),
        278: ("I", [rows_per_strip]),
        279: ("I", [len(strip) for strip in strips]),
        284: (short, [planar]),
        317: (short, [1 if predictor == 1 else 2]),
        339: (short, [sample_format] * count),
    }
    if extra is not None:
        entries[338] = (short, [extra])
    return _file(b"".join(strips), entries, order, big)


def _row(values: list[float], bits: int, order: str, sample_format: int, step: int) -> bytes:
    if sample_format == FLOAT:
        return struct.pack(f"{order}{len(values)}{ {32: 'f', 64: 'd'}[bits] }", *values)
    highest = (1 << bits) - 1
    lowest = -(1 << bits - 1) if sample_format == SIGNED else 0
    numbers = [round(value * highest) + lowest for value in values]
    if bits < 8:
        text = "".join(f"{number:0{bits}b}" for number in numbers)
        return int(text, 2).to_bytes(len(text) // 8, "big")
    if step:  # the predictor: each sample is the difference from the sample of the pixel before
        numbers = [number - (numbers[n - step] if n >= step else 0) for n, number in enumerate(numbers)]
    return b"".join((number & highest).to_bytes(bits // 8, "little" if order == "<" else "big") for number in numbers)


def _file(pixels: bytes, entries: dict[int, tuple[str, list[int]]], order: str, big: bool) -> bytes:
    offset, count, inline = ("Q", "Q", 8) if big else ("I", "H", 4)
    header = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    header += struct.pack(order + "HH", 8, 0) if big else b""
    start = len(header) + inline + len(pixels)
    position = start + struct.calcsize(order + count) + len(entries) * (20 if big else 12) + inline
    directory, values = struct.pack(order + count, len(entries)), b""
    for tag, (kind, numbers) in sorted(entries.items()):
        value = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(value) > inline:
            where, values = struct.pack(order + offset, position + len(values)), values + value
        else:
            where = value.ljust(inline, b"\0")
        directory += struct.pack(order + "HH" + offset, tag, {"H": 3, "I": 4}[kind], len(numbers)) + where
    return header + struct.pack(order + offset, start) + pixels + directory + bytes(inline) + values
