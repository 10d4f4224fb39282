"""What a page may cost. All reads of a page are made here, counted, and compared with the limits of the settings."""

import time
from collections.abc import Sequence
from functools import partial

from chalicelib import threads
from chalicelib.config import settings
from chalicelib.index.rows import Chunk
from chalicelib.lists.model import PlannedRead, Read
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
        """The number of reads, as `reads`, and of read units, as `read_units`."""
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

    def read(self, planned: Sequence[PlannedRead]) -> list[Chunk]:
        """Make reads, all at the same time, and return the rows of each: as many of the first reads as are left.

        Raises Spent: no read of a list is left.
        """
        return self._read(planned, self._reserved)

    def read_last(self, planned: PlannedRead) -> Chunk:
        """Make one read as `read` does, with the last of the reserved reads."""
        return self._read([planned], 0)[0]

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
        images, read_units = catalog.get_many(image_ids)
        self.reads.append(Read("records", len(images), read_units))
        return images

    def _read(self, planned: Sequence[PlannedRead], reserved: int) -> list[Chunk]:
        allowed = planned[: self._check(reserved)]
        chunks = threads.at_once([partial(catalog.query, each.bounds, each.rows) for each in allowed])
        # In the order of the plan, which does not depend on the times that the calls take.
        for each, chunk in zip(allowed, chunks, strict=True):
            self.reads.append(Read(each.what, len(chunk.rows), chunk.read_units))
        return chunks

    def _check(self, reserved: int) -> int:
        """Return how many reads are left, at least one, if `reserved` reads are kept.

        Raises Spent.
        """
        left = settings().max_page_reads - len(self.reads) - reserved
        if left <= 0:
            raise Spent
        return left
