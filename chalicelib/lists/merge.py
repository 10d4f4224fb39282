"""Several key ranges, read as one sorted list in which each image appears once: a k-way merge that reads lazily.

A stream reads one key range in chunks; a merge takes the next row from the stream whose next key comes first. `read`
reads what several merges need. They make no calls of their own: the caller passes the function that reads rows.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from chalicelib import ids
from chalicelib.index import ranges
from chalicelib.index.query import Order, Time
from chalicelib.index.ranges import Bounds, Index, Range
from chalicelib.index.rows import Chunk, Row
from chalicelib.lists.model import PlannedRead

# Makes reads and returns what they have read, in the same order: of all reads, or of the first ones, but at least one.
Reader = Callable[[Sequence[PlannedRead]], Sequence[Chunk]]


class Stream:
    """One key range, read from a position on: the rows in memory, and the position where the next read begins."""

    def __init__(self, source: Range, order: Order, position: str) -> None:
        """Begin at a position, or at the beginning of the range if that comes later."""
        self.source = source
        self._order = order
        self._rows: deque[Row] = deque()
        # Where the next read begins, and its bounds; None: the range has been read to its end.
        self.unread: str | None = None
        self.bounds: Bounds | None = None
        self.min_rows = 0  # of the next read: a read of fewer rows would not get further
        self._continue_at(ranges.last_of((position, source.beginning(order)), order))

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
            self._continue_at(ranges.last_of((self.unread, position), self._order))

    def take(self, chunk: Chunk) -> None:
        """Add a chunk that was read from `unread` on."""
        rows = [row for row in chunk.rows if not _is_before(ranges.key(row, self._order), self.unread, self._order)]
        if self.source.index is Index.OWNER:
            # The sort key of this index is a time. Rows of the same time are in no order, and more of them may follow
            # after the chunk, so the last time of the chunk is read again.
            rows.sort(key=lambda row: row.image_id, reverse=not self._order.oldest_first)
            if chunk.after is not None:
                rows = [row for row in rows if ids.created_at(row.image_id) != chunk.after]
            # If an owner uploaded a whole chunk within one millisecond, the next one has to be larger.
            self.min_rows = 0 if rows else 2 * len(chunk.rows)
        if self._order.by is Time.UPDATED and not self.source.index.is_by_update:
            # Updated images come from the index of updated images.
            rows = [row for row in rows if row.changed is None]
        self._rows.extend(rows)
        if chunk.after is None or self.unread is None:
            self._continue_at(None)
        else:
            self._continue_at(ranges.last_of((self.unread, self.source.after(chunk.after, self._order)), self._order))

    def _continue_at(self, position: str | None) -> None:
        self.bounds = None if position is None else self.source.bounds(self._order, position)
        self.unread = None if self.bounds is None else position


class Merge:
    """Streams with the same order, merged into one list."""

    def __init__(self, name: str, streams: Iterable[Stream], order: Order, parts: int = 1) -> None:
        """`name` is the name of the list in an explanation. One of its `parts` has usually most of the rows."""
        self.name = name
        self.parts = parts
        self.streams = list(streams)
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
        positions = [stream.unread for stream in self.streams if stream.unread is not None]
        return ranges.first_of(positions, self._order) if positions else None

    def __len__(self) -> int:
        """Return the number of rows in memory."""
        return sum(map(len, self.streams))

    def known_rows(self) -> Iterator[Row]:
        """Return the next rows, up to the first one that needs a read."""
        while (stream := self._first_stream()) is not None and stream.is_known:
            row = stream.pop()
            # A list that stops here and continues from `head` must not return the image again.
            for other in self.streams:
                other.skip(row)
            if row.image_id not in self._returned:
                self._returned.add(row.image_id)
                yield row

    def seek(self, position: str) -> None:
        """Skip all rows before a position."""
        for stream in self.streams:
            stream.seek(position)

    def unknown(self) -> list[Stream]:
        """Return the streams that can be read at once to know the next row; none if it is known or the list has ended.

        Each of them has to be read in any case, because it may have this row.
        """
        first = self._first_stream()
        if first is None:
            return []
        unknown = [stream for stream in self.streams if stream.head == first.head and not stream.is_known]
        # An update moves an image from the index of all images to that of updated ones. An image that moves between the
        # two reads is in both if the index of updated images is read last, and in neither if it is read first.
        return [stream for stream in unknown if not stream.source.index.is_by_update] or unknown

    def _first_stream(self) -> Stream | None:
        """Return the stream whose head comes first; None if all streams have ended."""
        heads = [(stream.head, stream) for stream in self.streams]
        open_streams = [(head, stream) for head, stream in heads if head is not None]
        if not open_streams:
            return None
        position = ranges.first_of((head for head, _ in open_streams), self._order)
        # A stream that has to be read goes first: it may have a row at this very position.
        return min((stream for head, stream in open_streams if head == position), key=lambda stream: stream.is_known)


def read(merges: Sequence[Merge], make_reads: Reader, rows: int, is_spent: Callable[[], bool] = lambda: False) -> None:
    """Read until the next row of each list is in memory or the list has ended.

    One round of reads, of all streams that may have these rows; in the order of updates, a second one. More rounds if
    rows are skipped because another stream has them, or if a period has none. Then the reading of a list stops early if
    the budget is spent, but not before its `head` has moved.
    """
    advances = [_Advance(merge, rows) for merge in merges]
    while planned := [each for advance in advances for each in advance.plan(is_spent=is_spent())]:
        chunks = iter(make_reads(planned))
        for advance in advances:
            advance.take(chunks)


_MAX_READ_ROWS = 1_000  # per call
_MIN_READ_ROWS = 8  # per call: fewer rows do not cost less than the one read unit of the call


class _Advance:
    """The reading of one list until its next row is in memory."""

    def __init__(self, merge: Merge, rows: int) -> None:
        self._merge = merge
        self._began = merge.head
        # The streams of a part share its rows. Twice the share, so that a stream with more rows than the others needs
        # no second read.
        streams = sum(stream.unread is not None for stream in merge.streams)
        self._rows = min(rows, max(2 * rows // max(streams // merge.parts, 1), _MIN_READ_ROWS))
        self._streams: list[Stream] = []  # that the plan reads

    def plan(self, *, is_spent: bool) -> list[PlannedRead]:
        """Return the next reads, which can be made at once; none if the list is not read any further."""
        self._streams = [] if is_spent and self._merge.head != self._began else self._merge.unknown()
        return [
            PlannedRead(self._merge.name, stream.bounds, max(self._rows, stream.min_rows))
            for stream in self._streams
            if stream.bounds is not None
        ]

    def take(self, chunks: Iterator[Chunk]) -> None:
        """Add what was read. There are fewer chunks than reads if the budget did not allow all of them."""
        read = list(zip(self._streams, chunks, strict=False))
        for stream, chunk in read:
            stream.take(chunk)
        if read and not any(stream.is_known for stream, _ in read):
            self._rows = min(2 * self._rows, _MAX_READ_ROWS)


def _is_before(key: str, position: str | None, order: Order) -> bool:
    return position is not None and key != position and ranges.first_of((key, position), order) == key
