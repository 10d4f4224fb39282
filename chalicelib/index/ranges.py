"""Key ranges of the indexes, and positions in the order that their rows are read in. Pure functions.

All indexes share the keys of an order. In the order of creation, the key of a row is its image_id, a UUIDv7. In the
other orders, the key is `<timestamp>/<image_id>`, with the time of the last update or the time when the picture was
taken; if there is none, with the time of creation. A position in a list is the key of the first row that has still to
be read, whether or not such a row exists. So a position is valid in every index.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from chalicelib import ids
from chalicelib.index.query import Order, Time
from chalicelib.index.rows import Row

# They sort before and after every key: a key begins with a digit or a letter from a to f.
_FIRST = "0"
_LAST = "g"

# Before and after every image_id of the same time, in a key that begins with the time.
_FIRST_ID = ids.smallest_id(0)
_LAST_ID = str(UUID(int=(ids.END << 80) - 1))

_AFTER_ANY_WORD = "\U0010ffff"
_END_OF_WORD = "\x1f"  # sorts before letters and digits, so that a word is sorted before the words that it begins


class Index(Enum):
    """An index: the setting that names its table, its name, its partition key and its sort key."""

    TERMS = ("image_tags_table_name", None, "tag", "image_id")
    CHANGED_TERMS = ("image_tags_table_name", "term-changed-index", "term", "changed")
    TAKEN_TERMS = ("image_tags_table_name", "tag-taken-index", "tag", "taken")
    OWNER = ("images_table_name", "user_id-index", "user_id", "created_at")
    CHANGED_OWNER = ("images_table_name", "user_id-changed-index", "user_id", "changed")
    TAKEN_OWNER = ("images_table_name", "user_id-taken-index", "user_id", "taken")

    @property
    def is_by_update(self) -> bool:
        """Whether the index has only images that were updated, sorted by the time of the last update."""
        return self in (Index.CHANGED_TERMS, Index.CHANGED_OWNER)

    @property
    def is_by_time_taken(self) -> bool:
        """Whether the index is sorted by the time when the pictures were taken."""
        return self in (Index.TAKEN_TERMS, Index.TAKEN_OWNER)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The sort keys that one Query call reads."""

    index: Index
    partition: str
    low: str  # inclusive
    high: str  # inclusive
    ascending: bool


@dataclass(frozen=True, slots=True)
class Range:
    """A key range: the images of a partition that were created, or whose pictures were taken, in a period."""

    index: Index
    partition: str
    word: str | None = None  # in a partition of words: only the rows of this word
    since: int = 0  # earliest time of creation or, in an index by time taken, of that; milliseconds since the epoch
    before: int = ids.END  # latest such time, exclusive

    def beginning(self, order: Order) -> str:
        """Return the position before the first row of the range."""
        # An image can be updated at any time after its creation.
        last = ids.END if self.index.is_by_update else self.before
        return position_at(self.since if order.oldest_first else last - 1, order)

    def bounds(self, order: Order, position: str) -> Bounds | None:
        """Return the bounds of a read from a position to the end of the range; None if the range has no keys there."""
        if self.index.is_by_update:
            low, high = (position, _LAST) if order.oldest_first else (ids.timestamp_of(self.since), position)
            return Bounds(self.index, self.partition, low, high, order.oldest_first) if low <= high else None
        if self.index.is_by_time_taken:
            first, last = ids.timestamp_of(self.since), time_key(ids.timestamp_of(self.before - 1), _LAST)
        else:
            first, last = ids.smallest_id(self.since), _previous(ids.smallest_id(self.before))
            position = _creation_position(position, order)
        if order.oldest_first:
            first = max(first, position)
        else:
            last = min(last, position)
        if first > last:
            return None
        if self.index is Index.OWNER:
            low, high = ids.created_at(first), ids.created_at(last)
        else:
            low, high = sort_key(self.word, first), sort_key(self.word, last)
        return Bounds(self.index, self.partition, low, high, ascending=order.oldest_first)

    def after(self, sort_key: str, order: Order) -> str:
        """Return the position after a sort key of the index.

        Several images can share a sort key of the owner's index, a time of creation: for this index, returns the
        position before all images of that time.
        """
        if self.index is Index.OWNER:
            return position_at(ids.milliseconds_of(sort_key), order)
        key = key_of(sort_key)
        if order.by is Time.UPDATED and not self.index.is_by_update:
            key = _key_of_creation(key)
        return after(key, order)


def key(row: Row, order: Order) -> str:
    """Return the key of a row in an order."""
    if order.by is Time.CREATED:
        return row.image_id
    return (row.changed if order.by is Time.UPDATED else row.taken) or _key_of_creation(row.image_id)


def beginning(order: Order) -> str:
    """Return the position before all rows."""
    return _FIRST if order.oldest_first else _LAST


def after(key: str, order: Order) -> str:
    """Return the position directly after a key."""
    head, image_id = key[:-36], key[-36:]
    return head + (_next(image_id) if order.oldest_first else _previous(image_id))


def first_of(positions: Iterable[str], order: Order) -> str:
    """Return the position that comes first in an order."""
    return min(positions) if order.oldest_first else max(positions)


def last_of(positions: Iterable[str], order: Order) -> str:
    """Return the position that comes last in an order."""
    return max(positions) if order.oldest_first else min(positions)


def position_at(milliseconds: int, order: Order) -> str:
    """Return the position before all images of a time: whose pictures were taken, or that were created, at this time.

    In the order of updates, images that were updated since do not count.
    """
    if order.by is Time.TAKEN:
        return time_key(ids.timestamp_of(milliseconds), _FIRST_ID if order.oldest_first else _LAST_ID)
    if order.oldest_first:
        image_id = ids.smallest_id(milliseconds)
    else:
        image_id = _previous(ids.smallest_id(milliseconds + 1))
    return _key_of_creation(image_id) if order.by is Time.UPDATED else image_id


def word_bounds(index: Index, partition: str, prefix: str, below: str | None = None) -> Bounds:
    """Return the bounds of all words with a prefix or, if given, of those that sort before the word `below`.

    The read is descending: the last word comes first, and for each word its newest row.
    """
    high = prefix + _AFTER_ANY_WORD if below is None else below
    return Bounds(index, partition, prefix, high, ascending=False)


def time_key(timestamp: str, image_id: str) -> str:
    """Return the key of an image in an order by a time that several images can have."""
    return f"{timestamp}/{image_id}"


def sort_key(word: str | None, key: str) -> str:
    """Return the sort key of a term's row from its key in an order; `word` is None if the term is not a word."""
    return key if word is None else word + _END_OF_WORD + key


def word_of(sort_key: str) -> str:
    """Return the word of a term's row; empty if the term is not a word."""
    return sort_key.rpartition(_END_OF_WORD)[0]


def key_of(sort_key: str) -> str:
    """Return the key of a row in an order from its sort key."""
    return sort_key.rpartition(_END_OF_WORD)[2]


def _key_of_creation(image_id: str) -> str:
    """Return the key of an image that was never updated, in the order of updates."""
    return time_key(ids.created_at(image_id), image_id)


def _creation_position(position: str, order: Order) -> str:
    """Return the position in the order of creation that has the same images after it, among those never updated."""
    if order.by is not Time.UPDATED or position in (_FIRST, _LAST):
        return position
    timestamp, _, image_id = position.partition("/")
    if ids.created_at(image_id) == timestamp:
        return image_id
    # An image at this position was updated, so it was created before this time: its id is smaller than the id of every
    # image that was created at this time.
    milliseconds = ids.milliseconds_of(timestamp)
    return position_at(milliseconds if order.oldest_first else milliseconds - 1, Order(oldest_first=order.oldest_first))


def _previous(image_id: str) -> str:
    return str(UUID(int=max(UUID(image_id).int - 1, 0)))


def _next(image_id: str) -> str:
    return str(UUID(int=min(UUID(image_id).int + 1, 2**128 - 1)))
