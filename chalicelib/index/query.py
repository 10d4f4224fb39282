"""What a list query asks for, and the order of its answer."""

from dataclasses import dataclass, fields
from enum import StrEnum

from chalicelib import ids
from chalicelib.model import Visibility


class Time(StrEnum):
    """A time of an image by which lists are sorted."""

    CREATED = "created_at"
    UPDATED = "updated_at"  # the last update or, if the image was never updated, its creation
    TAKEN = "taken_at"  # when the picture was taken or, if that is not known, the image was created


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list; by default the newest image is first."""

    oldest_first: bool = False
    by: Time = Time.CREATED


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a free-text search."""

    text: str  # as words of texts are compared: see terms.words
    tag: str  # as tags are compared: see terms.fold


class Include(StrEnum):
    """What a list can add to the metadata of each image."""

    URL = "url"  # a presigned URL of the original
    THUMBNAIL = "thumbnail"  # a small variant, with a presigned URL
    VARIANTS = "variants"  # all variants, each with a presigned URL
    ANALYSIS = "analysis"  # what processing found out


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A request for a page of images that match all of the filters."""

    user_id: str | None = None
    tags: tuple[str, ...] = ()  # an image has all of them; folded, see terms.fold
    any_tags: tuple[str, ...] = ()  # an image has at least one of them; folded
    title: tuple[str, ...] = ()  # prefixes, each of a word of the field: see terms.words
    description: tuple[str, ...] = ()  # prefixes, likewise
    filename: tuple[str, ...] = ()  # prefixes, likewise
    words: tuple[Word, ...] = ()  # each is a word of the title, description or filename, or a tag
    visibility: Visibility | None = None
    content_type: str | None = None
    checksum: str | None = None
    since: int = 0  # earliest time of creation, milliseconds since the epoch
    before: int = ids.END  # latest time of creation, exclusive
    taken_since: int = ids.START  # earliest time of Time.TAKEN, milliseconds since the epoch
    taken_before: int = ids.END  # latest time of Time.TAKEN, exclusive
    order: Order = Order()
    limit: int
    cursor: str | None = None
    include: frozenset[Include] = frozenset()  # what is added to each image
    explain: bool = False  # whether the answer says how the page was read

    @property
    def has_taken_range(self) -> bool:
        """Whether the query filters by the time when pictures were taken."""
        return (self.taken_since, self.taken_before) != (ids.START, ids.END)

    @property
    def needs_time_taken(self) -> bool:
        """Whether the answer depends on the time when pictures were taken."""
        return self.has_taken_range or self.order.by is Time.TAKEN

    @property
    def filters(self) -> str:
        """The filters that are set and the order, as text: a cursor is valid only for these."""
        given = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NOT_BOUND}
        return repr({name: value for name, value in given.items() if value != _DEFAULTS[name]})


_NOT_BOUND = {"limit", "cursor", "include", "explain"}
_DEFAULTS = {each.name: each.default for each in fields(Query)}
