"""The use case of lists: a page of what a query finds and the caller may see."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib import access, catalog, cursors, terms
from chalicelib.config import settings
from chalicelib.cursors import Position
from chalicelib.model import Caller, Chunk, Image, Page, Query, Row, State
from chalicelib.terms import Source

log = logging.getLogger("images-api")

_MOST_ROWS = 1_000  # of one read
_BATCH = 100  # rows whose records are fetched at once, where the rows don't carry them


def list_images(caller: Caller, query: Query) -> Page:
    """A page of a query's answer, newest first or oldest first.

    One call where one list answers. Of several lists, the first chunk of each shows which is the rarest; it is read
    on, and its images are filtered by the rest. The page is shorter than the query's limit, and has a cursor, where it
    would cost more than MAX_PAGE_READS reads or be longer than MAX_PAGE_BYTES.
    Raises BadInput: the cursor isn't this query's.
    """
    walk = _Walk(caller, query)
    images: list[Image] = []
    size = 0
    for image in walk:
        size += image.answer_bytes
        if len(images) == query.limit or (images and size > settings().max_page_bytes):
            # With this image the next page begins. What lies between may be what the caller must not know of.
            after: str | None = images[-1].image_id
            break
        images.append(image)
    else:
        after = walk.after
    fields = {"reads": walk.reads, "read_units": walk.read_units, "images": len(images)}
    log.info("list", extra={"fields": fields})
    cursor = cursors.encode(Position(walk.driver, after), query.filters, settings().cursor_key) if after else None
    return Page(tuple(images), cursor)


@dataclass(slots=True)
class _Walk:
    """A query read along one of its lists, as far as is asked for."""

    caller: Caller
    query: Query
    driver: int = 0  # the list, of terms.sources(query)
    after: str | None = None  # the image_id to go on behind; None: nothing more
    reads: int = 0
    read_units: float = 0

    def __iter__(self) -> Iterator[Image]:
        """The images that match and that the caller may see, in order; `after` follows as each is asked for."""
        sources = terms.sources(self.query)
        rows = min(self.query.limit + 1, _MOST_ROWS)
        chunk = self._first(sources, rows)
        while True:
            for start in range(0, len(chunk.rows), _BATCH):
                yield from self._matches(chunk.rows[start : start + _BATCH])
            self.after = chunk.after
            if chunk.after is None or self.reads >= settings().max_page_reads:
                return
            rows = min(2 * rows, _MOST_ROWS)
            chunk = self._read(sources[self.driver], chunk.after, rows)

    def _first(self, sources: Sequence[Source], rows: int) -> Chunk:
        if self.query.cursor is not None:
            position = cursors.decode(self.query.cursor, self.query.filters, len(sources), settings().cursor_key)
            self.driver, self.after = position.source, position.after
            return self._read(sources[self.driver], position.after, rows)
        chunks = [self._read(source, None, rows) for source in sources]
        self.driver = terms.rarest(chunks, oldest_first=self.query.oldest_first)
        return chunks[self.driver]

    def _read(self, source: Source, after: str | None, rows: int) -> Chunk:
        chunk = catalog.read(source, self.query, after, rows)
        self.reads += 1
        self.read_units += chunk.read_units
        return chunk

    def _matches(self, rows: Sequence[Row]) -> Iterator[Image]:
        seen = [row for row in rows if access.may_see(self.caller, row.user_id, row.visibility)]
        images = {row.image_id: row.image for row in seen if row.image}
        images |= self._fetched([row.image_id for row in seen if not row.image])
        for row in rows:
            image = images.get(row.image_id)  # none: not for this caller, or its record is gone
            if image and image.state is State.READY and terms.matches(image, self.query):
                yield image
            self.after = row.image_id  # also when the image has been taken: the next one is asked for

    def _fetched(self, image_ids: Sequence[str]) -> dict[str, Image]:
        if not image_ids:
            return {}
        images, calls, read_units = catalog.fetch(image_ids)
        self.reads += calls
        self.read_units += read_units
        return images
