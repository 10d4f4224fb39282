"""This service: chalicelib.pictures.variants, with all that it finds out about the picture beside."""

from pathlib import Path

from bench.engines.measure import run
from chalicelib.pictures import variants


def make(path: Path) -> tuple[bytes, ...]:
    """The variants of a photograph."""
    return variants.make(path)[1]


if __name__ == "__main__":
    run(make)
