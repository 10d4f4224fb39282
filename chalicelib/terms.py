"""Which terms a record is found by, and how a list of several is read.

A term is a partition key of the table `image_tags`; its rows are the images that have it, sorted by image_id.
A plain tag is its own key, as contract D publishes it; any other term begins with a character that no tag can have.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.model import Chunk, Image, Query

_WORD = re.compile(r"[^\W_]+")

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


def words(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared: folded, and without accents."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", fold(text)) if not unicodedata.combining(c))
    return tuple(_WORD.findall(bare))


def of(image: Image) -> tuple[str, ...]:
    """The keys of all terms that an image is found by."""
    return (EVERYTHING, *dict.fromkeys(map(fold, image.tags)))


def sources(query: Query) -> tuple[Source, ...]:
    """The lists that each hold every image of the answer."""
    owner = (Owner(query.user_id),) if query.user_id is not None else ()
    return (*owner, *map(Term, query.tags)) or (Term(EVERYTHING),)


def matches(image: Image, query: Query) -> bool:
    """Whether an image has all that a query asks for; its dates are the range of the list that is read."""
    return (
        query.user_id in (None, image.user_id)
        and query.visibility in (None, image.visibility)
        # Of every row that is read: texts and tags are folded where they are asked for.
        and (not query.tags or set(query.tags) <= set(map(fold, image.tags)))
        and _begin_words(query.title, image.title)
        and _begin_words(query.description, image.description)
        and _begin_words(query.filename, image.filename)
    )


def rarest(first: Sequence[Chunk], *, oldest_first: bool) -> int:
    """Which list is the shortest, judged by the first chunk of each.

    Ids are ordered by time, so of chunks of one length that which reaches furthest is of the sparsest list; a list that
    has ended is known wholly.
    """
    ended = [i for i, chunk in enumerate(first) if chunk.after is None]
    if ended:
        return min(ended, key=lambda i: len(first[i].rows))
    furthest = max if oldest_first else min
    return furthest(range(len(first)), key=lambda i: first[i].after or "")


def _begin_words(wanted: Sequence[str], text: str) -> bool:
    if not wanted:
        return True
    has = " " + " ".join(words(text))
    return all(f" {word}" in has for word in wanted)
