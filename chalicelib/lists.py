"""The use case of lists: a page of what a query finds and the caller may see."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib import access, catalog, cursors, terms
from chalicelib.config import settings
from chalicelib.cursors import Position
from chalicelib.model import Caller, Chunk, Image, Page, Query, Row, State
from chalicelib.terms import Source

_MOST_ROWS = 1_000  # of one read
_BATCH = 100  # rows whose records are fetched at once, where the rows don't carry them


def list_images(caller: Caller, query: Query) -> Page:
    """A page of a query's answer, newest first.

    One call where one list answers. Of several lists, the first chunk of each shows which is the rarest; it is read
    on, and its images are filtered by the rest. The page is shorter than the query's limit, and has a cursor, where it
    would cost more than MAX_PAGE_READS reads or hold more than MAX_PAGE_BYTES.
    Raises BadInput: the cursor isn't this query's.
    """
    walk = _Walk(caller, query)
    images: list[Image] = []
    last, more, text_bytes = "", False, 0
    for image_id, image in walk:
        if image:
            text_bytes += image.text_bytes
            more = len(images) == query.limit or bool(images and text_bytes > settings().max_page_bytes)
            if more:  # with this image the next page begins
                break
            images.append(image)
        last = image_id
    more = more or not walk.ended
    cursor = cursors.encode(Position(walk.driver, last), query, settings().cursor_key) if more else None
    return Page(tuple(images), cursor, walk.reads, walk.read_units)


@dataclass(slots=True)
class _Walk:
    """A query read along one of its lists, as far as is asked for."""

    caller: Caller
    query: Query
    driver: int = 0  # the list, of terms.sources(query)
    ended: bool = False  # nothing lies behind what was read
    reads: int = 0
    read_units: float = 0

    def __iter__(self) -> Iterator[tuple[str, Image | None]]:
        """Each row's image_id, newest first; with the image, if it matches and the caller may see it."""
        sources = terms.sources(self.query)
        rows = min(self.query.limit + 1, _MOST_ROWS)
        chunk = self._first(sources, rows)
        while True:
            for start in range(0, len(chunk.rows), _BATCH):
                yield from self._matches(chunk.rows[start : start + _BATCH])
            self.ended = chunk.end
            if chunk.end or self.reads >= settings().max_page_reads:
                return
            rows = min(2 * rows, _MOST_ROWS)
            chunk = self._read(sources[self.driver], chunk.rows[-1].image_id, rows)

    def _first(self, sources: Sequence[Source], rows: int) -> Chunk:
        if self.query.cursor is not None:
            position = cursors.decode(self.query.cursor, self.query, settings().cursor_key)
            self.driver = position.source
            return self._read(sources[self.driver], position.image_id, rows)
        chunks = [self._read(source, None, rows) for source in sources]
        self.driver = terms.rarest(chunks)
        return chunks[self.driver]

    def _read(self, source: Source, after: str | None, rows: int) -> Chunk:
        chunk = catalog.read(source, after, rows)
        self.reads += 1
        self.read_units += chunk.read_units
        return chunk

    def _matches(self, rows: Sequence[Row]) -> Iterator[tuple[str, Image | None]]:
        seen = [row for row in rows if access.may_see(self.caller, row.user_id, row.visibility)]
        images = {row.image_id: row.image for row in seen if row.image}
        images |= self._fetched([row.image_id for row in seen if not row.image])
        for row in rows:
            image = images.get(row.image_id)  # none: not for this caller, or its record is gone
            found = image and image.state is State.READY and terms.matches(image, self.query)
            yield row.image_id, image if found else None

    def _fetched(self, image_ids: Sequence[str]) -> dict[str, Image]:
        if not image_ids:
            return {}
        images, calls, read_units = catalog.fetch(image_ids)
        self.reads += calls
        self.read_units += read_units
        return images
