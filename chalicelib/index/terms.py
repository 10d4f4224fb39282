"""Which terms a record is found by, where their rows lie, and whether an image is what a query asks for.

A term is a partition of the table `image_tags`; its rows are the images that have it, sorted by image_id. A plain tag
is its own partition key, as contract D publishes it; any other key begins with a character that no tag can have.
The rows of a private image lie in partitions of its owner's, so that what others list never meets them.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.index import ranges
from chalicelib.index.query import Query
from chalicelib.index.ranges import Index, Range
from chalicelib.model import Image, Visibility

# What an update may write: the record, its change of tags, and each term once to go and once to come, of 100 writes
# (DynamoDB: TransactWriteItems). Eight terms are no tags or words: see `of`.
MOST_TAGS_AND_WORDS = 41

BANDS = 4  # of a perceptual hash: two that differ in fewer bits than there are bands share one of them

_WORD = re.compile(r"[^\W_]+")
_NOT_A_TAG = "\x1f"  # tags have no control characters: fields refuses them


class Kind(StrEnum):
    """What an image can be found by."""

    EVERYTHING = "everything"
    OWNER = "owner"
    TAG = "tag"
    CONTENT_TYPE = "content_type"
    CHECKSUM = "checksum"
    TITLE = "title"
    DESCRIPTION = "description"
    FILENAME = "filename"
    BAND = "band"  # of the perceptual hash

    @property
    def is_of_words(self) -> bool:
        """Whether a filter asks for beginnings of words."""
        return self in (Kind.TITLE, Kind.DESCRIPTION, Kind.FILENAME)


_TEXTS = (Kind.TITLE, Kind.FILENAME, Kind.DESCRIPTION)  # where there is room for some only, first come first


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that images are found by."""

    kind: Kind
    value: str = ""  # folded

    @property
    def name(self) -> str:
        """As in `tag:sea`; `everything` has no value."""
        return f"{self.kind}:{self.value}" if self.value else str(self.kind)

    @property
    def word(self) -> str | None:
        """What its sort keys begin with: the words of one first letter share a partition, so that they are a range."""
        return self.value if self.kind.is_of_words else None

    def partition(self, owner: str | None, shard: int | None = None) -> str:
        """Its partition key, among public images or those private to an owner."""
        if self.kind is Kind.TAG:
            key = self.value
        else:
            key = f"{_NOT_A_TAG}{self.kind}:{self.value[:1] if self.kind.is_of_words else self.value}"
        if shard is not None:
            key = f"{_NOT_A_TAG}~{shard}{_NOT_A_TAG}{key}"
        return key if owner is None else f"{_NOT_A_TAG}@{owner}{_NOT_A_TAG}{key}"

    def partition_of_updates(self, owner: str | None) -> str:
        """Its partition key in the index of updates, which is one whatever the shards."""
        return self.name if owner is None else f"@{owner}{_NOT_A_TAG}{self.name}"

    def shards(self) -> tuple[tuple[int, int, int], ...]:
        """Over how many partitions it is spread (SHARDS), by when images were created: since, before, how many."""
        steps = ((0, 1), *settings().spread.get(self.name, ()))
        ends = (*(since for since, _ in steps[1:]), ids.END)
        return tuple((since, before, count) for (since, count), before in zip(steps, ends, strict=True))


EVERYTHING = Term(Kind.EVERYTHING)


@dataclass(frozen=True, slots=True)
class Key:
    """Where the row of an image and a term lies."""

    partition: str
    sort: str
    term: str  # whichever the shard: the partition of its updates
    is_of_a_band: bool = False


def fold(tag: str) -> str:
    """A tag as it is compared: without difference of case or of Unicode compatibility forms."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold())


def words(text: str, kind: Kind) -> tuple[str, ...]:
    """The words of a text that count, in the field or in a filter for it: folded, and without accents.

    Each once, the first MAX_TITLE_WORDS, MAX_DESCRIPTION_WORDS or MAX_FILENAME_WORDS of them, and of each the first
    MAX_WORD_CHARS characters.
    """
    bare = "".join(c for c in unicodedata.normalize("NFKD", fold(text)) if not unicodedata.combining(c))
    found: dict[str, None] = {}
    most = most_words(kind)
    for word in _WORD.finditer(bare):
        if len(found) >= most:
            break
        found[word[0][: settings().max_word_chars]] = None
    return tuple(found)


def most_words(kind: Kind) -> int:
    """How many different words of a text images are found by."""
    limits = settings()
    return {
        Kind.TITLE: limits.max_title_words,
        Kind.DESCRIPTION: limits.max_description_words,
        Kind.FILENAME: limits.max_filename_words,
    }[kind]


def of(image: Image) -> tuple[Term, ...]:
    """All terms that an image is found by; of its words those that MOST_TAGS_AND_WORDS leaves room for."""
    tags = dict.fromkeys(map(fold, image.tags))
    texts = [Term(kind, word) for kind in _TEXTS for word in words(_text(image, kind), kind)]
    fixed = (
        EVERYTHING,
        *([] if image.visibility is Visibility.PRIVATE else [Term(Kind.OWNER, image.user_id)]),
        Term(Kind.CONTENT_TYPE, image.content_type),
        Term(Kind.CHECKSUM, image.checksum),
        *(bands(image.analysis.perceptual_hash) if image.analysis else ()),
    )
    return (*fixed, *(Term(Kind.TAG, tag) for tag in tags), *texts[: max(0, MOST_TAGS_AND_WORDS - len(tags))])


def bands(perceptual_hash: str) -> tuple[Term, ...]:
    """The parts of a perceptual hash, by which those alike are found: of 64 bits, BANDS parts of as many bits each."""
    digits = len(perceptual_hash) // BANDS
    return tuple(Term(Kind.BAND, f"{n}:{perceptual_hash[n * digits : (n + 1) * digits]}") for n in range(BANDS))


def key(image: Image, term: Term) -> Key:
    """Where the row of an image and a term lies."""
    owner = image.user_id if image.visibility is Visibility.PRIVATE else None
    created = ids.milliseconds(image.image_id)
    count = next(count for since, before, count in term.shards() if since <= created < before)
    shard = int(image.image_id[-8:], 16) % count if count > 1 else None
    sort_key = ranges.sort_key(term.word, image.image_id)
    return Key(term.partition(owner, shard), sort_key, term.partition_of_updates(owner), term.kind is Kind.BAND)


def key_ranges(term: Term, owner: str | None, query: Query) -> tuple[Range, ...]:
    """The key ranges of a term's rows, among public images or those private to an owner, of the dates of a query."""
    found = [
        Range(Index.TERMS, term.partition(owner, n if count > 1 else None), term.word, since, before)
        for start, end, count in term.shards()
        if (since := max(start, query.since)) < (before := min(end, query.before))
        for n in range(count)
    ]
    if query.order.by_update:
        found.append(Range(Index.CHANGED_TERMS, term.partition_of_updates(owner), None, query.since))
    return tuple(found)


def matches(image: Image, query: Query) -> bool:
    """Whether an image has all that a query asks for.

    It says so of every row that is read: texts and tags are folded where they are asked for.
    """
    return (
        query.user_id in (None, image.user_id)
        and query.visibility in (None, image.visibility)
        and query.content_type in (None, image.content_type)
        and query.checksum in (None, image.checksum)
        and query.since <= ids.milliseconds(image.image_id) < query.before
        and _has_tags(image, query)
        and _has_words(image, query)
    )


def wanted_words(query: Query) -> tuple[Term, ...]:
    """The beginnings of words that a query asks for."""
    asked = {Kind.TITLE: query.title, Kind.FILENAME: query.filename, Kind.DESCRIPTION: query.description}
    return tuple(Term(kind, word) for kind in _TEXTS for word in asked[kind])


def _has_tags(image: Image, query: Query) -> bool:
    if not (query.tags or query.any_tags):
        return True
    has = set(map(fold, image.tags))
    return has.issuperset(query.tags) and (not query.any_tags or not has.isdisjoint(query.any_tags))


def _has_words(image: Image, query: Query) -> bool:
    wanted = wanted_words(query)
    if not wanted:
        return True
    # Those that have rows, so that it makes no difference which list the image was met in.
    has = [term for term in of(image) if term.kind.is_of_words]
    return all(any(h.kind is w.kind and h.value.startswith(w.value) for h in has) for w in wanted)


def _text(image: Image, kind: Kind) -> str:
    text: str = getattr(image, kind)
    return text
