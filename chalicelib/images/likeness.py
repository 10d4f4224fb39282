"""Which images are most like one, by how many bits their perceptual hashes differ in: pure functions."""

from collections.abc import Iterable

from chalicelib.index import terms
from chalicelib.index.rows import Row
from chalicelib.model import Image


def bands(image: Image, bits: int) -> tuple[terms.Term, ...]:
    """The bands of which images that differ in at most so many bits share one: one more than bits; none without a look.

    Each bit can break one of them.
    """
    return terms.bands(image.analysis.perceptual_hash)[: bits + 1] if image.analysis else ()


def difference(one: str, other: str) -> int:
    """In how many bits two perceptual hashes, in hex, differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def nearest(image: Image, copies: Iterable[Row], alike: Iterable[Row], bits: int) -> list[tuple[str, int]]:
    """The ids of others that differ in at most so many bits, nearest first and then newest first, each with how many.

    Those of `alike` are compared by their hashes. `copies` have the same bytes, so nothing to differ in.
    """
    found: dict[str, int] = {}
    if image.analysis:
        hashed = {row.image_id: difference(row.perceptual_hash, image.analysis.perceptual_hash) for row in alike}
        found = {image_id: differs for image_id, differs in hashed.items() if differs <= bits}
    found |= {row.image_id: 0 for row in copies}
    found.pop(image.image_id, None)
    newest_first = sorted(found.items(), reverse=True)
    return sorted(newest_first, key=lambda each: each[1])
