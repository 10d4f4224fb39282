"""How a query is executed: one of its lists is read in chunks, within the budget of a page."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from chalicelib import access, ids
from chalicelib.config import settings
from chalicelib.index import ranges, terms
from chalicelib.index.query import Order, Query, Time
from chalicelib.index.ranges import Bounds, Index, Range
from chalicelib.index.rows import Chunk, Row
from chalicelib.lists import cursors, entries, merge, plan, prefixes
from chalicelib.lists.budget import Budget, Spent
from chalicelib.lists.merge import Merge, Stream
from chalicelib.lists.model import Explanation, PlannedRead
from chalicelib.lists.plan import Prefix, Reach
from chalicelib.model import Caller, Image
from chalicelib.stores.secrets import secrets

_MAX_READ_ROWS = 1_000  # of one read: about half of the 1 MB that a Query call can return
_MAX_COMPARED_ROWS = 64  # of each list, while the lists are compared to find the rarest
_WORD_SEARCH_ROWS = 8  # of a read that only searches for words: about one read unit
_MAX_FETCHED = 100  # DynamoDB: keys per BatchGetItem call

Fetch = Callable[[Sequence[str]], dict[str, Image]]  # from ids to the images that have a record


class Walk:
    """The images that match a query and that the caller may see, each with its position, in order.

    Each filter of the query is a list, and each list contains the whole answer. A walk reads one list, the driver (the
    driving index, in database terms), and checks the other filters on each row. The first rows of each list show which
    list is the rarest; this one becomes the driver.

    If no row of a chunk matches, the walk leaps (a skip scan): it looks up the driver's position in each other list,
    and continues at the furthest position that a list has. If one of the lists has ended, the answer has ended too.

    The iteration ends before a further read once `limit` images were returned or the budget of a page is spent. Then
    `position` is where the next page begins; None if there are no more images. `moved` returns what the walk missed,
    and `with_records` what index rows lack.
    """

    def __init__(self, caller: Caller, query: Query, limit: int, *, whole: bool = True) -> None:
        """Begin where the query's cursor says. If not `whole`, images may lack a long description, which costs less.

        Raises BadInput: the cursor is not one of this query.
        """
        self._needs_records = entries.need_records(query, caller)
        self._needs_description = (whole and not self._needs_records) or bool(query.description or query.words)
        self._caller = caller
        self._query = query
        self._limit = limit
        self._lists = plan.lists(query, caller)
        self._merges: dict[int, Merge] = {}  # by index of the list, those that were opened
        self._can_move = plan.can_move(self._lists, query, caller)
        self._budget = Budget(plan.reserved_reads(query, caller, can_move=self._can_move))
        self._started = time.time()
        self.driver = 0  # index of the list that is read
        self.position: str | None = None
        if query.cursor is not None:
            keys, by_creation = secrets().cursor_keys, query.order.by is Time.CREATED
            cursor = cursors.decode(query.cursor, query.filters, len(self._lists), keys, by_creation=by_creation)
            self.driver, self.position = cursor.driver, cursor.position
        self._beginning = self.position

    @property
    def cost(self) -> dict[str, float]:
        """The number of reads so far, as `reads`, and of read units, as `read_units`."""
        return self._budget.cost

    def explanation(self) -> Explanation:
        """Return how the query was executed so far."""
        return Explanation(
            lists=tuple(each.name for each in self._lists),
            driver=self._lists[self.driver].name if self._lists else None,
            reads=tuple(self._budget.reads),
            milliseconds=self._budget.milliseconds,
        )

    def __iter__(self) -> Iterator[tuple[str, Image]]:
        """Return the positions and images: see the class."""
        if not self._lists:
            return
        try:
            yield from self._walk()
        except Spent:
            self.position = self._merges[self.driver].head

    def moved(self, found: Collection[str]) -> list[tuple[str, Image]]:
        """Return the matching images before `position` that are not in `found`, with their positions.

        At most one call, and another one if the query needs the time taken, which the index of updates lacks.

        An owner who makes an image public or private moves its rows. If that happens between the read of the one key
        range and the read of the other, neither has the image. So this looks up the caller's updates since the walk
        began. The time of an update is taken before its transaction, which may come as late as its request may run.
        """
        if not self._can_move or len(self._budget.reads) < 2:
            return []
        since = self._started - settings().api_timeout_seconds
        newest_first = Order(by=Time.UPDATED)
        updates = Range(Index.CHANGED_OWNER, self._caller.user_id or "", None, int(since * 1000))
        bounds = updates.bounds(newest_first, ranges.beginning(newest_first))
        chunk = self._budget.read_last(PlannedRead("moved", bounds, _MAX_READ_ROWS)) if bounds else None
        rows = [row for row in (chunk.rows if chunk else ()) if row.image_id not in found]
        if self._query.needs_time_taken:
            rows = rows[:_MAX_FETCHED]  # the last updates
        matches = self._matches(rows, self._budget.fetch_last)
        return [(position, image) for position, image in matches if self._has_passed(position)]

    def with_records(self, found: Sequence[tuple[str, Image]]) -> Iterator[tuple[str, Image]]:
        """Return images of the walk as their records are now, if the query asks for what index rows lack.

        One call for each 100 images. Images that do not match any more are left out. If the budget of the page is
        spent, the iteration ends, and `position` is where the next page begins; the first 100 images are always read.
        """
        if not self._needs_records:
            yield from found
            return
        for start in range(0, len(found), _MAX_FETCHED):
            batch = found[start : start + _MAX_FETCHED]
            if start and self._budget.is_spent(reserved=True):
                self.position = batch[0][0]
                return
            records = self._budget.fetch_last([image.image_id for _, image in batch if image.analysis is None])
            for position, image in batch:
                record = image if image.analysis else records.get(image.image_id)
                if record is not None and self._is_match(record):  # None: the record was deleted
                    yield position, record

    def _has_passed(self, position: str) -> bool:
        """Whether the walk has begun at or before a position, and ended after it."""
        order, end = self._query.order, self.position
        has_begun = self._beginning is None or ranges.last_of((self._beginning, position), order) == position
        return has_begun and (end is None or (position != end and ranges.first_of((position, end), order) == position))

    def _walk(self) -> Iterator[tuple[str, Image]]:
        """Return the positions and images.

        Raises Spent: the next row of the driver cannot be read in this page.
        """
        driver = self._open_driver()
        checked = matched = 0
        while True:
            matched_before = matched
            for rows in self._batches(driver, matched):
                checked += len(rows)
                reads = len(self._budget.reads)
                try:
                    matches = self._matches(rows, self._budget.fetch)
                except Spent:  # no read is left for their records
                    self.position = ranges.key(rows[0], self._query.order)
                    return
                for match in matches:
                    matched += 1
                    yield match
                if len(self._budget.reads) > reads and self._budget.is_spent():
                    break
            self.position = driver.head
            if self.position is None or matched >= self._limit or self._budget.is_spent():
                return
            if matched == matched_before and not self._leap(driver):
                self.position = None
                return
            row_count = plan.next_rows(self._limit + 1 - matched, checked, matched, _MAX_READ_ROWS)
            self._read([driver], row_count)

    def _open_driver(self) -> Merge:
        """Choose the driver, or the list that the cursor names, and read its first rows."""
        rows = min(self._limit + 1, _MAX_READ_ROWS)
        if self.position is not None:
            for i in (self.driver, *range(len(self._lists))):
                if self._open(i, self.position, rows, self._allowance(i)):
                    self.driver = i
                    break
            self._read(self._merges.values(), rows)
            return self._merges[self.driver]
        beginning = ranges.beginning(self._query.order)
        compared = [i for i, each in enumerate(self._lists) if not each.is_last_resort]
        rows = rows if len(compared) == 1 else min(rows, _MAX_COMPARED_ROWS)
        for i in compared:
            self._open(i, beginning, rows, self._allowance(i))
        if not self._merges:
            self._open(len(self._lists) - 1, beginning, rows, self._budget.left)
        self.driver = min(self._merges)
        self._read(self._merges.values(), rows)
        reaches = [Reach(opened.unread, len(opened)) for opened in self._merges.values()]
        self.driver = list(self._merges)[plan.rarest(reaches, self._query.order)]
        return self._merges[self.driver]

    def _allowance(self, i: int) -> int:
        """Return how many reads of the budget may be spent to read the first row of a list."""
        if self._merges:  # the list is only compared: keep half of all reads for the rows of the driver
            planned = sum(_calls(opened.streams) for opened in self._merges.values())
            return self._budget.left - planned - settings().max_page_reads // 2
        if plan.is_affordable(self._lists[i], self._query, self._caller):
            return self._budget.left
        # If the list has too many words or key ranges, one of the others is read.
        affordable = [each for each in self._lists if plan.is_affordable(each, self._query, self._caller)]
        return self._budget.left - min(plan.calls(each.ranges) for each in affordable)

    def _read(self, merges: Iterable[Merge], rows: int) -> None:
        merge.read(list(merges), self._budget.read, rows, self._budget.is_spent)

    def _open(self, i: int, position: str, rows: int, allowance: int) -> bool:
        """Open a list at a position, if the allowance suffices to read its first row. Return whether it is open.

        No call but those that search for the words of prefixes.
        """
        candidate, reads = self._lists[i], len(self._budget.reads)
        streams = {key_range: Stream(key_range, self._query.order, position) for key_range in candidate.ranges}
        for n, prefix in enumerate(candidate.prefixes):
            left = allowance - (len(self._budget.reads) - reads) - _calls(streams.values())
            opened = self._open_prefix(i, prefix, position, rows, left // (len(candidate.prefixes) - n))
            if opened is None:
                return False
            streams |= opened
        if len(self._budget.reads) - reads + _calls(streams.values()) > allowance:
            return False
        self._merges[i] = Merge(candidate.name, streams.values(), self._query.order, candidate.parts)
        return True

    def _open_prefix(
        self, i: int, prefix: Prefix, position: str, rows: int, allowance: int
    ) -> dict[Range, Stream] | None:
        """Return the streams of all words with a prefix; None if there are too many to read them with the allowance."""
        order = self._query.order
        # The search for words returns the newest rows of each word. If the list begins with these rows, they are used.
        is_beginning = position == ranges.beginning(order) and not order.oldest_first
        reads_of_a_word = plan.calls(terms.key_ranges(prefix.term, prefix.owner, self._query)) - is_beginning
        # The search makes one call for each word, and another one to see that there are no more.
        max_words = min(settings().max_prefix_words, (allowance - 1) // (1 + reads_of_a_word))
        if max_words < 1:
            return None

        def read(bounds: Bounds, rows: int) -> Chunk:
            return self._budget.read([PlannedRead(self._lists[i].name, bounds, rows)])[0]

        chunks = prefixes.words(prefix, order, read, rows if is_beginning else _WORD_SEARCH_ROWS, max_words)
        if chunks is None:
            return None
        streams = {}
        for word in dict.fromkeys((*chunks, *prefix.sharded_words(settings().spread))):
            for key_range in terms.key_ranges(replace(prefix.term, value=word), prefix.owner, self._query):
                stream = Stream(key_range, order, position)
                if is_beginning and word in chunks and key_range.partition == prefix.partition:
                    stream.take(chunks[word])
                streams[key_range] = stream
        return streams

    def _batches(self, driver: Merge, matched: int) -> Iterator[list[Row]]:
        """Return the rows that need no read, in batches that are no larger than the page can still need."""
        while rows := list(islice(driver.known_rows(), min(max(self._limit + 1 - matched, 1), _MAX_FETCHED))):
            yield rows

    def _matches(self, rows: Sequence[Row], fetch: Fetch) -> list[tuple[str, Image]]:
        """Return the images of rows that match and that the caller may see; one call if rows lack their records.

        Raises Spent: `fetch` has no read left for the records.
        """
        candidates = [
            row
            for row in rows
            if access.may_see(self._caller, row.user_id, row.visibility)
            and (row.image is None or terms.matches(row.image, self._conditions_on(row)))
        ]
        sufficient = {row.image_id: row.image for row in candidates if row.image and self._is_sufficient(row)}
        fetched = fetch([row.image_id for row in candidates if row.image_id not in sufficient])
        # A record can be newer than its row, so all conditions hold for a row's image, but not for a record's.
        images = sufficient | {image_id: image for image_id, image in fetched.items() if self._is_match(image)}
        return [
            (self._position(row, images[row.image_id]), images[row.image_id])
            for row in candidates
            if row.image_id in images
        ]

    def _conditions_on(self, row: Row) -> Query:
        """Return the filters that can be checked on a row; the others need its record."""
        query = self._query
        if not row.whole:  # the row has no room for the description
            query = replace(query, description=(), words=())
        if row.taken is None and query.has_taken_range:
            query = replace(query, taken_since=ids.START, taken_before=ids.END)
        return query

    def _position(self, row: Row, image: Image) -> str:
        if row.taken is None and self._query.order.by is Time.TAKEN:
            return ranges.time_key(image.dated_at, image.image_id)
        return ranges.key(row, self._query.order)

    def _is_sufficient(self, row: Row) -> bool:
        return (row.whole or not self._needs_description) and (
            row.taken is not None or not self._query.needs_time_taken
        )

    def _is_match(self, image: Image) -> bool:
        return (
            image.listed
            and access.may_see(self._caller, image.user_id, image.visibility)
            and terms.matches(image, self._query)
        )

    def _leap(self, driver: Merge) -> bool:
        """Skip the rows of the driver that the other lists do not have. Return whether there can be more matches."""
        position = driver.head
        for i, other in enumerate(self._lists):
            if i == self.driver or other.is_last_resort or position is None:
                continue
            if i not in self._merges and not other.prefixes:  # the search for words costs more than it can save
                self._open(i, position, 1, self._budget.left)
            if i in self._merges and plan.calls(other.ranges) <= self._budget.left:
                self._merges[i].seek(position)
                self._read([self._merges[i]], 1)
                position = self._merges[i].head
        if position is not None:
            driver.seek(position)
        return position is not None


def _calls(streams: Iterable[Stream]) -> int:
    """Return how many calls it takes to know the next row of all streams."""
    return plan.calls([stream.source for stream in streams if stream.head and not stream.is_known])
