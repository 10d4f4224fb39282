"""Key ranges of the indexes, and the order that their rows are read in: what a read asks for, as pure functions.

Every list is in one order. Of creation, its key is the image_id, a UUIDv7; of updates, it is the time of the last
update, which for an image that was never updated is that of creation, and the image_id. A place in a list is the key of
the first row that is still to be looked at, whether or not there is such a row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from chalicelib import ids
from chalicelib.index.query import Order
from chalicelib.index.rows import Row

# Before and behind every key, which are of digits and letters up to f, and begin with a digit or such a letter.
_FIRST = "0"
_LAST = "g"
_AFTER_ANY_WORD = "\U0010ffff"
_END_OF_WORD = "\x1f"  # before every letter and digit, so that a word stands before those that it begins


class Index(Enum):
    """Where a range lies: a table, and the names of its index, partition key and sort key."""

    TERMS = ("image_tags_table_name", None, "tag", "image_id")
    CHANGED_TERMS = ("image_tags_table_name", "term-changed-index", "term", "changed")
    OWNER = ("images_table_name", "user_id-index", "user_id", "created_at")
    CHANGED_OWNER = ("images_table_name", "user_id-changed-index", "user_id", "changed")

    @property
    def is_of_changes(self) -> bool:
        """Whether only images are in it that were updated, in the order of that."""
        return self in (Index.CHANGED_TERMS, Index.CHANGED_OWNER)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one read asks for: the sort keys from `low` to `high`, both included."""

    index: Index
    partition: str
    low: str
    high: str
    ascending: bool


@dataclass(frozen=True, slots=True)
class Range:
    """The images of a partition that were created within a span of time."""

    index: Index
    partition: str
    word: str | None = None  # of the rows of that word alone, in a partition of words
    since: int = 0  # milliseconds since the epoch
    before: int = ids.END  # the same, exclusive

    def beginning(self, order: Order) -> str:
        """The place before all of its rows."""
        # An update comes at any time after the creation.
        last = ids.END if self.index.is_of_changes else self.before
        return moment(self.since if order.oldest_first else last - 1, order)

    def bounds(self, order: Order, place: str) -> Bounds | None:
        """The keys to read from a place on; None where all rows are before it."""
        if self.index.is_of_changes:
            low, high = (place, _LAST) if order.oldest_first else (ids.moment(self.since), place)
            return Bounds(self.index, self.partition, low, high, order.oldest_first) if low <= high else None
        place = _creation(place, order)
        first, last = ids.least(self.since), _previous(ids.least(self.before))
        if order.oldest_first:
            first = max(first, place)
        else:
            last = min(last, place)
        if first > last:
            return None
        if self.index is Index.OWNER:
            low, high = ids.created_at(first), ids.created_at(last)
        else:
            low, high = sort_key(self.word, first), sort_key(self.word, last)
        return Bounds(self.index, self.partition, low, high, ascending=order.oldest_first)

    def behind(self, sort_key: str, order: Order) -> str:
        """The place just behind a sort key of its index; of an owner's, that before all images of the same moment."""
        if self.index is Index.OWNER:
            return moment(ids.milliseconds_of(sort_key), order)
        if self.index.is_of_changes or not order.by_update:
            return behind(sort_key if self.index.is_of_changes else sort_key[-36:], order)
        return behind(_unchanged(sort_key[-36:]), order)


def key(row: Row, order: Order) -> str:
    """The key of a row in an order."""
    return (row.changed or _unchanged(row.image_id)) if order.by_update else row.image_id


def beginning(order: Order) -> str:
    """The place before everything."""
    return _FIRST if order.oldest_first else _LAST


def behind(key: str, order: Order) -> str:
    """The place just behind a key."""
    head, image_id = key[:-36], key[-36:]
    return head + (_next(image_id) if order.oldest_first else _previous(image_id))


def foremost(places: Iterable[str], order: Order) -> str:
    """That of several places which comes first."""
    return min(places) if order.oldest_first else max(places)


def hindmost(places: Iterable[str], order: Order) -> str:
    """That of several places which comes last."""
    return max(places) if order.oldest_first else min(places)


def moment(milliseconds: int, order: Order) -> str:
    """The place before all images that were created at a time, and not updated since."""
    image_id = ids.least(milliseconds) if order.oldest_first else _previous(ids.least(milliseconds + 1))
    return _unchanged(image_id) if order.by_update else image_id


def words(partition: str, prefix: str, below: str | None = None) -> Bounds:
    """The rows of all words that begin with a prefix, or of those of them that stand before the word `below`.

    The last word comes first, and of each word the newest row.
    """
    high = prefix + _AFTER_ANY_WORD if below is None else below
    return Bounds(Index.TERMS, partition, prefix, high, ascending=False)


def sort_key(word: str | None, image_id: str) -> str:
    """The sort key of a term's row."""
    return image_id if word is None else word + _END_OF_WORD + image_id


def word_of(sort_key: str) -> str:
    """The word of a term's row; none where it is not of a word."""
    return sort_key[:-37]


def _unchanged(image_id: str) -> str:
    return f"{ids.created_at(image_id)}/{image_id}"


def _creation(place: str, order: Order) -> str:
    """The place in the order of creation, of images that were never updated, for one in the order of updates."""
    if not order.by_update or place in (_FIRST, _LAST):
        return place
    timestamp, _, image_id = place.partition("/")
    if ids.created_at(image_id) == timestamp:
        return image_id
    # It was created before it was updated: its id is less than all that were created at that time.
    milliseconds = ids.milliseconds_of(timestamp)
    return moment(milliseconds if order.oldest_first else milliseconds - 1, Order(oldest_first=order.oldest_first))


def _previous(image_id: str) -> str:
    return str(UUID(int=max(UUID(image_id).int - 1, 0)))


def _next(image_id: str) -> str:
    return str(UUID(int=min(UUID(image_id).int + 1, 2**128 - 1)))
