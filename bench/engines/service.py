"""This service: chalicelib.pictures.variants, including the analysis of the image.

The other programs make no JPEG. JPEG_VARIANT_WIDTH_PX in the environment lets this one make it.
"""

import os
from pathlib import Path

from bench.engines.measure import run
from chalicelib.pictures import variants


def make(path: Path) -> tuple[bytes, ...]:
    """Make the variants of a photograph."""
    return variants.make(path)[1]


if __name__ == "__main__":
    os.environ.setdefault("JPEG_VARIANT_WIDTH_PX", "0")
    run(make)
