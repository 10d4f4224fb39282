"""The terms of an image, the keys of their rows, and whether an image matches a query.

A term is one thing that an image can be found by. It is a partition of the table `image_tags`, with one row for each
image that has the term, sorted by image_id. The partition key of a tag is the folded tag, as contract D publishes it;
every other partition key begins with a character that no tag can contain. Private images have partitions of their own,
per owner, so a list never reads private images of other users.

The functions make no calls. They depend on their arguments and on settings of the service: how many words of a text
count, how long a word is, and which terms are sharded. They read the settings themselves, because writers and readers
of rows must agree on them.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.index import ranges
from chalicelib.index.query import Query, Time, Word
from chalicelib.index.ranges import Index, Range
from chalicelib.model import Image, Visibility

# DynamoDB: 100 actions per TransactWriteItems call. An update may write the record, a change of tag counts, and two
# rows for each term, one deleted and one written. Eight terms are neither tags nor words: see `of`.
MAX_TAGS_AND_WORDS = 41

# Parts of a perceptual hash. Two hashes that differ in fewer bits than there are bands share at least one band.
BANDS = 4

_WORD = re.compile(r"[^\W_]+")
_MARKED_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")  # with combining marks
_NOT_A_TAG = "\x1f"  # a tag has no control characters: web/fields rejects them


class Kind(StrEnum):
    """What kind of thing an image is found by."""

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
    def is_text(self) -> bool:
        """Whether each word of the field is a term, and a filter asks for prefixes of words."""
        return self in (Kind.TITLE, Kind.DESCRIPTION, Kind.FILENAME)


_TEXTS = (Kind.TITLE, Kind.FILENAME, Kind.DESCRIPTION)  # by priority: if not all words have room, the last ones lose


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that images are found by."""

    kind: Kind
    value: str = ""  # folded; empty if the kind is EVERYTHING

    @property
    def name(self) -> str:
        """The term as text, such as `tag:sea` or `everything`."""
        return f"{self.kind}:{self.value}" if self.value else str(self.kind)

    @property
    def word(self) -> str | None:
        """The word that the sort keys begin with; None if the term is not a word.

        Words with the same first letter share a partition, so that the words with a prefix are a key range.
        """
        return self.value if self.kind.is_text else None

    def partition(self, owner: str | None, shard: int | None = None) -> str:
        """Return the partition key among the private images of an owner or, for None, among the public images."""
        if self.kind is Kind.TAG:
            key = self.value
        else:
            key = f"{_NOT_A_TAG}{self.kind}:{self.value[:1] if self.kind.is_text else self.value}"
        if shard is not None:
            key = f"{_NOT_A_TAG}~{shard}{_NOT_A_TAG}{key}"
        return key if owner is None else f"{_NOT_A_TAG}@{owner}{_NOT_A_TAG}{key}"

    def partition_of_updates(self, owner: str | None) -> str:
        """Return the partition key in the index of updated images, which is not sharded."""
        return self.name if owner is None else f"@{owner}{_NOT_A_TAG}{self.name}"

    def shards(self) -> tuple[tuple[int, int, int], ...]:
        """Return the number of partitions of the term (SHARDS) for each period of creation: (since, before, count).

        Oldest period first; `since` and `before` are milliseconds since the epoch, `before` is exclusive.
        """
        steps = ((0, 1), *settings().spread.get(self.name, ()))
        ends = (*(since for since, _ in steps[1:]), ids.END)
        return tuple((since, before, count) for (since, count), before in zip(steps, ends, strict=True))


EVERYTHING = Term(Kind.EVERYTHING)


@dataclass(frozen=True, slots=True)
class Key:
    """The keys of the row of one image and one term."""

    partition: str
    sort: str
    term: str  # the partition key in the index of updated images
    is_of_a_band: bool = False


def fold(tag: str) -> str:
    """Return a tag in the form in which tags are compared: without differences of case and compatibility (NFKC)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold())


def words(text: str, kind: Kind) -> tuple[str, ...]:
    """Return the indexed words of a text, or of a filter for this field: folded and without accents, each word once.

    At most `max_words` words, of which the first MAX_WORD_CHARS characters count.
    """
    words: dict[str, None] = {}
    limit = max_words(kind)
    for word in _words(fold(text)):
        if len(words) >= limit:
            break
        words[word] = None
    return tuple(words)


def query_words(text: str) -> tuple[Word, ...]:
    """Return the different words of a free-text search, in order."""
    # A tag keeps its accents, so letters are found together with their combining marks.
    found = (Word(word, match[0]) for match in _MARKED_WORD.finditer(fold(text)) for word in _words(match[0]))
    return tuple(dict.fromkeys(found))


def max_words(kind: Kind) -> int:
    """Return how many different words of a field are indexed."""
    limits = settings()
    return {
        Kind.TITLE: limits.max_title_words,
        Kind.DESCRIPTION: limits.max_description_words,
        Kind.FILENAME: limits.max_filename_words,
    }[kind]


def of(image: Image) -> tuple[Term, ...]:
    """Return all terms of an image. If tags and words are more than MAX_TAGS_AND_WORDS, the last words have no term."""
    tags = dict.fromkeys(map(fold, image.tags))
    texts = [Term(kind, word) for kind in _TEXTS for word in words(_text(image, kind), kind)]
    fixed = (
        EVERYTHING,
        *([] if image.visibility is Visibility.PRIVATE else [Term(Kind.OWNER, image.user_id)]),
        Term(Kind.CONTENT_TYPE, image.content_type),
        Term(Kind.CHECKSUM, image.checksum),
        *(bands(image.analysis.perceptual_hash) if image.analysis else ()),
    )
    return (*fixed, *(Term(Kind.TAG, tag) for tag in tags), *texts[: max(0, MAX_TAGS_AND_WORDS - len(tags))])


def bands(perceptual_hash: str) -> tuple[Term, ...]:
    """Return the bands of a perceptual hash of 64 bits, by which similar images are found: BANDS parts of 16 bits."""
    digits = len(perceptual_hash) // BANDS
    return tuple(Term(Kind.BAND, f"{n}:{perceptual_hash[n * digits : (n + 1) * digits]}") for n in range(BANDS))


def key(image: Image, term: Term) -> Key:
    """Return the keys of the row of an image and a term."""
    owner = image.user_id if image.visibility is Visibility.PRIVATE else None
    created = ids.milliseconds(image.image_id)
    count = next(count for since, before, count in term.shards() if since <= created < before)
    shard = int(image.image_id[-8:], 16) % count if count > 1 else None
    sort_key = ranges.sort_key(term.word, image.image_id)
    return Key(term.partition(owner, shard), sort_key, term.partition_of_updates(owner), term.kind is Kind.BAND)


def key_ranges(term: Term, owner: str | None, query: Query) -> tuple[Range, ...]:
    """Return the key ranges that hold the rows of a term for the dates and the order of a query.

    Private images of an owner or, for None, public images.
    """
    by_creation = [
        Range(Index.TERMS, term.partition(owner, n if count > 1 else None), term.word, since, before)
        for start, end, count in term.shards()
        if (since := max(start, query.since)) < (before := min(end, query.before))
        for n in range(count)
    ]
    if query.order.by is Time.CREATED:
        return tuple(by_creation)
    if query.order.by is Time.UPDATED:
        return *by_creation, Range(Index.CHANGED_TERMS, term.partition_of_updates(owner), None, query.since)
    # A picture can be taken in any period before its image is created.
    partitions = dict.fromkeys(each.partition for each in by_creation)
    period = query.taken_since, query.taken_before
    return tuple(Range(Index.TAKEN_TERMS, partition, term.word, *period) for partition in partitions)


def matches(image: Image, query: Query) -> bool:
    """Whether an image matches every filter of a query.

    This runs for every row that is read, so tags and words of the image are folded only if the query filters by them.
    """
    return (
        query.user_id in (None, image.user_id)
        and query.visibility in (None, image.visibility)
        and query.content_type in (None, image.content_type)
        and query.checksum in (None, image.checksum)
        and query.since <= ids.milliseconds(image.image_id) < query.before
        and (not query.has_taken_range or _is_taken(image, query))
        and _has_tags(image, query)
        and _has_prefixes(image, query)
        and _has_words(image, query)
    )


def alternatives(word: Word) -> tuple[Term, ...]:
    """Return the terms of which an image has at least one if a free-text search for a word finds it."""
    texts = [Term(kind, word.text) for kind in _TEXTS if max_words(kind)]
    # A word that is longer than a tag can be may be longer than a partition key can be (DynamoDB: 2,048 bytes).
    tags = [tag for tag in dict.fromkeys((word.tag, word.text)) if len(tag) <= settings().max_tag_chars]
    return (*texts, *(Term(Kind.TAG, tag) for tag in tags))


def word_prefixes(query: Query) -> tuple[Term, ...]:
    """Return the prefixes of words that a query filters by, each as a term."""
    prefixes = {Kind.TITLE: query.title, Kind.FILENAME: query.filename, Kind.DESCRIPTION: query.description}
    return tuple(Term(kind, prefix) for kind in _TEXTS for prefix in prefixes[kind])


def _has_tags(image: Image, query: Query) -> bool:
    if not (query.tags or query.any_tags):
        return True
    tags = set(map(fold, image.tags))
    return tags.issuperset(query.tags) and (not query.any_tags or not tags.isdisjoint(query.any_tags))


def _is_taken(image: Image, query: Query) -> bool:
    return query.taken_since <= ids.milliseconds_of(image.dated_at) < query.taken_before


def _has_words(image: Image, query: Query) -> bool:
    if not query.words:
        return True
    found = frozenset(of(image))
    return all(not found.isdisjoint(alternatives(word)) for word in query.words)


def _has_prefixes(image: Image, query: Query) -> bool:
    prefixes = word_prefixes(query)
    if not prefixes:
        return True
    # Only words that have a row, so that the answer does not depend on which list is read.
    words = [term for term in of(image) if term.kind.is_text]
    return all(
        any(word.kind is prefix.kind and word.value.startswith(prefix.value) for word in words) for prefix in prefixes
    )


def _words(folded: str) -> Iterator[str]:
    """Return the words of a folded text, without accents."""
    without_accents = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    return (match[0][: settings().max_word_chars] for match in _WORD.finditer(without_accents))


def _text(image: Image, kind: Kind) -> str:
    text: str = getattr(image, kind)
    return text
