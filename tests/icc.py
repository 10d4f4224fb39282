"""Small ICC profiles for tests (ICC.1:2022)."""

import struct

Primaries = tuple[tuple[float, float, float], ...]

# The XYZ coordinates of the primaries, adapted to D50.
DISPLAY_P3: Primaries = ((0.51512, 0.24119, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB: Primaries = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
ADOBE_GAMMA = 563 / 256


def matrix_profile(primaries: Primaries, gamma: float) -> bytes:
    """Return a display profile with three primaries and a power curve."""
    curve = b"curv" + struct.pack(">4xIH", 1, round(gamma * 256))
    xyz = [
        b"XYZ " + struct.pack(">4x3i", *(round(coordinate * 65536) for coordinate in primary)) for primary in primaries
    ]
    tags = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), xyz, strict=True)) | {
        name + b"TRC": curve for name in (b"r", b"g", b"b")
    }
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def cmyk_profile(paper: tuple[int, int, int], ink: tuple[int, int, int]) -> bytes:
    """Return a printer profile with two colours, in CIELAB: paper without ink, and paper with any full ink."""
    identity = bytes(range(256))
    corners = b"".join(bytes((round(lab[0] * 2.55), lab[1] + 128, lab[2] + 128)) for lab in (paper, *[ink] * 15))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1" + struct.pack(">4x4B", 4, 3, 2, 0) + matrix + identity * 4 + corners + identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = tags | {b"wtpt": b"XYZ " + struct.pack(">4x3i", 63190, 65536, 54061)}
    position, directory, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        directory += name + struct.pack(">II", position + len(body), len(value))
        body += value
    header = struct.pack(">I4xI4s4s4s12x4s", position + len(body), 0x02400000, kind, space, connection, b"acsp")
    header += b"\0" * (68 - len(header)) + struct.pack(">3i", 63190, 65536, 54061)
    return header + b"\0" * (128 - len(header)) + directory + body
