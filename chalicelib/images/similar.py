"""The use case of images like one: its copies, and those whose perceptual hash differs from its own in a few bits."""

import logging
from collections import deque
from collections.abc import Sequence
from functools import partial

from chalicelib import access
from chalicelib.config import settings
from chalicelib.images import images, likeness
from chalicelib.images.model import SimilarImage, SimilarPage, SimilarQuery
from chalicelib.index import ranges, terms
from chalicelib.index.query import Order, Query
from chalicelib.index.rows import Row
from chalicelib.index.terms import Kind, Term
from chalicelib.lists import plan
from chalicelib.lists.budget import Budget
from chalicelib.lists.merge import Stream
from chalicelib.model import Caller

log = logging.getLogger("images-api")

_MOST_ROWS = 1_000  # of one read: some 20 read units
_NEWEST_FIRST = Order()


def find_similar(caller: Caller, image_id: str, query: SimilarQuery) -> SimilarPage:
    """The images nearest to one that the caller may see, nearest first and then newest first.

    One call for the image, one for its copies, one for each band, all but the first twice for a caller who may have
    private images, and one for the records. Of bands of more than 1,000 images as many calls more as the budget of a
    page allows, looked at between reads. Then the answer isn't complete, nor is it where the image isn't processed. It
    is shorter where it would be longer than MAX_PAGE_BYTES.
    Raises NotFound: see images.find_listed.
    """
    image = images.find_listed(caller, image_id)
    budget = Budget()
    copies: list[Row] = []
    for stream in _streams(caller, Term(Kind.CHECKSUM, image.checksum)):
        # Nothing is nearer than they are: no more of them are needed than are wanted, and the image itself.
        stream.read(partial(budget.read, "copies"), query.limit + 1)
        copies += _taken(stream)
    bands = deque(_streams(caller, *likeness.bands(image, query.bits)))
    alike: list[Row] = []
    # One read is left for the records.
    while bands and len(budget.reads) < settings().max_page_reads - 1 and not budget.is_spent():
        stream = bands.popleft()
        stream.read(partial(budget.read, "bands"), _MOST_ROWS)
        alike += _taken(stream)
        if stream.unread is not None:
            bands.append(stream)
    nearest = likeness.nearest(image, copies, alike, query.bits)[: query.limit]
    records = budget.fetch([each for each, _ in nearest])
    found: list[SimilarImage] = []
    size = 0
    for each, bits in nearest:
        record = records.get(each)
        if record is None or not record.listed or not access.may_see(caller, record.user_id, record.visibility):
            continue  # it has changed since its row was read
        size += record.answer_bytes
        if found and size > settings().max_page_bytes:
            break
        found.append(SimilarImage(record, bits, duplicate=record.checksum == image.checksum))
    log.info("similar", extra={"fields": {**budget.cost, "images": len(found)}})
    return SimilarPage(tuple(found), complete=not bands and image.analysis is not None)


def _streams(caller: Caller, *found_by: Term) -> list[Stream]:
    """The rows of terms, newest first, among public images and those private to the caller."""
    anything = Query(limit=_MOST_ROWS)
    return [
        Stream(each, _NEWEST_FIRST, ranges.beginning(_NEWEST_FIRST))
        for term in found_by
        for owner in plan.scopes_of(anything, caller)
        for each in terms.key_ranges(term, owner, anything)
    ]


def _taken(stream: Stream) -> Sequence[Row]:
    return [stream.pop() for _ in range(len(stream))]
