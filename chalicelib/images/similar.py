"""The use case of similar images: copies of an image, and images whose perceptual hash differs in a few bits."""

import logging
from collections.abc import Sequence

from chalicelib import access
from chalicelib.config import settings
from chalicelib.images import images, likeness
from chalicelib.images.model import SimilarImage, SimilarPage, SimilarQuery
from chalicelib.index import ranges, terms
from chalicelib.index.query import Order, Query
from chalicelib.index.rows import Row
from chalicelib.index.terms import Kind, Term
from chalicelib.lists import entries, plan
from chalicelib.lists.budget import Budget
from chalicelib.lists.merge import Stream
from chalicelib.lists.model import PlannedRead
from chalicelib.model import Caller

log = logging.getLogger("images-api")

_MAX_READ_ROWS = 1_000  # of one read: about 20 read units
_READS_OF_IMAGE = 2  # at most, before the budget begins: see images.find
_NEWEST_FIRST = Order()


def find_similar(caller: Caller, image_id: str, query: SimilarQuery) -> SimilarPage:
    """Return the images most like an image that the caller may see: the most similar first, then the newest first.

    One call for the image, one for its copies, one for each band and one for the records; for a caller who can have
    private images, two for the copies and for each band. A band of more than 1,000 images takes more calls, as many as
    the budget of a page allows. The answer is not complete if the budget is spent or the image is not processed yet. An
    answer that would be longer than MAX_PAGE_BYTES is shorter than the limit.
    Raises NotFound: see images.find_listed.
    """
    image = images.find_listed(caller, image_id)
    budget = Budget(reserved=1 + _READS_OF_IMAGE)
    # No image is more similar than a copy, so the answer needs no more copies than its limit; one more, because the
    # image itself is among them.
    copies = _read(budget, "copies", _streams(caller, Term(Kind.CHECKSUM, image.checksum)), query.limit + 1)
    bands = _streams(caller, *likeness.bands(image, query.bits))
    hashed: list[Row] = []
    while bands and not budget.is_spent():
        hashed += _read(budget, "bands", bands, _MAX_READ_ROWS)
        bands = [stream for stream in bands if stream.unread is not None]
    nearest = likeness.nearest(image, copies, hashed, query.bits)[: query.limit]
    records = budget.fetch([similar_id for similar_id, _ in nearest])
    similar: list[SimilarImage] = []
    size = 0
    for similar_id, bits in nearest:
        record = records.get(similar_id)
        if record is None or not record.listed or not access.may_see(caller, record.user_id, record.visibility):
            continue  # the image has changed since its row was read
        entry = entries.entry(record, query.include, caller)
        size += entry.answer_bytes
        if similar and size > settings().max_page_bytes:
            break
        similar.append(SimilarImage(entry, bits, duplicate=record.checksum == image.checksum))
    log.info("similar", extra={"fields": {**budget.cost, "images": len(similar)}})
    return SimilarPage(tuple(similar), not bands and image.analysis is not None, query.include)


def _streams(caller: Caller, *any_of: Term) -> list[Stream]:
    """Return the rows of terms, newest first: of public images and of the caller's private images."""
    everything = Query(limit=_MAX_READ_ROWS)
    return [
        Stream(key_range, _NEWEST_FIRST, ranges.beginning(_NEWEST_FIRST))
        for term in any_of
        for owner in plan.scopes_of(everything, caller)
        for key_range in terms.key_ranges(term, owner, everything)
    ]


def _read(budget: Budget, what: str, streams: Sequence[Stream], rows: int) -> list[Row]:
    """Return the next rows of each stream: one call for each, as many as are left, all at the same time."""
    unread = [(stream, stream.bounds) for stream in streams if stream.bounds is not None]
    chunks = budget.read([PlannedRead(what, bounds, rows) for _, bounds in unread])
    for (stream, _), chunk in zip(unread, chunks, strict=False):
        stream.take(chunk)
    return [stream.pop() for stream in streams for _ in range(len(stream))]
