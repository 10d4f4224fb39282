"""Files that are small to send and large to parse: their headers have many parts."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping

import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()

Entry = tuple[int, int, bytes]  # type, number of values, values
SHORT, LONG, RATIONAL, UNDEFINED = 3, 4, 5, 7


def short(*values: int) -> Entry:
    return SHORT, len(values), struct.pack(f"<{len(values)}H", *values)


def long(*values: int) -> Entry:
    return LONG, len(values), struct.pack(f"<{len(values)}I", *values)


def tiff(entries: Mapping[int, Entry], rest: bytes = b"", magic: bytes = b"II*\0") -> bytes:
    """Return a little-endian TIFF with one directory. `rest` follows its values."""
    position = 8 + 2 + 12 * len(entries) + 4
    directory, values = struct.pack("<H", len(entries)), b""
    for tag, (kind, count, value) in sorted(entries.items()):
        where = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", position + len(values))
        directory += struct.pack("<HHI", tag, kind, count) + where
        values += value if len(value) > 4 else b""
    return magic + struct.pack("<I", 8) + directory + bytes(4) + values + rest


def grey(width: int = 64, height: int = 64, **others: Entry) -> dict[int, Entry]:
    """Return the entries of a grey page whose pixels are the first bytes of the file, and entries such as `t273`."""
    entries = {256: long(width), 257: long(height), 258: short(8), 259: short(1), 262: short(1), 277: short(1)}
    entries |= {273: long(0), 278: long(height), 279: long(width * height)}
    return entries | {int(name[1:]): entry for name, entry in others.items()}


def strips(count: int, height: int = 64, rows: int = 64) -> bytes:
    return tiff(grey(height=height, t273=long(*[8] * count), t278=long(rows)))


def tiles(count: int, side: int, tile_side: int) -> bytes:
    entries = grey(side, side, t322=long(tile_side), t323=long(tile_side), t324=long(*[8] * count))
    del entries[273], entries[278], entries[279]
    return tiff(entries)


def metadata_directory(count: int, values: int = 1) -> bytes:
    """Return a TIFF whose EXIF has many entries, or an entry of many values."""
    directory = struct.pack("<H", count) + b"".join(
        struct.pack("<HHII", tag, RATIONAL, values, 8) for tag in range(count)
    )
    page = grey(t34665=long(0))
    position = len(tiff(page))
    return tiff(page | {34665: long(position)}, directory + bytes(4 + 8 * values))


def saved(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, kind, **options)
    return buffer.getvalue()


def gif(blocks: bytes, after: bytes = b"") -> bytes:
    """Return a GIF with blocks before its frame, and after it."""
    data = saved("GIF")
    first = 13 + (3 << (data[10] & 7) + 1)
    return data[:first] + blocks + data[first:-1] + after + data[-1:]


def png(chunk: bytes, count: int, at: int = 33) -> bytes:
    """Return a PNG with empty chunks, after the header or elsewhere."""
    data = saved("PNG")
    whole = struct.pack(">I", 0) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:at] + whole * count + data[at:]


def webp(chunk: bytes, count: int) -> bytes:
    small = saved("WEBP")[12:]
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + struct.pack("<I", 63)[:3] + struct.pack("<I", 47)[:3]
    body = b"WEBP" + canvas + small + (chunk + bytes(4)) * count
    return b"RIFF" + struct.pack("<I", len(body)) + body


def box(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    while data:
        (size,) = struct.unpack_from(">I", data)
        found.append((data[4:8], data[8:size]))
        data = data[size:]
    return found


Change = Callable[[bytes], bytes]


def changed(data: bytes, path: tuple[bytes, ...], change: Change) -> bytes:
    """Return boxes of which the one at a path has another content."""
    name, *inner = path

    def content(old: bytes) -> bytes:
        start = 4 if name == b"meta" else 0
        return old[:start] + changed(old[start:], tuple(inner), change) if inner else change(old)

    return b"".join(box(each, content(old) if each == name else old) for each, old in boxes(data))


def with_items(kind: str, count: int) -> bytes:
    """Return an AVIF or a HEIC with many more items."""

    def more(content: bytes) -> bytes:
        items = b"".join(
            box(b"infe", b"\3\0\0\0" + struct.pack(">IH", item, 0) + b"av01\0")
            for item in range(70_000, 70_000 + count)
        )
        return b"\1\0\0\0" + struct.pack(">I", count + 1) + content[6:] + items

    return changed(saved(kind), (b"meta", b"iinf"), more)


def with_locations(kind: str, items: int, extents: int) -> bytes:
    row = struct.pack(">HHH", 9, 0, extents) + bytes(8) * extents
    table = b"\0\0\0\0\x44\0" + struct.pack(">H", items) + row * items
    return changed(saved(kind), (b"meta", b"iloc"), lambda _: table)


def with_properties(kind: str, count: int) -> bytes:
    return changed(saved(kind), (b"meta", b"iprp", b"ipco"), lambda old: old + box(b"free") * count)


def with_associations(kind: str, count: int, properties: int = 1) -> bytes:
    rows = b"".join(struct.pack(">HB", item % 65_536, properties) + b"\1" * properties for item in range(count))
    return changed(saved(kind), (b"meta", b"iprp", b"ipma"), lambda _: bytes(4) + struct.pack(">I", count) + rows)


def with_orientations(kind: str, count: int) -> bytes:
    """Return a file whose EXIF has an orientation of many values."""
    exif = tiff({270: (2, 2 * count, b"\6\0" * count)})
    return saved(kind, exif=exif).replace(struct.pack("<HHI", 270, 2, 2 * count), struct.pack("<HHI", 274, 3, count))


def avif_of_frames(count: int) -> bytes:
    """Return an AVIF that declares a number of frames, and has two."""
    data = saved("AVIF", save_all=True, append_images=[Image.new("RGB", (64, 48), "red")])
    at = data.index(b"stsz") + 8
    return data[:at] + struct.pack(">II", 1, count) + data[at + 8 :]


def with_track_properties(count: int, parent: bytes) -> bytes:
    """Return an AVIF with many boxes in the description of its track, or in the description's first entry."""
    data = saved("AVIF", save_all=True, append_images=[Image.new("RGB", (64, 48), "red")])
    more = box(b"free") * count

    def described(table: bytes) -> bytes:
        if parent == b"stsd":
            return table + more
        (size,) = struct.unpack_from(">I", table, 8)
        return table[:8] + struct.pack(">I", size + len(more)) + table[12 : 8 + size] + more

    return changed(data, (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"), described)


def jpeg_of_resolutions(count: int) -> bytes:
    """Return a JPEG whose EXIF spans several segments, because its resolution has many values."""
    data = saved("JPEG")
    block = tiff({282: (RATIONAL, count, struct.pack("<II", 72, 1) * count), 296: short(2)})
    pieces = [block[start : start + 65_000] for start in range(0, len(block), 65_000)]
    exif = b"".join(b"\xff\xe1" + struct.pack(">H", 8 + len(piece)) + b"Exif\0\0" + piece for piece in pieces)
    return data[:2] + exif + data[20:]  # without the JFIF segment, which would have the resolution
