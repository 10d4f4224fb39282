"""Pictures for tests. Pictures with different seeds are different."""

import base64
import io
import random
from pathlib import Path
from typing import Any

import pillow_heif
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

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


def photograph(kind: str = "JPEG", *, width: int = 40, height: int = 30) -> bytes:
    """Return a picture with the EXIF of a camera: CAMERA and LOCATION, and whose camera it is."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, kind, exif=camera_exif())
    return buffer.getvalue()


def camera_exif() -> bytes:
    """Return the EXIF of `photograph`, as Pillow writes it."""
    exif = Image.Exif()
    exif.update({0x010F: "Contoso Optical ", 0x0110: "Pocket 5", 0x013B: "Alice"})
    facts = {0x829A: IFDRational(1, 250), 0x829D: IFDRational(28, 10), 0x8827: 400, 0x9209: 0x19}
    lens = {0x920A: IFDRational(353, 10), 0xA434: "Contoso 35mm F2.8", 0xA430: "Alice", 0xA431: "SN-12345678"}
    exif.get_ifd(0x8769).update({**facts, **lens})
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 24.84), 3: "E", 4: (151.0, 12.0, 54.5), 5: b"\0", 6: 19.0})
    return exif.tobytes()


# What a view of `photograph` has.
CAMERA: dict[str, Any] = {
    "make": "Contoso Optical",
    "model": "Pocket 5",
    "lens_model": "Contoso 35mm F2.8",
    "exposure_seconds": 0.004,
    "f_number": 2.8,
    "iso": 400,
    "focal_length_mm": 35.3,
    "flash": True,
}
LOCATION = {"latitude": -33.8569, "longitude": 151.215139}
