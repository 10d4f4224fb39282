"""The use cases of tags: list the tags in use with their counts, and apply queued changes to the counters.

Each write to an image queues its change of tag counts as an item of its own, in the same transaction. So a change can
be neither lost nor counted twice, and uploads with a popular tag do not contend for its counter. See
docs/decisions/08-tag-counts.md.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count

from chalicelib import access, deadline, ids
from chalicelib.config import settings
from chalicelib.errors import Unavailable
from chalicelib.lists import cursors
from chalicelib.model import Caller, Image, Visibility
from chalicelib.stores import dynamodb
from chalicelib.stores.dynamodb import Write
from chalicelib.stores.secrets import secrets
from chalicelib.tags import store, tallies
from chalicelib.tags.model import TagChange, TagCount, TagPage, TagQuery, Tally

log = logging.getLogger("images-api")

APPLY_SECONDS = 240  # of a run, less if repairs came first: the schedule's function has 300; the next run goes on
_BATCH_SECONDS = 30  # a run begins no batch if its function has less time left
_BEGINNING = ids.smallest_id(0)  # before every change

# Queued changes that a list of everyone's tags takes into account: about 50 KB, so that they never add more than about
# ten read units to a page.
_MOST_QUEUED = 200
_FEWEST_READS = 3  # of an owner's page: its changes, its counters, and whether the changes are still queued
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
    if query.user_id is not None:
        return _owners_page(query, query.user_id, private=access.may_see(caller, query.user_id, Visibility.PRIVATE))
    queued = store.queued(_BEGINNING, _MOST_QUEUED)
    page, _ = _page(query, queued, settings().max_page_reads - 1, private=False)
    return page


def apply_changes() -> None:
    """Add queued changes to their counters, oldest first, until none is left or APPLY_SECONDS have passed.

    Each change is applied exactly once, even after a crash and with several runs at a time. Three calls for each batch:
    as many changes as fit in one transaction.
    """
    until = time.monotonic() + APPLY_SECONDS
    after = _BEGINNING
    applied = 0
    while time.monotonic() < until and deadline.remaining() > _BATCH_SECONDS:
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
    """Return a page of an owner's tags: MAX_PAGE_READS calls at most.

    A change that was applied while the counters were read may be counted twice, so they are read again.
    Raises Unavailable: changes keep being applied.
    """
    left = settings().max_page_reads
    for attempt in count():
        queued = store.queued_of(owner)
        page, reads = _page(query, queued, left - 2, private=private)
        if not queued or _ids(queued) <= _ids(store.queued_of(owner)):
            return page
        left -= reads + 2
        if left < _FEWEST_READS:
            break
        dynamodb.pause(attempt)
    raise Unavailable(_CONTENDED)


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


def _page(query: TagQuery, queued: Sequence[TagChange], most_reads: int, *, private: bool) -> tuple[TagPage, int]:
    """Return a page that costs `most_reads` reads of counters at most, and how many it cost."""
    changed = tallies.added(*(change.tallies for change in queued))
    after = _decoded(query)
    counts: list[TagCount] = []
    rows = query.limit + 1  # one more shows whether there is a next page
    for reads in range(1, most_reads + 1):
        counted, until = store.read(query.user_id, query.prefix, after, rows)
        for tag_count in _counts(tallies.added(counted, tallies.between(changed, query.prefix, after, until)), private):
            if len(counts) == query.limit:
                return TagPage(tuple(counts), _cursor(query, counts[-1].tag)), reads
            counts.append(tag_count)
        if until is None:
            return TagPage(tuple(counts), None), reads
        after, rows = until, _MOST_ROWS
    return TagPage(tuple(counts), _cursor(query, after or "")), most_reads


def _counts(tallied: Mapping[str, Tally], private: bool) -> list[TagCount]:
    counts = [TagCount(tag, tally.public + (tally.private if private else 0)) for tag, tally in sorted(tallied.items())]
    return [count for count in counts if count.count > 0]


def _decoded(query: TagQuery) -> str | None:
    """Return the last tag of the page before; None for the first page."""
    if query.cursor is None:
        return None
    return cursors.decode_name(query.cursor, query.filters, secrets().cursor_keys, query.prefix)


def _cursor(query: TagQuery, tag: str) -> str:
    return cursors.encode_name(tag, query.filters, secrets().cursor_keys[0], settings().cursor_seconds)


def _ids(changes: Sequence[TagChange]) -> set[str]:
    return {change.change_id for change in changes}
