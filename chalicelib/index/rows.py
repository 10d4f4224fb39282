"""What a read of an index returns."""

from dataclasses import dataclass

from chalicelib.model import Image, Visibility


@dataclass(frozen=True, slots=True)
class Row:
    """An image as a row of an index describes it."""

    image_id: str
    user_id: str
    visibility: Visibility
    image: Image | None  # None: the image is too large for the row and must be fetched
    whole: bool = True  # False: the row has no room for the description
    word: str = ""  # the word that the row is for, in an index of words
    changed: str | None = None  # sort key in the order of updates; None: the image was never updated
    taken: str | None = None  # sort key in the order of time taken; None: the index or the row does not have it
    perceptual_hash: str = ""  # only in a row of a band, which has no other field of the image


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one Query call returned."""

    rows: tuple[Row, ...]  # in the order of the call
    after: str | None  # the last sort key read; None: there are no more rows within the bounds
    read_units: float
