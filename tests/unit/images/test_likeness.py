from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.images import likeness
from chalicelib.index.rows import Row
from chalicelib.model import Image, Visibility
from tests.unit.samples import ANALYSIS, IMAGE

HASHES = st.integers(0, 2**64 - 1)
ONES = "f" * 16


def hashed(perceptual_hash: str) -> Image:
    return replace(IMAGE, analysis=replace(ANALYSIS, perceptual_hash=perceptual_hash))


def row(image_id: str, perceptual_hash: str = "") -> Row:
    return Row(image_id, "bob", Visibility.PUBLIC, None, perceptual_hash=perceptual_hash)


def flipped(number: int, bits: Iterable[int]) -> int:
    for bit in bits:
        number ^= 1 << bit
    return number


@given(HASHES, st.sets(st.integers(0, 63)))
def test_the_difference_is_the_number_of_different_bits(number: int, bits: set[int]) -> None:
    assert likeness.difference(f"{number:016x}", f"{flipped(number, bits):016x}") == len(bits)


@given(HASHES, st.sets(st.integers(0, 63), max_size=3), st.integers(0, 3))
def test_images_within_a_difference_share_a_band(number: int, flips: set[int], bits: int) -> None:
    one, other = hashed(f"{number:016x}"), hashed(f"{flipped(number, flips):016x}")
    shared = {*likeness.bands(one, bits)} & {*likeness.bands(other, bits)}
    assert shared or len(flips) > bits


def test_an_image_without_an_analysis_has_no_bands() -> None:
    assert likeness.bands(IMAGE, 3) == ()
    assert len(likeness.bands(hashed(ONES), 0)) == 1


def test_similar_images_are_sorted_by_difference_and_then_newest_first() -> None:
    similar = [row("1", ONES), row("2", "7" + ONES[1:]), row("3", ONES), row("4", "3" + ONES[1:]), row("5", "0" * 16)]
    nearest = likeness.nearest(hashed(ONES), [], similar, 3)
    assert nearest == [("3", 0), ("1", 0), ("2", 1), ("4", 2)]
    assert likeness.nearest(hashed(ONES), [], similar, 1) == nearest[:3]


def test_an_image_that_shares_several_bands_appears_once_and_the_image_itself_never() -> None:
    image = hashed(ONES)
    similar = [row("1", ONES), row(image.image_id, ONES), row("1", ONES)]
    assert likeness.nearest(image, [row(image.image_id)], similar, 3) == [("1", 0)]


def test_copies_have_a_difference_of_zero() -> None:
    copies, similar = [row("1"), row("2")], [row("2", "7" + ONES[1:]), row("3", "7" + ONES[1:])]
    assert likeness.nearest(hashed(ONES), copies, similar, 3) == [("2", 0), ("1", 0), ("3", 1)]
    assert likeness.nearest(IMAGE, copies, [], 3) == [("2", 0), ("1", 0)]
