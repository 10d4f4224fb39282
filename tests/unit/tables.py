"""A table in memory with reads like those of DynamoDB's Query."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chalicelib.index.ranges import Bounds, Index
from chalicelib.index.rows import Chunk, Row
from chalicelib.lists.model import PlannedRead
from chalicelib.model import Visibility


def row(image_id: str, word: str = "", changed: str | None = None, taken: str | None = None) -> Row:
    return Row(image_id, "alice", Visibility.PUBLIC, None, word=word, changed=changed, taken=taken)


@dataclass
class Table:
    """Rows by index, partition and sort key, and a list of all reads."""

    rows: dict[tuple[Index, str], dict[str, Row]] = field(default_factory=dict)
    reads: list[tuple[Bounds, int]] = field(default_factory=list)

    def put(self, index: Index, partition: str, rows: Iterable[tuple[str, Row]]) -> None:
        self.rows.setdefault((index, partition), {}).update(rows)

    def read(self, bounds: Bounds, rows: int) -> Chunk:
        self.reads.append((bounds, rows))
        assert bounds.low <= bounds.high  # DynamoDB rejects other bounds
        partition = self.rows.get((bounds.index, bounds.partition), {})
        keys = sorted(key for key in partition if bounds.low <= self._sort_key(bounds.index, key) <= bounds.high)
        keys = keys if bounds.ascending else keys[::-1]
        # DynamoDB returns LastEvaluatedKey even if no row follows.
        after = self._sort_key(bounds.index, keys[rows - 1]) if len(keys) >= rows else None
        return Chunk(tuple(partition[key] for key in keys[:rows]), after, 0.5)

    def read_all(self, planned: Sequence[PlannedRead]) -> list[Chunk]:
        return [self.read(each.bounds, each.rows) for each in planned]

    def _sort_key(self, index: Index, key: str) -> str:
        """Return the sort key of a row. Rows of the owner's index can share one, so `/` and a unique part follow it."""
        return key.split("/")[0] if index is Index.OWNER else key
