"""Pictures that are made to exhaust memory or time. Each is processed in a process with the limits of a function."""

import io
import json
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

pillow_heif.register_heif_opener()


# The limits of a function of 1,024 MB. The limit of memory applies to the address space, which is larger than resident
# memory. Such a function has 0.6 of a processor and a time-out of minutes.
MEMORY_BYTES, CPU_SECONDS = 1_024 * 1024 * 1024, 10

# The variants of a large picture and of a small one, each with one JPEG.
MANY, FEW = 4 + 1, 1 + 1

CHILD = """
import json, resource, sys
from pathlib import Path
from chalicelib.pictures import decode, identify, variants
path, memory = Path(sys.argv[1]), int(sys.argv[2])
identify.pillow()
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
try:
    outcome = len(variants.make(path)[1])
except (decode.Undecodable, MemoryError) as error:
    outcome = str(error) if isinstance(error, decode.Undecodable) else "MemoryError"
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([outcome, int(peak.split()[1]) // 1000]))
"""


def outcome(path: Path, *, memory: int = MEMORY_BYTES, **settings: str) -> tuple[int | str, int]:
    """Return the number of variants of a file, or the error message, and the peak memory in megabytes."""
    completed = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(memory)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ".", **settings},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS)),
    )
    assert completed.returncode == 0, completed.stderr
    result, megabytes = json.loads(completed.stdout)
    return result, megabytes


def png(width: int, height: int, data: bytes) -> bytes:
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


def flat(kind: str, width: int, height: int, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 40)).save(buffer, kind, **options)
    return buffer.getvalue()


def empty_scans(count: int) -> bytes:
    """Return a small progressive JPEG that declares 60 megapixels and repeats its last scan."""
    data = bytearray(flat("JPEG", 640, 480, progressive=True))
    last = data.rindex(b"\xff\xda")
    size = data.index(b"\xff\xc2") + 5
    data[size : size + 4] = struct.pack(">HH", 6000, 10_000)
    return bytes(data[:last] + data[last:-2] * count + data[-2:])


def gif(frames: int) -> bytes:
    """Return a GIF that repeats its only frame."""
    data = flat("GIF", 16, 16)
    first = 13 + (3 << (data[10] & 7) + 1)
    return data[:first] + data[first:-1] * frames + data[-1:]


def canvas(width: int, height: int) -> bytes:
    """Return a WebP that declares a canvas of this size around a small frame."""
    small = flat("WEBP", 16, 16)[12:]
    header = struct.pack("<I", 0) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + header + small
    return b"RIFF" + struct.pack("<I", len(body)) + body


def declared(kind: str, width: int, height: int) -> bytes:
    """Return a file of a small picture whose `ispe` box declares this size."""
    data = flat(kind, 64, 48)
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def test_a_photograph_of_24_megapixels_takes_less_than_a_quarter_of_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "photo"
    Image.effect_noise((1500, 1000), 60).resize((6000, 4000)).convert("RGB").save(path, "JPEG", quality=90)
    result, megabytes = outcome(path)
    assert result == MANY
    assert megabytes < 256


HOSTILE: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "a decompression bomb": (lambda: png(60_000, 60_000, zlib.compress(bytes(1000))), "more than 100000000 pixels"),
    "a decompression bomb within the limits": (
        lambda: png(5_000, 5_000, zlib.compress(bytes(20_001 * 5_000), 1)),
        None,
    ),
    "a tall decompression bomb": (lambda: png(5_000, 19_999, zlib.compress(bytes(10**7), 9)), "MB of memory"),
    "a large canvas": (lambda: canvas(16_383, 16_383), "not an image of an accepted type"),
    "a HEIC smaller than declared": (lambda: declared("HEIF", 7_000, 7_000), "can't be decoded"),
    "a HEIC larger than declared": (lambda: declared("HEIF", 60, 50), "can't be decoded"),
    "an AVIF smaller than declared": (lambda: declared("AVIF", 5_000, 5_000), None),
    "many scans": (lambda: empty_scans(1_000), "more than 100 scans"),
    "scans within the limits": (lambda: empty_scans(80), None),
    "many frames": (lambda: gif(10_000), "more than 1000 frames"),
    "a JPEG that is cut off": (lambda: flat("JPEG", 4_000, 3_000)[:-5_000], None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_exceeds_the_memory_and_time_of_a_function(tmp_path: Path, name: str) -> None:
    data, sentence = HOSTILE[name]
    path = tmp_path / "hostile"
    path.write_bytes(data())
    result, _ = outcome(path)
    assert (sentence in str(result)) if sentence else (result == MANY), result


def test_only_one_of_ten_thousand_frames_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_bytes(gif(10_000))
    result, megabytes = outcome(path, MAX_FRAMES="20000")
    assert result == FEW
    assert megabytes < 100


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_only_one_of_a_thousand_frames_in_other_formats_is_decoded(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "frames"
    frames = [Image.new("RGB", (32, 32), (n % 256, n // 256, 9)) for n in range(1_000)]
    frames[0].save(path, kind, save_all=True, append_images=frames[1:])
    assert outcome(path)[0] == FEW


def test_too_little_memory_is_not_reported_as_a_broken_picture(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(flat("PNG", 6_000, 4_000, compress_level=1))
    assert outcome(path)[0] == MANY
    assert outcome(path, memory=100 * 1024 * 1024)[0] == "MemoryError"
