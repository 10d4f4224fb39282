"""What a list query asks for, and the order of its answer."""

from dataclasses import dataclass, fields
from enum import StrEnum

from chalicelib import ids
from chalicelib.model import Visibility


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list; by default the newest image is first."""

    oldest_first: bool = False
    by_update: bool = False  # True: by last update (of creation if never updated); False: by creation


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
    visibility: Visibility | None = None
    content_type: str | None = None
    checksum: str | None = None
    since: int = 0  # earliest time of creation, milliseconds since the epoch
    before: int = ids.END  # latest time of creation, exclusive
    order: Order = Order()
    limit: int
    cursor: str | None = None
    include: frozenset[Include] = frozenset()  # what is added to each image
    explain: bool = False  # whether the answer says how the page was read

    @property
    def filters(self) -> str:
        """The filters that are set and the order, as text: a cursor is valid only for these."""
        given = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NOT_BOUND}
        return repr({name: value for name, value in given.items() if value != _DEFAULTS[name]})


_NOT_BOUND = {"limit", "cursor", "include", "explain"}
_DEFAULTS = {each.name: each.default for each in fields(Query)}
