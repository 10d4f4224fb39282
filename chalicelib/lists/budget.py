"""What a page may cost: its reads of DynamoDB are made here, noted, and held to the limits of the settings."""

import time
from collections.abc import Sequence

from chalicelib.config import settings
from chalicelib.index.ranges import Bounds
from chalicelib.index.rows import Chunk
from chalicelib.lists.model import Read
from chalicelib.model import Image
from chalicelib.stores import catalog


class Budget:
    """The reads of one page, from now on."""

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self._started = time.monotonic()

    @property
    def cost(self) -> dict[str, float]:
        """Calls to DynamoDB, and read units."""
        return {"reads": len(self.reads), "read_units": sum(read.read_units for read in self.reads)}

    @property
    def milliseconds(self) -> float:
        """Since it began."""
        return (time.monotonic() - self._started) * 1_000

    def is_spent(self) -> bool:
        """Whether the page may cost no more: MAX_PAGE_READS, MAX_PAGE_READ_UNITS or MAX_PAGE_MILLISECONDS."""
        limits, cost = settings(), self.cost
        return (
            cost["reads"] >= limits.max_page_reads
            or cost["read_units"] >= limits.max_page_read_units
            or self.milliseconds >= limits.max_page_milliseconds
        )

    def read(self, what: str, bounds: Bounds, rows: int) -> Chunk:
        """The rows within bounds of a list, as catalog.query: one call."""
        chunk = catalog.query(bounds, rows)
        self.reads.append(Read(what, len(chunk.rows), chunk.read_units))
        return chunk

    def fetch(self, image_ids: Sequence[str]) -> dict[str, Image]:
        """The images of at most 100 ids, as catalog.get_many: usually one call, or none for none."""
        if not image_ids:
            return {}
        images, calls, read_units = catalog.get_many(image_ids)
        self.reads += [Read("records", len(images), read_units / calls)] * calls
        return images
