"""A query read along one of its lists: page by page, within a budget."""

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

_MOST_ROWS = 1_000  # of one read: about half of the 1 MB that DynamoDB gives at once
_MOST_ROWS_TO_COMPARE = 64  # of each list, while it is open which is the rarest
_WORDS_ROWS = 8  # of a read that only looks for words: about one read unit
_BATCH = 100  # records that are fetched at once (DynamoDB: keys of a BatchGetItem)


class Walk:
    """The images of a query that the caller may see, each with its place, in order.

    It ends before the next read once as many as wanted were given, or where the budget of a page is spent: `place` is
    where to go on, or None where there is nothing more.
    Of several lists, the first rows of each show which is the rarest. That one is the driver; what it holds is filtered
    by the rest, and where nothing of it matches, the others are looked ahead in: where one of them has nothing, the
    driver need not be read.
    """

    def __init__(self, caller: Caller, query: Query, wanted: int, *, whole: bool = True) -> None:
        """Begins where the query's cursor is; images come without a long description unless they are to be `whole`.

        Raises BadInput: the query's cursor isn't one of this query.
        """
        self._needs_description = whole or bool(query.description)
        self._caller = caller
        self._query = query
        self._wanted = wanted
        self._lists = plan.lists(query, caller)
        self._merges: dict[int, Merge] = {}
        self._budget = Budget()
        self.driver = 0  # of the lists
        self.place: str | None = None
        if query.cursor is not None:
            key, by_update = settings().cursor_key, query.order.by_update
            position = cursors.decode(query.cursor, query.filters, len(self._lists), key, by_update=by_update)
            self.driver, self.place = position.driver, position.place

    @property
    def cost(self) -> dict[str, float]:
        """Calls to DynamoDB, and read units."""
        return self._budget.cost

    def explanation(self) -> Explanation:
        """How it was read so far."""
        return Explanation(
            lists=tuple(each.name for each in self._lists),
            driver=self._lists[self.driver].name if self._lists else None,
            reads=tuple(self._budget.reads),
            milliseconds=self._budget.milliseconds,
        )

    def __iter__(self) -> Iterator[tuple[str, Image]]:
        """See the class."""
        if not self._lists:
            return
        merge = self._begun()
        looked_at = found = 0
        while True:
            before = found
            for rows in self._known(merge, found):
                looked_at += len(rows)
                reads = len(self._budget.reads)
                for match in self._matching(rows):
                    found += 1
                    yield match
                if len(self._budget.reads) > reads and self._budget.is_spent():
                    break
            self.place = merge.head
            if self.place is None or found >= self._wanted or self._budget.is_spent():
                return
            if found == before and not self._leap(merge):
                self.place = None
                return
            rows_on = plan.next_rows(self._wanted + 1 - found, looked_at, found, _MOST_ROWS)
            merge.read(self._reader(self.driver), rows_on, self._budget.is_spent)

    def _begun(self) -> Merge:
        """The driver, its first rows read."""
        rows = min(self._wanted + 1, _MOST_ROWS)
        if self.place is not None:
            indexes = [self.driver, *range(len(self._lists))]
            self.driver, merge = next(self._opened(indexes, self.place, rows))
            merge.read(self._reader(self.driver), rows, self._budget.is_spent)
            return merge
        beginning = ranges.beginning(self._query.order)
        compared = [i for i, each in enumerate(self._lists) if not each.is_last_resort]
        rows = rows if len(compared) == 1 else min(rows, _MOST_ROWS_TO_COMPARE)
        last_resort = [len(self._lists) - 1]
        merges = dict(self._opened(compared, beginning, rows)) or dict(self._opened(last_resort, beginning, rows))
        for i, merge in merges.items():
            merge.read(self._reader(i), rows, self._budget.is_spent)
        reaches = [Reach(merge.unread, len(merge)) for merge in merges.values()]
        self.driver = list(merges)[plan.rarest(reaches, self._query.order)]
        self._merges = merges
        return merges[self.driver]

    def _opened(self, indexes: Sequence[int], place: str, rows: int) -> Iterator[tuple[int, Merge]]:
        """Those of the lists that can be read along, from a place on: not those of too many words."""
        for i in indexes:
            found = self._lists[i]
            streams = [Stream(each, self._query.order, place) for each in found.ranges]
            words = [self._words(i, prefix, place, rows) for prefix in found.prefixes]
            if None not in words:
                streams += [stream for each in words for stream in each or ()]
                yield i, Merge(streams, self._query.order)

    def _words(self, i: int, prefix: Prefix, place: str, rows: int) -> list[Stream] | None:
        order = self._query.order
        # The rows that the words are found by are those that a list begins with, if it begins with the newest.
        begins = place == ranges.beginning(order) and not order.oldest_first
        # Half of what is left of the budget: what is found has to be read, too.
        most = min(settings().max_prefix_words, (settings().max_page_reads - len(self._budget.reads)) // 2)
        known = prefixes.words(prefix, self._reader(i), rows if begins else _WORDS_ROWS, most)
        if known is None:
            return None
        streams = []
        for word in dict.fromkeys((*known, *prefix.spread_words())):
            for each in terms.key_ranges(replace(prefix.term, value=word), prefix.owner, self._query):
                stream = Stream(each, order, place)
                if begins and word in known and each.partition == prefix.partition:
                    stream.take(known[word])
                streams.append(stream)
        return streams

    def _known(self, merge: Merge, found: int) -> Iterator[list[Row]]:
        """The rows that are known, no more at once than can be needed."""
        while rows := list(islice(merge.known(), min(max(self._wanted + 1 - found, 1), _BATCH))):
            yield rows

    def _matching(self, rows: Sequence[Row]) -> Iterator[tuple[str, Image]]:
        """The images of rows that match and that the caller may see; one call where rows don't carry them."""
        carried = replace(self._query, description=())  # a row that isn't whole has no description
        seen = [
            row
            for row in rows
            if access.may_see(self._caller, row.user_id, row.visibility)
            and (row.image is None or terms.matches(row.image, self._query if row.whole else carried))
        ]
        fetched = self._budget.fetch([row.image_id for row in seen if not self._is_enough(row)])
        for row in seen:
            image = row.image if self._is_enough(row) else fetched.get(row.image_id)
            if image is not None and self._is_wanted(image):  # none: its record is gone
                yield ranges.key(row, self._query.order), image

    def _is_enough(self, row: Row) -> bool:
        return row.image is not None and (row.whole or not self._needs_description)

    def _is_wanted(self, image: Image) -> bool:
        # The record can be newer than the row.
        return (
            image.listed
            and access.may_see(self._caller, image.user_id, image.visibility)
            and terms.matches(image, self._query)
        )

    def _leap(self, merge: Merge) -> bool:
        """Pass over what can't match, as the other lists show; whether there is anything left."""
        place = merge.head
        for i, other in enumerate(self._lists):
            if i == self.driver or other.is_last_resort or place is None:
                continue
            if i not in self._merges and not other.prefixes:  # its words would cost more than they can save
                self._merges |= self._opened([i], place, 1)
            if i in self._merges:
                self._merges[i].seek(place)
                self._merges[i].read(self._reader(i), 1, self._budget.is_spent)
                place = self._merges[i].head
        if place is not None:
            merge.seek(place)
        return place is not None

    def _reader(self, i: int) -> Reader:
        return partial(self._budget.read, self._lists[i].name)
