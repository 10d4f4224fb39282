"""This service: chalicelib.pictures.variants, which also analyses the picture."""

from pathlib import Path

from bench.engines.measure import run
from chalicelib.pictures import variants


def make(path: Path) -> tuple[bytes, ...]:
    """Return the variants of a photograph."""
    return variants.make(path)[1]


if __name__ == "__main__":
    run(make)
