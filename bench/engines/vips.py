"""libvips by pyvips: shrink the image while it is decoded, and make each width from the next larger one."""

from pathlib import Path

import pyvips

from bench.engines.measure import EFFORT, QUALITY, WIDTHS, run


def make(path: Path) -> list[bytes]:
    """Return the variants of a photograph."""
    image, contents = None, []
    for width in WIDTHS:
        if image is None:
            # This also rotates the image by its EXIF orientation. The height is too large to limit the size.
            small = pyvips.Image.thumbnail(str(path), width, height=10**7, size="down", export_profile="srgb")
        else:
            small = image.thumbnail_image(width, height=10**7, size="down")
        if image is not None and small.width == image.width:
            continue  # the photograph is narrower than this width
        image = small.copy_memory()
        contents.append(image.webpsave_buffer(Q=QUALITY, effort=EFFORT, keep="none"))
    return contents


if __name__ == "__main__":
    run(make)
