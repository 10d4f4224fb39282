"""How a query is executed: one of its lists is read in chunks, within the budget of a page."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from chalicelib import access
from chalicelib.config import settings
from chalicelib.index import ranges, terms
from chalicelib.index.query import Query
from chalicelib.index.rows import Row
from chalicelib.lists import cursors, plan, prefixes
from chalicelib.lists.budget import Budget
from chalicelib.lists.merge import Merge, Reader, Stream
from chalicelib.lists.model import Explanation
from chalicelib.lists.plan import Prefix, Reach
from chalicelib.model import Caller, Image

_MAX_READ_ROWS = 1_000  # of one read: about half of the 1 MB that a Query call can return
_MAX_COMPARED_ROWS = 64  # of each list, while the lists are compared to find the rarest
_WORD_SEARCH_ROWS = 8  # of a read that only searches for words: about one read unit
_MAX_FETCHED = 100  # DynamoDB: keys per BatchGetItem call


class Walk:
    """The images that match a query and that the caller may see, each with its position, in order.

    Each filter of the query is a list, and each list contains the whole answer. A walk reads one list, the driver (the
    driving index, in database terms), and checks the other filters on each row. The first rows of each list show which
    list is the rarest; this one becomes the driver.

    If no row of a chunk matches, the walk leaps (a skip scan): it looks up the driver's position in each other list,
    and continues at the furthest position that a list has. If one of the lists has ended, the answer has ended too.

    The iteration ends before a further read once `limit` images were returned or the budget of a page is spent. Then
    `position` is where the next page begins; None if there are no more images.
    """

    def __init__(self, caller: Caller, query: Query, limit: int, *, whole: bool = True) -> None:
        """Begin where the query's cursor says. If not `whole`, images may lack a long description, which costs less.

        Raises BadInput: the cursor is not one of this query.
        """
        self._needs_description = whole or bool(query.description)
        self._caller = caller
        self._query = query
        self._limit = limit
        self._lists = plan.lists(query, caller)
        self._merges: dict[int, Merge] = {}  # by index of the list, those that were opened
        self._budget = Budget()
        self.driver = 0  # index of the list that is read
        self.position: str | None = None
        if query.cursor is not None:
            key, by_update = settings().cursor_key, query.order.by_update
            cursor = cursors.decode(query.cursor, query.filters, len(self._lists), key, by_update=by_update)
            self.driver, self.position = cursor.driver, cursor.position

    @property
    def cost(self) -> dict[str, float]:
        """The number of DynamoDB calls so far, as `reads`, and of read units, as `read_units`."""
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
        merge = self._open_driver()
        checked = matched = 0
        while True:
            matched_before = matched
            for rows in self._batches(merge, matched):
                checked += len(rows)
                reads = len(self._budget.reads)
                for match in self._matches(rows):
                    matched += 1
                    yield match
                if len(self._budget.reads) > reads and self._budget.is_spent():
                    break
            self.position = merge.head
            if self.position is None or matched >= self._limit or self._budget.is_spent():
                return
            if matched == matched_before and not self._leap(merge):
                self.position = None
                return
            row_count = plan.next_rows(self._limit + 1 - matched, checked, matched, _MAX_READ_ROWS)
            merge.read(self._reader(self.driver), row_count, self._budget.is_spent)

    def _open_driver(self) -> Merge:
        """Choose the driver, or the list that the cursor names, and read its first rows."""
        rows = min(self._limit + 1, _MAX_READ_ROWS)
        if self.position is not None:
            indexes = [self.driver, *range(len(self._lists))]
            self.driver, merge = next(self._open(indexes, self.position, rows))
            merge.read(self._reader(self.driver), rows, self._budget.is_spent)
            return merge
        beginning = ranges.beginning(self._query.order)
        compared = [i for i, each in enumerate(self._lists) if not each.is_last_resort]
        rows = rows if len(compared) == 1 else min(rows, _MAX_COMPARED_ROWS)
        last_resort = [len(self._lists) - 1]
        merges = dict(self._open(compared, beginning, rows)) or dict(self._open(last_resort, beginning, rows))
        for i, merge in merges.items():
            merge.read(self._reader(i), rows, self._budget.is_spent)
        reaches = [Reach(merge.unread, len(merge)) for merge in merges.values()]
        self.driver = list(merges)[plan.rarest(reaches, self._query.order)]
        self._merges = merges
        return merges[self.driver]

    def _open(self, indexes: Sequence[int], position: str, rows: int) -> Iterator[tuple[int, Merge]]:
        """Return the lists that can be read, from a position on: not a prefix that has too many words."""
        for i in indexes:
            candidate = self._lists[i]
            streams = [Stream(key_range, self._query.order, position) for key_range in candidate.ranges]
            streams_of_prefixes = [self._open_prefix(i, prefix, position, rows) for prefix in candidate.prefixes]
            if None not in streams_of_prefixes:
                streams += [stream for opened in streams_of_prefixes for stream in opened or ()]
                yield i, Merge(streams, self._query.order)

    def _open_prefix(self, i: int, prefix: Prefix, position: str, rows: int) -> list[Stream] | None:
        """Return the streams of all words with a prefix; None if there are too many."""
        order = self._query.order
        # The search for words returns the newest rows of each word. If the list begins with these rows, they are used.
        is_beginning = position == ranges.beginning(order) and not order.oldest_first
        # Half of the reads that the budget has left: the words have to be read, too.
        max_words = min(settings().max_prefix_words, (settings().max_page_reads - len(self._budget.reads)) // 2)
        chunks = prefixes.words(prefix, self._reader(i), rows if is_beginning else _WORD_SEARCH_ROWS, max_words)
        if chunks is None:
            return None
        streams = []
        for word in dict.fromkeys((*chunks, *prefix.sharded_words(settings().spread))):
            for key_range in terms.key_ranges(replace(prefix.term, value=word), prefix.owner, self._query):
                stream = Stream(key_range, order, position)
                if is_beginning and word in chunks and key_range.partition == prefix.partition:
                    stream.take(chunks[word])
                streams.append(stream)
        return streams

    def _batches(self, merge: Merge, matched: int) -> Iterator[list[Row]]:
        """Return the rows that need no read, in batches that are no larger than the page can still need."""
        while rows := list(islice(merge.known_rows(), min(max(self._limit + 1 - matched, 1), _MAX_FETCHED))):
            yield rows

    def _matches(self, rows: Sequence[Row]) -> Iterator[tuple[str, Image]]:
        """Return the images of rows that match and that the caller may see; one call if rows lack their records."""
        without_description = replace(self._query, description=())  # for a row that has no room for the description
        candidates = [
            row
            for row in rows
            if access.may_see(self._caller, row.user_id, row.visibility)
            and (row.image is None or terms.matches(row.image, self._query if row.whole else without_description))
        ]
        fetched = self._budget.fetch([row.image_id for row in candidates if not self._is_sufficient(row)])
        for row in candidates:
            image = row.image if self._is_sufficient(row) else fetched.get(row.image_id)
            if image is not None and self._is_match(image):  # None: the record was deleted
                yield ranges.key(row, self._query.order), image

    def _is_sufficient(self, row: Row) -> bool:
        return row.image is not None and (row.whole or not self._needs_description)

    def _is_match(self, image: Image) -> bool:
        # All conditions again: the record can be newer than the row.
        return (
            image.listed
            and access.may_see(self._caller, image.user_id, image.visibility)
            and terms.matches(image, self._query)
        )

    def _leap(self, merge: Merge) -> bool:
        """Skip the rows of the driver that the other lists do not have. Return whether there can be more matches."""
        position = merge.head
        for i, other in enumerate(self._lists):
            if i == self.driver or other.is_last_resort or position is None:
                continue
            if i not in self._merges and not other.prefixes:  # the search for words costs more than it can save
                self._merges |= self._open([i], position, 1)
            if i in self._merges:
                self._merges[i].seek(position)
                self._merges[i].read(self._reader(i), 1, self._budget.is_spent)
                position = self._merges[i].head
        if position is not None:
            merge.seek(position)
        return position is not None

    def _reader(self, i: int) -> Reader:
        return partial(self._budget.read, self._lists[i].name)
