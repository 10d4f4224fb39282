"""Pillow as it is commonly used: decode the full image, and resize it to each width."""

import io
from pathlib import Path

from PIL import Image, ImageCms, ImageOps

from bench.engines.measure import EFFORT, QUALITY, WIDTHS, run


def make(path: Path) -> list[bytes]:
    """Return the variants of a photograph."""
    contents = []
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
    if profile := image.info.get("icc_profile"):
        srgb = ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb) or image
    for width in WIDTHS:
        if width <= image.width:
            buffer = io.BytesIO()
            small = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
            small.info.clear()
            small.save(buffer, "WEBP", quality=QUALITY, method=EFFORT)
            contents.append(buffer.getvalue())
    return contents


if __name__ == "__main__":
    run(make)
