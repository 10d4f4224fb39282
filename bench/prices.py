"""Compute the write units of an upload by its tags and words, what a million uploads cost, and what other ways cost.

Prices of on-demand tables in us-east-1 since 1 November 2024 (https://aws.amazon.com/dynamodb/pricing/on-demand/).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench import album
from chalicelib.index import terms
from chalicelib.index.terms import Kind, Term
from chalicelib.model import Image, Visibility
from chalicelib.stores import catalog, records
from chalicelib.stores.dynamodb import Attributes
from project.markdown import table

DOLLARS_A_WRITE_UNIT = 0.625 / 1e6
DOLLARS_A_READ_UNIT = 0.125 / 1e6

_TAGS = (0, 1, 3, 5, 10)
_WORDS = ((0, 0, 0), (0, 0, 3), (4, 0, 3), (4, 8, 3), (12, 12, 6))  # words of title, description and filename
_COMPARED = ((4, 0, 3), (4, 8, 3))  # with three tags
_WRITE_UNIT = 1024  # bytes


@dataclass(frozen=True, slots=True)
class Way:
    """A way to write the index rows of an upload."""

    name: str
    breaks: str  # what holds today
    in_transaction: frozenset[Kind]  # the kinds of terms whose rows are in the transaction of the record
    by_time_taken: frozenset[Kind]  # and those whose rows are in tag-taken-index
    indexed: frozenset[Kind] = frozenset(Kind)
    one_row_for_a_letter: bool = False  # of the words of a field

    def write_units(self, image: Image) -> int:
        """Return the write units of an upload on AWS. Plain writes cost half of those in a transaction."""
        rows = [(term, units) for term, units in _rows(image) if term.kind in self.indexed]
        if self.one_row_for_a_letter:
            rows = list({term.partition(None): (term, units) for term, units in rows}.values())
        written = sum(units * (2 if term.kind in self.in_transaction else 1) for term, units in rows)
        copied = sum(units for term, units in rows if term.kind in self.by_time_taken)
        return _record_units(image) + written + copied


_ALL = frozenset(Kind)
_TEXTS = frozenset(kind for kind in Kind if kind.is_text)
_NONE: frozenset[Kind] = frozenset()
_TODAY = Way("today", "", _ALL, _ALL)
_LATE = "an image is in all lists at once: words are late by seconds, after a crash by an hour"
WAYS = (
    _TODAY,
    Way("1. processing writes the words", _LATE, _ALL - _TEXTS, _ALL),
    Way("2. only those of the description", "the same, for these words", _ALL - {Kind.DESCRIPTION}, _ALL),
    Way(
        "3. words not in the order by time taken",
        "flat pages of words in the gallery's order",
        _ALL,
        _ALL - _TEXTS,
    ),
    Way("1 and 3", "both", _ALL - _TEXTS, _ALL - _TEXTS),
    Way("4. one row for each first letter", "flat pages of words", _ALL, _ALL, one_row_for_a_letter=True),
    # A row of up to 1 KB takes one unit, whatever is in it.
    Way("5. rows of words without the record", "flat pages: 10 read units more for 20 images", _ALL, _ALL),
    Way("6. all rows after the record", "an image is in all lists at once, of any kind", _NONE, _ALL),
    Way("`MAX_FILENAME_WORDS=0`", "filters by file name", _ALL, _ALL, indexed=_ALL - {Kind.FILENAME}),
)


def main() -> None:
    """Print two tables in Markdown."""
    print(by_words())
    print(by_way(), end="")


def by_words() -> str:
    """Return a table of the write units of an upload, with dollars per million."""
    rows = [
        (", ".join(map(str, words)), *(_cell(write_units(sample(tags, *words))) for tags in _TAGS)) for words in _WORDS
    ]
    return table(("words of title, description, filename", *(f"{tags} tags" for tags in _TAGS)), rows)


def by_way() -> str:
    """Return a table of the write units of an upload with three tags in each way, and of the share that is saved."""
    images = [sample(3, *words) for words in _COMPARED]
    rows = [(way.name, *(cell for image in images for cell in _compared(way, image)), way.breaks) for way in WAYS]
    names = [name for words in _COMPARED for name in (f"{', '.join(map(str, words))} words", "saved")]
    return table(("way", *names, "what breaks"), rows)


def write_units(image: Image) -> int:
    """Return the write units of an upload's transaction on AWS.

    Each item counts twice, to prepare and to commit it (Developer Guide, "transactions: capacity"). Its copies in the
    indexes are written after the transaction, and count once: the record's in user_id-index and user_id-taken-index,
    and the rows' in tag-taken-index.
    """
    return _TODAY.write_units(image)


def sample(tags: int, title: int, description: int, filename: int) -> Image:
    """Return a public image with the given numbers of tags and words."""
    words = album.WORDS
    return replace(
        album.image(0),
        tags=tuple(album.TAGS[:tags]),
        title=" ".join(words[:title]),
        description=" ".join(words[:description]),
        filename="_".join(words[:filename]),
        visibility=Visibility.PUBLIC,
    )


def _record_units(image: Image) -> int:
    """Return the units of the record, of its copies in two indexes, and of the change of tag counts."""
    change = 3 if image.tags else 0  # tag_counts: one item, and its copy in queue-index
    return 4 * _units(catalog.put(image)["Put"]["Item"]) + change


def _rows(image: Image) -> Iterator[tuple[Term, int]]:
    """Return the terms of an image, with the units of their rows."""
    keys = {terms.key(image, term): term for term in terms.of(image)}
    for key, row in records.to_rows(image, keys).items():
        yield keys[key], _units(row)


def _units(item: Attributes) -> int:
    return -(-records.size(item) // _WRITE_UNIT)


def _compared(way: Way, image: Image) -> tuple[str, str]:
    units, today = way.write_units(image), write_units(image)
    return _cell(units), f"{100 - 100 * units / today:.0f} %" if way is not _TODAY else ""


def _cell(units: int) -> str:
    return f"{units} (${units * DOLLARS_A_WRITE_UNIT * 1e6:.2f})"


if __name__ == "__main__":
    main()
