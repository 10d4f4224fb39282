"""The use cases of tags: list those in use with their counts, and fold the changes that wait into these.

A write to an image notes what it changes about tags as an item of its own, in its own transaction: so the counts can't
be lost or doubled, and no two uploads meet in a busy tag's counter. See docs/decisions/08-tag-counts.md.
"""

import logging
import time
from collections.abc import Mapping, Sequence

from chalicelib import access, ids
from chalicelib.config import settings
from chalicelib.errors import Unavailable
from chalicelib.lists import cursors
from chalicelib.model import Caller, TagChange, TagCount, TagPage, TagQuery, Tally, Visibility
from chalicelib.stores import catalog
from chalicelib.tags import store, tallies

log = logging.getLogger("images-api")

_FOLDING_SECONDS = 240  # of a run: the schedule's function is given 300, and comes round again then
_BEGINNING = ids.least(0)  # comes before every change

# Changes that a list of everyone's tags takes in: some 50 KB, so that a page never costs more than about ten read units
# more than its counters.
_MOST_WAITING = 200
_MOST_ROWS = 1_000  # of a read that goes on, where much of the first was not for the caller

_TRIES = 12


def list_tags(caller: Caller, query: TagQuery) -> TagPage:
    """A page of the tags of images that the caller may see, an owner's or everyone's, with how many have each.

    Two calls; an owner's tags are right at once, and three calls while changes wait. Everyone's have the first 200 of
    the changes that wait. A page is shorter than its limit, and has a cursor, where it would cost more than
    MAX_PAGE_READS.
    Raises BadInput: the cursor isn't this list's. Raises Unavailable: the owner's changes are folded all the time.
    """
    owner = query.user_id
    if owner is None:
        return _page(query, store.queued(_BEGINNING, _MOST_WAITING), private=False)
    private = access.may_see(caller, owner, Visibility.PRIVATE)
    for attempt in range(_TRIES):
        waiting = store.waiting(owner)
        page = _page(query, waiting, private=private)
        # What was folded in between may have been counted twice: where it waited, and where it was added.
        if not waiting or _ids(waiting) <= _ids(store.waiting(owner)):
            return page
        catalog.pause(attempt)
    raise Unavailable("The counts are being changed all the time; try again in a moment.")


def fold() -> None:
    """Add the changes that wait to their counters, oldest first, until none is left or 240 seconds are over.

    Each is added exactly once, whatever crashes and however many runs there are at a time. Three calls for each batch:
    as many changes as fit in one transaction.
    """
    until = time.monotonic() + _FOLDING_SECONDS
    after = _BEGINNING
    folded = 0
    while time.monotonic() < until:
        waiting = store.queued(after, tallies.MOST_WRITES)
        batch = tallies.batch(waiting)
        if batch:
            _fold(batch)
            after = batch[-1].change_id  # the index may still have it
            folded += len(batch)
        if len(batch) == len(waiting) < tallies.MOST_WRITES:
            break
    log.info("Folded %d changes of tags", folded)


def _fold(batch: Sequence[TagChange]) -> None:
    """Delete changes and write their counters, in one transaction; those that are gone were added by another run."""
    counters = {counter for change in batch for counter in tallies.counters(change)}
    for attempt in range(_TRIES):
        waiting, counted = store.find(batch, counters)
        if not waiting:
            return
        sums = tallies.added(*map(tallies.counters, waiting))
        try:
            catalog.commit(
                [
                    *map(store.remove, waiting),
                    *(
                        store.replace(counter, counted.get(counter), counted.get(counter, Tally()) + more)
                        for counter, more in sums.items()
                    ),
                ]
            )
        except catalog.Changed:
            catalog.pause(attempt)
            continue
        return
    raise Unavailable("Other runs fold the same changes all the time.")


def _page(query: TagQuery, waiting: Sequence[TagChange], *, private: bool) -> TagPage:
    changed = tallies.added(*(change.tallies for change in waiting))
    after = _place(query)
    found: list[TagCount] = []
    rows = query.limit + 1  # one more tells whether there is more
    reads = 0
    while True:
        counted, until = store.read(query.user_id, query.prefix, after, rows)
        for each in _counts(tallies.added(counted, tallies.between(changed, query.prefix, after, until)), private):
            if len(found) == query.limit:
                return TagPage(tuple(found), _cursor(query, found[-1].tag))
            found.append(each)
        if until is None:
            return TagPage(tuple(found), None)
        reads += 1
        if reads == settings().max_page_reads:
            return TagPage(tuple(found), _cursor(query, until))
        after, rows = until, _MOST_ROWS


def _counts(tallied: Mapping[str, Tally], private: bool) -> list[TagCount]:
    counts = [TagCount(tag, each.public + (each.private if private else 0)) for tag, each in sorted(tallied.items())]
    return [each for each in counts if each.count > 0]


def _place(query: TagQuery) -> str | None:
    """The tag behind which a page begins."""
    if query.cursor is None:
        return None
    return cursors.decode_name(query.cursor, query.filters, settings().cursor_key, query.prefix)


def _cursor(query: TagQuery, tag: str) -> str:
    return cursors.encode_name(tag, query.filters, settings().cursor_key, settings().cursor_seconds)


def _ids(changes: Sequence[TagChange]) -> set[str]:
    return {change.change_id for change in changes}
