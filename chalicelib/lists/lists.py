"""The use cases of lists: a page of what a query finds and the caller may see, and how many that are."""

import logging
from dataclasses import replace
from itertools import islice

from chalicelib.config import settings
from chalicelib.errors import Forbidden
from chalicelib.index.query import Order, Query
from chalicelib.lists import cursors
from chalicelib.lists.cursors import Position
from chalicelib.lists.model import Count, Page
from chalicelib.lists.walk import Walk
from chalicelib.model import Caller, Image
from chalicelib.stores import originals

log = logging.getLogger("images-api")


def list_images(caller: Caller, query: Query) -> Page:
    """A page of a query's answer, in its order.

    One call where one list answers. The page is shorter than the query's limit, and has a cursor, where it would cost
    more than MAX_PAGE_READS, MAX_PAGE_READ_UNITS or MAX_PAGE_MILLISECONDS, or be longer than MAX_PAGE_BYTES.
    Raises BadInput: the cursor isn't this query's. Raises Forbidden: it may not be asked how it was read (EXPLAIN).
    """
    if query.explain and settings().explain != "on":
        raise Forbidden("Lists don't explain themselves here (EXPLAIN).")
    limits = settings()
    walk = Walk(caller, query, query.limit)
    images: list[Image] = []
    urls: list[str] = []
    size = 0
    for place, image in walk:
        url = originals.view_url(image.s3_key, limits.presigned_url_expiration) if query.include_urls else ""
        size += image.answer_bytes + len(url)
        if len(images) == query.limit or (images and size > limits.max_page_bytes):
            walk.place = place  # with this image the next page begins
            break
        images.append(image)
        urls.append(url)
    log.info("list", extra={"fields": {**walk.cost, "images": len(images)}})
    cursor = None
    if walk.place is not None:
        position = Position(walk.driver, walk.place)
        cursor = cursors.encode(position, query.filters, limits.cursor_key, limits.cursor_seconds)
    return Page(
        images=tuple(images),
        cursor=cursor,
        presigned_urls=tuple(urls) if query.include_urls else None,
        explanation=walk.explanation() if query.explain else None,
    )


def count_images(caller: Caller, query: Query) -> Count:
    """How many images a query finds: exactly or, where they are more than MAX_COUNT, that there are at least so many.

    Nor is it exact where that would cost more reads than a page may.
    """
    most = settings().max_count
    walk = Walk(caller, replace(query, cursor=None, order=Order()), most, whole=False)
    found = sum(1 for _ in islice(walk, most + 1))
    log.info("count", extra={"fields": {**walk.cost, "images": found}})
    return Count(min(found, most), at_least=found > most or walk.place is not None)
