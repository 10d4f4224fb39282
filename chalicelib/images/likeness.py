"""How similar images are: the number of bits in which their perceptual hashes differ. Pure functions."""

from collections.abc import Iterable

from chalicelib.index import terms
from chalicelib.index.rows import Row
from chalicelib.model import Image


def bands(image: Image, bits: int) -> tuple[terms.Term, ...]:
    """Return bands of which every image that differs in at most `bits` bits has one; none if there is no analysis.

    They are one more than `bits`, because each bit that differs changes one band.
    """
    return terms.bands(image.analysis.perceptual_hash)[: bits + 1] if image.analysis else ()


def difference(one: str, other: str) -> int:
    """Return the number of bits in which two perceptual hashes, as hexadecimal digits, differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def nearest(image: Image, copies: Iterable[Row], hashed: Iterable[Row], bits: int) -> list[tuple[str, int]]:
    """Return ids of images that differ in at most `bits` bits, each with this number, without the image itself.

    The most similar first, then the newest first. `copies` are images with the same bytes, which differ in no bit;
    `hashed` are rows with perceptual hashes.
    """
    differences: dict[str, int] = {}
    if image.analysis:
        own_hash = image.analysis.perceptual_hash
        compared = {row.image_id: difference(row.perceptual_hash, own_hash) for row in hashed}
        differences = {image_id: differing for image_id, differing in compared.items() if differing <= bits}
    differences |= {row.image_id: 0 for row in copies}
    differences.pop(image.image_id, None)
    newest_first = sorted(differences.items(), reverse=True)
    return sorted(newest_first, key=lambda pair: pair[1])
