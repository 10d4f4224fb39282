"""Which terms a record is found by, and how a list of several is read.

A term is a partition key of the table `image_tags`; its rows are the images that have it, sorted by image_id.
A plain tag is its own key, as contract D publishes it; any other term begins with a character that no tag can have.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.model import Chunk, Image, Query

# Tags have no control characters: requests refuses them.
EVERYTHING = "\x1fall"


@dataclass(frozen=True, slots=True)
class Term:
    """The list of the images that have a term."""

    key: str


@dataclass(frozen=True, slots=True)
class Owner:
    """The list of an owner's images: the table's own index `user_id-index`."""

    user_id: str


Source = Term | Owner


def fold(tag: str) -> str:
    """A tag as it is compared: without difference of case or of Unicode compatibility forms."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold())


def of(image: Image) -> tuple[str, ...]:
    """The keys of all terms that an image is found by."""
    return (EVERYTHING, *dict.fromkeys(map(fold, image.tags)))


def sources(query: Query) -> tuple[Source, ...]:
    """The lists that each hold every image of the answer."""
    owner = (Owner(query.user_id),) if query.user_id is not None else ()
    return (*owner, *map(Term, query.tags)) or (Term(EVERYTHING),)


def matches(image: Image, query: Query) -> bool:
    """Whether an image has all that a query asks for."""
    if query.user_id is not None and image.user_id != query.user_id:
        return False
    # Of every row that is read: tags are folded where they are asked for.
    return not query.tags or set(query.tags) <= set(map(fold, image.tags))


def rarest(first: Sequence[Chunk]) -> int:
    """Which list is the shortest, judged by the first chunk of each.

    Ids are ordered by time, so of chunks of one length that which reaches furthest back is of the sparsest list;
    a list that has ended is known wholly.
    """
    return min(range(len(first)), key=lambda i: _reach(first[i]))


def _reach(chunk: Chunk) -> tuple[bool, int, str]:
    if chunk.after is None:
        return (False, len(chunk.rows), "")
    return (True, 0, chunk.after)
