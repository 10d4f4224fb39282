"""This service: chalicelib.pictures.variants, including the analysis of the image."""

from pathlib import Path

from bench.engines.measure import run
from chalicelib.pictures import variants


def make(path: Path) -> tuple[bytes, ...]:
    """Make the variants of a photograph."""
    return variants.make(path)[1]


if __name__ == "__main__":
    run(make)
