"""The use cases of lists: a page of the images that match a query and that the caller may see, and their number."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import islice
from operator import itemgetter

from chalicelib import logs
from chalicelib.config import settings
from chalicelib.errors import Forbidden
from chalicelib.index.query import Include, Order, Query, Time
from chalicelib.lists import cursors, entries
from chalicelib.lists.cursors import Cursor
from chalicelib.lists.model import Count, Entry, Page
from chalicelib.lists.walk import Walk
from chalicelib.model import Caller, Image
from chalicelib.stores.secrets import secrets

log = logging.getLogger("images-api")


def list_images(caller: Caller, query: Query) -> Page:
    """Return a page of the images that match a query, in the query's order.

    Usually one call if the query has at most one filter, and another one for each 100 images if it includes what only
    records have. A page that would cost more than MAX_PAGE_READS,
    MAX_PAGE_READ_UNITS or MAX_PAGE_MILLISECONDS, or be longer than MAX_PAGE_BYTES, is shorter than the query's limit
    and has a cursor.
    Raises BadInput: the cursor is not one of this query.
    Raises Forbidden: the query asks for an explanation, and EXPLAIN is off.
    """
    if query.explain and settings().explain != "on":
        raise Forbidden("This service does not explain lists (EXPLAIN).")
    walk = Walk(caller, query, query.limit)
    found = _until_full(walk, walk, caller, query)
    if moved := walk.moved({entry.image.image_id for _, entry in found}):
        images = [*moved, *_images(found)]
        images.sort(key=itemgetter(0), reverse=not query.order.oldest_first)
        found = _until_full(images, walk, caller, query)
    if query.include:
        found = _until_full(walk.with_records(_images(found)), walk, caller, query, query.include)
    log.info("list", extra={"fields": {**walk.cost, "images": len(found)}})
    logs.note_list()
    text = None
    if walk.position is not None:
        cursor = Cursor(walk.driver, walk.position)
        text = cursors.encode(cursor, query.filters, secrets().cursor_keys[0], settings().cursor_seconds)
    return Page(
        entries=tuple(entry for _, entry in found),
        cursor=text,
        include=query.include,
        explanation=walk.explanation() if query.explain else None,
    )


def count_images(caller: Caller, query: Query) -> Count:
    """Return how many images match a query, at most MAX_COUNT.

    The count is a lower bound if more images match, or if the budget of a page is spent before all rows are read.
    """
    limit = settings().max_count
    order = Order(by=Time.TAKEN) if query.has_taken_range else Order()  # whose ranges have no row outside of the filter
    asked = replace(query, cursor=None, order=order, include=frozenset())
    walk = Walk(caller, asked, limit, whole=False)
    found = {image.image_id for _, image in islice(walk, limit + 1)}
    count = len(found) + (len(walk.moved(found)) if len(found) <= limit else 0)
    log.info("count", extra={"fields": {**walk.cost, "images": count}})
    return Count(min(count, limit), at_least=count > limit or walk.position is not None)


def _until_full(
    images: Iterable[tuple[str, Image]], walk: Walk, caller: Caller, query: Query, include: Collection[Include] = ()
) -> list[tuple[str, Entry]]:
    """Return the entries of images, with their positions, until the page is full.

    If an image has no room, the walk's position is where the next page begins.
    """
    found: list[tuple[str, Entry]] = []
    size = 0
    for position, image in images:
        entry = entries.entry(image, include, caller)
        size += entry.answer_bytes
        if len(found) == query.limit or (found and size > settings().max_page_bytes):
            walk.position = position
            break
        found.append((position, entry))
    return found


def _images(found: Iterable[tuple[str, Entry]]) -> list[tuple[str, Image]]:
    return [(position, entry.image) for position, entry in found]
