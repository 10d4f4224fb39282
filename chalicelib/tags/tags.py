"""The use cases of tags: list the tags in use with their counts, and apply queued changes to the counters.

Each write to an image queues its change of tag counts as an item of its own, in the same transaction. So a change can
be neither lost nor counted twice, and uploads with a popular tag do not contend for its counter. See
docs/decisions/08-tag-counts.md.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial

from chalicelib import access, ids
from chalicelib.config import settings
from chalicelib.lists import cursors
from chalicelib.model import Caller, Image, Visibility
from chalicelib.stores import dynamodb
from chalicelib.stores.dynamodb import Write
from chalicelib.tags import store, tallies
from chalicelib.tags.model import TagChange, TagCount, TagPage, TagQuery, Tally

log = logging.getLogger("images-api")

APPLY_SECONDS = 130  # of a run: the schedule's function has 300 for this and its repairs; the next run goes on
_BEGINNING = ids.smallest_id(0)  # before every change

# Queued changes that a list of everyone's tags takes into account: about 50 KB, so that they never add more than about
# ten read units to a page.
_MOST_QUEUED = 200
_MOST_ROWS = 1_000  # of a read that follows one with few rows for the caller

_CONTENDED = "The counts are being changed by other requests; try again in a moment."


def count_writes(before: Image | None, after: Image) -> list[Write]:
    """Return the writes that queue how a step of an image changes tag counts. `before` is None for a new image."""
    return [store.queue(change) for change in tallies.changes(before, after)]


def list_tags(caller: Caller, query: TagQuery) -> TagPage:
    """Return a page of the tags of images that the caller may see, an owner's or everyone's, each with its count.

    Two calls; three for an owner with queued changes. An owner's counts are exact. Everyone's counts include the first
    200 queued changes. A page that would cost more than MAX_PAGE_READS is shorter than its limit and has a cursor.
    Raises BadInput: the cursor is not one of this list. Raises Unavailable: the owner's changes keep being applied.
    """
    owner = query.user_id
    if owner is None:
        return _page(query, store.queued(_BEGINNING, _MOST_QUEUED), private=False)
    private = access.may_see(caller, owner, Visibility.PRIVATE)
    return dynamodb.retried(partial(_owners_page, query, owner, private=private), _CONTENDED)


def apply_changes() -> None:
    """Add queued changes to their counters, oldest first, until none is left or APPLY_SECONDS have passed.

    Each change is applied exactly once, even after a crash and with several runs at a time. Three calls for each batch:
    as many changes as fit in one transaction.
    """
    until = time.monotonic() + APPLY_SECONDS
    after = _BEGINNING
    applied = 0
    while time.monotonic() < until:
        queued = store.queued(after, dynamodb.MAX_WRITES)
        batch = tallies.batch(queued)
        if batch:
            dynamodb.retried(partial(_apply, batch), _CONTENDED)
            after = batch[-1].change_id  # the eventually consistent index may still have these changes
            applied += len(batch)
        if len(batch) == len(queued) < dynamodb.MAX_WRITES:
            break
    log.info("Applied %d changes of tag counts.", applied)


def _owners_page(query: TagQuery, owner: str, *, private: bool) -> TagPage:
    """Return a page of an owner's tags.

    Raises Changed: a change was applied while the counters were read, so it may be counted twice.
    """
    queued = store.queued_of(owner)
    page = _page(query, queued, private=private)
    if queued and not _ids(queued) <= _ids(store.queued_of(owner)):
        raise dynamodb.Changed
    return page


def _apply(batch: Sequence[TagChange]) -> None:
    """Delete changes and write their counters, in one transaction. Another run has applied a change that is gone.

    Raises Changed: another run was first.
    """
    counters = {counter for change in batch for counter in tallies.counters(change)}
    queued, counted = store.find(batch, counters)
    if not queued:
        return
    sums = tallies.added(*map(tallies.counters, queued))
    deletions = [store.delete_change(change) for change in queued]
    counts = [
        store.replace(counter, counted.get(counter), counted.get(counter, Tally()) + more)
        for counter, more in sums.items()
    ]
    dynamodb.commit([*deletions, *counts])


def _page(query: TagQuery, queued: Sequence[TagChange], *, private: bool) -> TagPage:
    changed = tallies.added(*(change.tallies for change in queued))
    after = _decoded(query)
    counts: list[TagCount] = []
    rows = query.limit + 1  # one more shows whether there is a next page
    reads = 0
    while True:
        counted, until = store.read(query.user_id, query.prefix, after, rows)
        for count in _counts(tallies.added(counted, tallies.between(changed, query.prefix, after, until)), private):
            if len(counts) == query.limit:
                return TagPage(tuple(counts), _cursor(query, counts[-1].tag))
            counts.append(count)
        if until is None:
            return TagPage(tuple(counts), None)
        reads += 1
        if reads == settings().max_page_reads:
            return TagPage(tuple(counts), _cursor(query, until))
        after, rows = until, _MOST_ROWS


def _counts(tallied: Mapping[str, Tally], private: bool) -> list[TagCount]:
    counts = [TagCount(tag, tally.public + (tally.private if private else 0)) for tag, tally in sorted(tallied.items())]
    return [count for count in counts if count.count > 0]


def _decoded(query: TagQuery) -> str | None:
    """Return the last tag of the page before; None for the first page."""
    if query.cursor is None:
        return None
    return cursors.decode_name(query.cursor, query.filters, settings().cursor_key, query.prefix)


def _cursor(query: TagQuery, tag: str) -> str:
    return cursors.encode_name(tag, query.filters, settings().cursor_key, settings().cursor_seconds)


def _ids(changes: Sequence[TagChange]) -> set[str]:
    return {change.change_id for change in changes}
