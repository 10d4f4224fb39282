"""The use cases of lists: a page of the images that match a query and that the caller may see, and their number."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from operator import itemgetter

from chalicelib import logs
from chalicelib.config import settings
from chalicelib.errors import Forbidden
from chalicelib.index.query import Order, Query, Time
from chalicelib.lists import cursors
from chalicelib.lists.cursors import Cursor
from chalicelib.lists.model import Count, Page
from chalicelib.lists.walk import Walk
from chalicelib.model import Caller, Image
from chalicelib.stores import originals
from chalicelib.stores.secrets import secrets

log = logging.getLogger("images-api")


def list_images(caller: Caller, query: Query) -> Page:
    """Return a page of the images that match a query, in the query's order.

    Usually one call if the query has at most one filter. A page that would cost more than MAX_PAGE_READS,
    MAX_PAGE_READ_UNITS or MAX_PAGE_MILLISECONDS, or be longer than MAX_PAGE_BYTES, is shorter than the query's limit
    and has a cursor.
    Raises BadInput: the cursor is not one of this query.
    Raises Forbidden: the query asks for an explanation, and EXPLAIN is off.
    """
    if query.explain and settings().explain != "on":
        raise Forbidden("This service does not explain lists (EXPLAIN).")
    walk = Walk(caller, query, query.limit)
    entries = list(_until_full(walk, walk, query))
    if moved := walk.moved({image.image_id for _, image, _ in entries}):
        images = [*moved, *((position, image) for position, image, _ in entries)]
        images.sort(key=itemgetter(0), reverse=not query.order.oldest_first)
        entries = list(_until_full(images, walk, query))
    log.info("list", extra={"fields": {**walk.cost, "images": len(entries)}})
    logs.note_list()
    text = None
    if walk.position is not None:
        cursor = Cursor(walk.driver, walk.position)
        text = cursors.encode(cursor, query.filters, secrets().cursor_keys[0], settings().cursor_seconds)
    return Page(
        images=tuple(image for _, image, _ in entries),
        cursor=text,
        presigned_urls=tuple(url for _, _, url in entries) if query.include_urls else None,
        explanation=walk.explanation() if query.explain else None,
    )


def count_images(caller: Caller, query: Query) -> Count:
    """Return how many images match a query, at most MAX_COUNT.

    The count is a lower bound if more images match, or if the budget of a page is spent before all rows are read.
    """
    limit = settings().max_count
    order = Order(by=Time.TAKEN) if query.has_taken_range else Order()  # whose ranges have no row outside of the filter
    walk = Walk(caller, replace(query, cursor=None, order=order), limit, whole=False)
    found = {image.image_id for _, image in islice(walk, limit + 1)}
    count = len(found) + (len(walk.moved(found)) if len(found) <= limit else 0)
    log.info("count", extra={"fields": {**walk.cost, "images": count}})
    return Count(min(count, limit), at_least=count > limit or walk.position is not None)


def _until_full(images: Iterable[tuple[str, Image]], walk: Walk, query: Query) -> Iterator[tuple[str, Image, str]]:
    """Return positions, images and, if the query asks for them, URLs, until the page is full.

    If an image has no room, the walk's position is where the next page begins.
    """
    limits = settings()
    size = 0
    for n, (position, image) in enumerate(images):
        url = originals.view_url(image.s3_key, limits.presigned_url_expiration) if query.include_urls else ""
        size += image.answer_bytes + len(url)
        if n == query.limit or (n and size > limits.max_page_bytes):
            walk.position = position
            return
        yield position, image, url
