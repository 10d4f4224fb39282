"""Values of the use cases of lists."""

from dataclasses import dataclass

from chalicelib.model import Image


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
class Page:
    """One page of the answer to a list query."""

    images: tuple[Image, ...]  # in the query's order, at most its limit
    cursor: str | None  # opaque, for the next page; None: this is the last page
    presigned_urls: tuple[str, ...] | None = None  # one for each image, if the query asks for them
    explanation: Explanation | None = None  # if the query asks for it


@dataclass(frozen=True, slots=True)
class Count:
    """How many images match a query."""

    count: int
    at_least: bool  # whether there may be more
