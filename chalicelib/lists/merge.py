"""Several key ranges, read as one list: in one order, each image once, and no further than is asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from chalicelib import ids
from chalicelib.index import ranges
from chalicelib.index.query import Order
from chalicelib.index.ranges import Bounds, Index, Range
from chalicelib.index.rows import Chunk, Row

Reader = Callable[[Bounds, int], Chunk]  # the bounds, and the most rows to read


class Stream:
    """One range: the rows that have been read of it, and the place where reading goes on."""

    def __init__(self, source: Range, order: Order, place: str) -> None:
        """Begins at a place, or at the range's own beginning where that is behind it."""
        self._source = source
        self._order = order
        self._rows: deque[Row] = deque()
        self.unread: str | None = ranges.hindmost((place, source.beginning(order)), order)  # None: all is read

    @property
    def head(self) -> str | None:
        """The key of its next row, or a place which that is not before; None where it has ended."""
        return ranges.key(self._rows[0], self._order) if self._rows else self.unread

    @property
    def is_known(self) -> bool:
        """Whether its next row has been read."""
        return bool(self._rows)

    def __len__(self) -> int:
        """How many rows have been read and not been popped."""
        return len(self._rows)

    def pop(self) -> Row:
        """The next row, which has been read."""
        return self._rows.popleft()

    def pass_over(self, row: Row) -> None:
        """Pass over the next row if it is of the same image, at the same place."""
        if self._rows and self._rows[0].image_id == row.image_id and self.head == ranges.key(row, self._order):
            self._rows.popleft()

    def seek(self, place: str) -> None:
        """Pass over all rows before a place."""
        while self._rows and _is_before(ranges.key(self._rows[0], self._order), place, self._order):
            self._rows.popleft()
        if self.unread is not None:
            self.unread = ranges.hindmost((self.unread, place), self._order)

    def read(self, read: Reader, rows: int) -> None:
        """Read on: one call, or more where an owner uploaded all that it finds within one millisecond."""
        place = self.unread
        while self.unread is not None and self.unread == place:
            bounds = self._source.bounds(self._order, self.unread)
            if bounds is None:
                self.unread = None
            else:
                self.take(read(bounds, rows))
                rows *= 2

    def take(self, chunk: Chunk) -> None:
        """Add what was read from `unread` on."""
        rows = [row for row in chunk.rows if not _is_before(ranges.key(row, self._order), self.unread, self._order)]
        if self._source.index is Index.OWNER:
            # Its sort key is a time: within one, the rows come in no order, and others of it may be behind the chunk.
            rows.sort(key=lambda row: row.image_id, reverse=not self._order.oldest_first)
            if chunk.after is not None:
                rows = [row for row in rows if ids.created_at(row.image_id) != chunk.after]
        if self._order.by_update and not self._source.index.is_of_changes:
            rows = [row for row in rows if row.changed is None]
        self._rows.extend(rows)
        if chunk.after is None or self.unread is None:
            self.unread = None
        else:
            self.unread = ranges.hindmost((self.unread, self._source.behind(chunk.after, self._order)), self._order)


class Merge:
    """Streams of one order as one list, whose rows are each an image."""

    def __init__(self, streams: Iterable[Stream], order: Order) -> None:
        self._streams = list(streams)
        self._order = order
        self._given: set[str] = set()

    @property
    def head(self) -> str | None:
        """The key of its next row, or a place which that is not before; None where it has ended."""
        stream = self._foremost()
        return None if stream is None else stream.head

    @property
    def unread(self) -> str | None:
        """The place up to which all of its rows are known; None where all are."""
        places = [stream.unread for stream in self._streams if stream.unread is not None]
        return ranges.foremost(places, self._order) if places else None

    def __len__(self) -> int:
        """How many rows have been read and not been given."""
        return sum(map(len, self._streams))

    def known(self) -> Iterator[Row]:
        """The next rows, as far as they are known without a read."""
        while (stream := self._foremost()) is not None and stream.is_known:
            row = stream.pop()
            # Whoever stops here and goes on from `head` is not to meet the image once more.
            for other in self._streams:
                other.pass_over(row)
            if row.image_id not in self._given:
                self._given.add(row.image_id)
                yield row

    def seek(self, place: str) -> None:
        """Pass over all rows before a place."""
        for stream in self._streams:
            stream.seek(place)

    def read(self, read: Reader, rows: int, is_spent: Callable[[], bool] = lambda: False) -> None:
        """Read on until the next row is known, or that there is none: one call for each stream that it could be in.

        More calls where rows are passed over, since another stream has them; but no more once the budget is spent and
        the list has come further.
        """
        began = self.head
        share = min(rows, max(2 * rows // len(self._streams), _LEAST_SHARE)) if self._streams else 0
        while (stream := self._foremost()) is not None and not stream.is_known:
            stream.read(read, share)
            if is_spent() and self.head != began:
                return
            if not stream.is_known:
                share = min(2 * share, _MOST_ROWS)

    def _foremost(self) -> Stream | None:
        heads = [(stream.head, stream) for stream in self._streams]
        open_ones = [(head, stream) for head, stream in heads if head is not None]
        if not open_ones:
            return None
        place = ranges.foremost((head for head, _ in open_ones), self._order)
        # One that must be read goes first: it may hold what stands at that very place.
        return min((s for head, s in open_ones if head == place), key=lambda stream: stream.is_known)


_MOST_ROWS = 1_000  # of a read
_LEAST_SHARE = 8  # rows of a read: in one read unit there are more


def _is_before(key: str, place: str | None, order: Order) -> bool:
    return place is not None and key != place and ranges.foremost((key, place), order) == key
