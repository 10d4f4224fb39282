"""Several key ranges, read as one sorted list in which each image appears once: a k-way merge that reads lazily.

A stream reads one key range in chunks; a merge takes the next row from the stream whose next key comes first. Both make
no calls of their own: the caller passes the function that reads rows.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from chalicelib import ids
from chalicelib.index import ranges
from chalicelib.index.query import Order, Time
from chalicelib.index.ranges import Bounds, Index, Range
from chalicelib.index.rows import Chunk, Row

Reader = Callable[[Bounds, int], Chunk]  # from bounds and the maximum number of rows


class Stream:
    """One key range, read from a position on: the rows in memory, and the position where the next read begins."""

    def __init__(self, source: Range, order: Order, position: str) -> None:
        """Begin at a position, or at the beginning of the range if that comes later."""
        self._source = source
        self._order = order
        self._rows: deque[Row] = deque()
        # Where the next read begins; None: the range has been read to its end.
        self.unread: str | None = ranges.last_of((position, source.beginning(order)), order)

    @property
    def head(self) -> str | None:
        """The key of the next row or, if that row is not in memory, a position at or before it; None at the end."""
        return ranges.key(self._rows[0], self._order) if self._rows else self.unread

    @property
    def is_known(self) -> bool:
        """Whether the next row is in memory."""
        return bool(self._rows)

    def __len__(self) -> int:
        """Return the number of rows in memory."""
        return len(self._rows)

    def pop(self) -> Row:
        """Remove and return the next row, which is in memory."""
        return self._rows.popleft()

    def skip(self, row: Row) -> None:
        """Remove the next row if it has the image and the key of `row`."""
        if self._rows and self._rows[0].image_id == row.image_id and self.head == ranges.key(row, self._order):
            self._rows.popleft()

    def seek(self, position: str) -> None:
        """Skip all rows before a position."""
        while self._rows and _is_before(ranges.key(self._rows[0], self._order), position, self._order):
            self._rows.popleft()
        if self.unread is not None:
            self.unread = ranges.last_of((self.unread, position), self._order)

    def read(self, read: Reader, rows: int) -> None:
        """Read the next rows: one call, or more if an owner uploaded a whole chunk within one millisecond."""
        position = self.unread
        while self.unread is not None and self.unread == position:
            bounds = self._source.bounds(self._order, self.unread)
            if bounds is None:
                self.unread = None
            else:
                self.take(read(bounds, rows))
                rows *= 2

    def take(self, chunk: Chunk) -> None:
        """Add a chunk that was read from `unread` on."""
        rows = [row for row in chunk.rows if not _is_before(ranges.key(row, self._order), self.unread, self._order)]
        if self._source.index is Index.OWNER:
            # The sort key of this index is a time. Rows of the same time are in no order, and more of them may follow
            # after the chunk, so the last time of the chunk is read again.
            rows.sort(key=lambda row: row.image_id, reverse=not self._order.oldest_first)
            if chunk.after is not None:
                rows = [row for row in rows if ids.created_at(row.image_id) != chunk.after]
        if self._order.by is Time.UPDATED and not self._source.index.is_by_update:
            # Updated images come from the index of updated images.
            rows = [row for row in rows if row.changed is None]
        self._rows.extend(rows)
        if chunk.after is None or self.unread is None:
            self.unread = None
        else:
            self.unread = ranges.last_of((self.unread, self._source.after(chunk.after, self._order)), self._order)


class Merge:
    """Streams with the same order, merged into one list."""

    def __init__(self, streams: Iterable[Stream], order: Order) -> None:
        self._streams = list(streams)
        self._order = order
        self._returned: set[str] = set()  # image ids

    @property
    def head(self) -> str | None:
        """The key of the next row or, if that row is not in memory, a position at or before it; None at the end."""
        stream = self._first_stream()
        return None if stream is None else stream.head

    @property
    def unread(self) -> str | None:
        """The position before which all rows are in memory or were returned; None if that is true of the whole list."""
        positions = [stream.unread for stream in self._streams if stream.unread is not None]
        return ranges.first_of(positions, self._order) if positions else None

    def __len__(self) -> int:
        """Return the number of rows in memory."""
        return sum(map(len, self._streams))

    def known_rows(self) -> Iterator[Row]:
        """Return the next rows, up to the first one that needs a read."""
        while (stream := self._first_stream()) is not None and stream.is_known:
            row = stream.pop()
            # A list that stops here and continues from `head` must not return the image again.
            for other in self._streams:
                other.skip(row)
            if row.image_id not in self._returned:
                self._returned.add(row.image_id)
                yield row

    def seek(self, position: str) -> None:
        """Skip all rows before a position."""
        for stream in self._streams:
            stream.seek(position)

    def read(self, read: Reader, rows: int, is_spent: Callable[[], bool] = lambda: False) -> None:
        """Read until the next row is in memory or the list has ended: one call for each stream that may have this row.

        More calls if rows are skipped because another stream has them. Then the read stops early if the budget is
        spent, but not before `head` has moved.
        """
        began = self.head
        share = min(rows, max(2 * rows // len(self._streams), _MIN_READ_ROWS)) if self._streams else 0
        while (stream := self._first_stream()) is not None and not stream.is_known:
            stream.read(read, share)
            if is_spent() and self.head != began:
                return
            if not stream.is_known:
                share = min(2 * share, _MAX_READ_ROWS)

    def _first_stream(self) -> Stream | None:
        """Return the stream whose head comes first; None if all streams have ended."""
        heads = [(stream.head, stream) for stream in self._streams]
        open_streams = [(head, stream) for head, stream in heads if head is not None]
        if not open_streams:
            return None
        position = ranges.first_of((head for head, _ in open_streams), self._order)
        # A stream that has to be read goes first: it may have a row at this very position.
        return min((stream for head, stream in open_streams if head == position), key=lambda stream: stream.is_known)


_MAX_READ_ROWS = 1_000  # per call
_MIN_READ_ROWS = 8  # per call: fewer rows do not cost less than the one read unit of the call


def _is_before(key: str, position: str | None, order: Order) -> bool:
    return position is not None and key != position and ranges.first_of((key, position), order) == key
