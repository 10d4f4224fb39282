"""What a page may cost. All reads of a page are made here, counted, and compared with the limits of the settings."""

import time
from collections.abc import Sequence

from chalicelib.config import settings
from chalicelib.index.ranges import Bounds
from chalicelib.index.rows import Chunk
from chalicelib.lists.model import Read
from chalicelib.model import Image
from chalicelib.stores import catalog


class Spent(Exception):
    """The page has made as many reads as it may. What it has read is valid."""


class Budget:
    """The reads of one page, and the time since the object was created.

    A page never makes more than MAX_PAGE_READS reads. (A read that DynamoDB asks to repeat is one.)
    """

    def __init__(self, reserved: int) -> None:
        """Keep `reserved` reads, at least one, for what follows the reads of lists: first for `fetch`."""
        self.reads: list[Read] = []
        self._reserved = reserved
        self._started = time.monotonic()

    @property
    def cost(self) -> dict[str, float]:
        """The number of DynamoDB calls, as `reads`, and of read units, as `read_units`."""
        return {"reads": len(self.reads), "read_units": sum(read.read_units for read in self.reads)}

    @property
    def milliseconds(self) -> float:
        """The time since the page was begun."""
        return (time.monotonic() - self._started) * 1_000

    @property
    def left(self) -> int:
        """How many reads of lists are left."""
        return settings().max_page_reads - self._reserved - len(self.reads)

    def is_spent(self, *, reserved: bool = False) -> bool:
        """Whether the page has reached MAX_PAGE_READS, MAX_PAGE_READ_UNITS or MAX_PAGE_MILLISECONDS.

        Reserved reads count as made, unless `reserved`: then the question is whether they are spent, too.
        """
        limits = settings()
        return (
            self.left + (self._reserved if reserved else 0) <= 0
            or self.cost["read_units"] >= limits.max_page_read_units
            or self.milliseconds >= limits.max_page_milliseconds
        )

    def read(self, what: str, bounds: Bounds, rows: int) -> Chunk:
        """Return at most `rows` rows within bounds: one call. `what` names the list in an explanation.

        Raises Spent: no read of a list is left.
        """
        return self._read(what, bounds, rows, self._reserved)

    def read_last(self, what: str, bounds: Bounds, rows: int) -> Chunk:
        """Return rows as `read` does, with the last of the reserved reads."""
        return self._read(what, bounds, rows, 0)

    def fetch(self, image_ids: Sequence[str]) -> dict[str, Image]:
        """Return the images with these ids that have a record, at most 100: usually one call; none for no ids.

        Raises Spent: no read is left, except those that stay reserved.
        """
        if image_ids:
            self._check(self._reserved - 1)
        return self.fetch_last(image_ids)

    def fetch_last(self, image_ids: Sequence[str]) -> dict[str, Image]:
        """Return images as `fetch` does, with the last of the reserved reads."""
        if not image_ids:
            return {}
        images, calls, read_units = catalog.get_many(image_ids)
        self.reads += [Read("records", len(images), read_units / calls)] * calls
        return images

    def _read(self, what: str, bounds: Bounds, rows: int, reserved: int) -> Chunk:
        self._check(reserved)
        chunk = catalog.query(bounds, rows)
        self.reads.append(Read(what, len(chunk.rows), chunk.read_units))
        return chunk

    def _check(self, reserved: int) -> None:
        if len(self.reads) + reserved >= settings().max_page_reads:
            raise Spent
