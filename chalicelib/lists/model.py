"""Values of the use cases of lists."""

from dataclasses import dataclass

from chalicelib.index.query import Include
from chalicelib.index.ranges import Bounds
from chalicelib.model import Image, Variant


@dataclass(frozen=True, slots=True)
class PlannedRead:
    """A call to DynamoDB that a list needs."""

    what: str  # the list that is read
    bounds: Bounds
    rows: int  # at most


@dataclass(frozen=True, slots=True)
class Read:
    """One call to DynamoDB, as an explanation shows it."""

    what: str  # the list that was read, or "records"
    rows: int
    read_units: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a page was read."""

    lists: tuple[str, ...]  # the lists that each hold the whole answer, the most promising first
    driver: str | None  # the list that was read; None: the answer must be empty
    reads: tuple[Read, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Link:
    """A variant with a presigned URL."""

    variant: Variant
    url: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture that a caller gets of an image (ORIGINALS)."""

    url: str | None  # presigned; None: the caller does not get the original, and there is no variant
    variant: Variant | None  # None: the original
    disposition: str | None  # the Content-Disposition that S3 answers the URL with; None: no such header


@dataclass(frozen=True, slots=True)
class Entry:
    """An image in a list, with the URLs that the query asks for. Without variants, an image has no links to them."""

    image: Image  # with its analysis and its state, if the query asks for what only the record has
    url: str | None = None  # of the picture that the caller gets, if the query asks for it: see Picture
    thumbnail: Link | None = None
    variants: tuple[Link, ...] = ()

    @property
    def answer_bytes(self) -> int:
        """The most bytes that the entry takes in an answer: see Image.answer_bytes.

        300 bytes cover an analysis, and 150 the names and numbers of a link.
        """
        links = (*([self.thumbnail] if self.thumbnail else []), *self.variants)
        analysis = 300 if self.image.analysis else 0
        return self.image.answer_bytes + len(self.url or "") + analysis + sum(150 + len(link.url) for link in links)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the answer to a list query."""

    entries: tuple[Entry, ...]  # in the query's order, at most its limit
    cursor: str | None  # opaque, for the next page; None: this is the last page
    include: frozenset[Include] = frozenset()  # what the query asks for
    explanation: Explanation | None = None  # if the query asks for it


@dataclass(frozen=True, slots=True)
class Count:
    """How many images match a query."""

    count: int
    at_least: bool  # whether there may be more
