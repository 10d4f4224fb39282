"""Values of the use cases of tags."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """How many images have a tag, by visibility; in a change, how many more, or fewer if negative."""

    public: int = 0
    private: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.public + other.public, self.private + other.private)

    def __bool__(self) -> bool:
        return self != Tally()


@dataclass(frozen=True, slots=True)
class TagChange:
    """How an upload, an update or a deletion changes the counts of its owner's tags."""

    change_id: str  # a UUIDv7, so that changes sort by time
    user_id: str
    tallies: Mapping[str, Tally]  # by folded tag; none is zero


@dataclass(frozen=True, slots=True)
class TagCounter:
    """Identifies a counter: one tag of one owner, or of everyone."""

    user_id: str | None  # None: everyone's
    tag: str  # folded


@dataclass(frozen=True, slots=True, kw_only=True)
class TagQuery:
    """A request for a page of tags."""

    user_id: str | None = None  # the owner of the tags; None: everyone's
    prefix: str = ""  # of the tags, folded
    limit: int
    cursor: str | None = None

    @property
    def filters(self) -> str:
        """The filters as text: a cursor is valid only for these."""
        return f"tags of {self.user_id!r} that begin with {self.prefix!r}"


@dataclass(frozen=True, slots=True)
class TagCount:
    """How many images have a tag."""

    tag: str  # folded
    count: int


@dataclass(frozen=True, slots=True)
class TagPage:
    """One page of tags."""

    tags: tuple[TagCount, ...]  # sorted by tag, at most the query's limit
    cursor: str | None  # opaque, for the next page; None: this is the last page
