"""Pictures for tests. Pictures with different seeds are different."""

import base64
import io
import random
from pathlib import Path

import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()

# An AVIF whose transparency has no size: see tests/data/README.md.
ALPHA_WITHOUT_SIZE = (Path(__file__).parent / "data/alpha_noispe.avif").read_bytes()


def picture(kind: str = "PNG", *, width: int = 40, height: int = 30, frames: int = 1, seed: int = 0) -> bytes:
    """Return the bytes of a noisy picture in a format that Pillow writes."""
    noise = random.Random(seed)
    first, *others = (
        Image.frombytes("RGB", (width, height), noise.randbytes(width * height * 3)) for _ in range(frames)
    )
    buffer = io.BytesIO()
    first.save(buffer, kind, **({"save_all": True, "append_images": others} if others else {}))
    return buffer.getvalue()


def dated_picture(taken: str = "", offset: str = "", *, seed: int = 0) -> bytes:
    """Return a small JPEG whose EXIF says when it was taken: `2024:05:01 12:30:00`, and the offset from UTC."""
    exif = Image.Exif()
    times = {0x9003: taken, 0x9011: offset}  # DateTimeOriginal and OffsetTimeOriginal
    exif.get_ifd(0x8769).update({tag: text for tag, text in times.items() if text})
    buffer = io.BytesIO()
    color = random.Random(seed).randbytes(3)
    Image.new("RGB", (40, 30), tuple(color)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def base64_picture(seed: int = 0) -> str:
    """Return a PNG in base64, as JSON requests contain it."""
    return base64.b64encode(picture(seed=seed)).decode()
