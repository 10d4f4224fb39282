"""Rebuild the index: write all rows of `image_tags` again from the records, page by page, while the service runs.

The first step scans the records, and writes each row that is missing or different. The second step scans the rows, and
deletes each row that no record should have. Every write is a transaction that fails if the record has changed since it
was read; then the record is read again. So the rebuild can stop at any time, continue from any page, and be repeated.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.errors import Unavailable
from chalicelib.index import terms
from chalicelib.model import Image
from chalicelib.stores import catalog, dynamodb, records
from chalicelib.stores.dynamodb import Attributes, Write

_PAGE_ITEMS = 99  # so that all rows of a page can belong to one image: with its check, they are one transaction of 100
_ATTEMPTS = 6  # at a record that the service keeps changing

_RowKey = tuple[str, str]  # partition key and sort key


class Step(StrEnum):
    """The table that is scanned."""

    RECORDS = "records"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a rebuild continues."""

    step: Step
    after: Attributes | None = None  # the last key read; None: the beginning of the table


BEGINNING = Position(Step.RECORDS)


@dataclass(frozen=True, slots=True)
class Page:
    """The result of one page."""

    step: Step
    checked: int  # records or rows
    writes: int  # items written, updated or deleted
    unreadable: tuple[str, ...]  # ids of records that cannot be read; their rows are not changed
    next: Position | None  # None: this was the last page


@dataclass(frozen=True, slots=True)
class _Record:
    """A record as it was read."""

    image_id: str
    image: Image | None  # None: there is no record
    rows: Mapping[_RowKey, Attributes]  # that the image should have
    has_index_keys: bool  # whether the record's own index keys are right


_Plan = Callable[[_Record], list[Write]]  # returns no writes, or writes of which the first one checks the record


def pages(position: Position = BEGINNING, *, dry_run: bool = False) -> Iterator[Page]:
    """Rebuild the index from a position on, and return each page after it is written. A dry run only counts writes.

    If all rows are right, a page of 99 records takes one Scan call and one BatchGetItem call for each 100 of their
    rows; a page of 99 rows takes one Scan call and one BatchGetItem call.
    Raises Unavailable: the store is too busy, or the service keeps changing a record; continue at the last position.
    """
    next_position: Position | None = position
    while next_position is not None:
        page = (_write_rows if next_position.step is Step.RECORDS else _delete_rows)(next_position.after, dry_run)
        yield page
        next_position = page.next


def _write_rows(after: Attributes | None, dry_run: bool) -> Page:
    items, after = dynamodb.scan(settings().images_table_name, after, _PAGE_ITEMS)
    by_id = {item["image_id"]["S"]: item for item in items}
    readable = _readable(by_id)
    existing = _get_rows([key for record in readable for key in record.rows])

    def plan(record: _Record) -> list[Write]:
        writes = [catalog.put_row(row) for key, row in record.rows.items() if existing.get(key) != row]
        if record.image is not None and not record.has_index_keys:
            return [catalog.put_index_keys(record.image), *writes]
        return [catalog.check_unchanged(record.image_id, record.image), *writes] if writes else []

    return Page(
        step=Step.RECORDS,
        checked=len(items),
        writes=_commit(readable, plan, dry_run),
        unreadable=tuple(by_id.keys() - {record.image_id for record in readable}),
        next=Position(Step.RECORDS, after) if after else Position(Step.ROWS),
    )


def _delete_rows(after: Attributes | None, dry_run: bool) -> Page:
    items, after = dynamodb.scan(settings().image_tags_table_name, after, _PAGE_ITEMS)
    keys: dict[str, list[_RowKey]] = {}  # by image id
    for row in items:
        keys.setdefault(row["image_id"]["S"][-36:], []).append(_row_key(row))

    def plan(record: _Record) -> list[Write]:
        wrong = [key for key in keys[record.image_id] if key not in record.rows]
        if not wrong:
            return []
        return [
            catalog.check_unchanged(record.image_id, record.image),
            *(catalog.delete_row(_key_item(key)) for key in wrong),
        ]

    return Page(
        step=Step.ROWS,
        checked=len(items),
        writes=_commit(_readable(_get_records(keys)), plan, dry_run),
        unreadable=(),  # the first step has reported them
        next=Position(Step.ROWS, after) if after else None,
    )


def _commit(pending: Iterable[_Record], plan: _Plan, dry_run: bool) -> int:
    """Write what `plan` returns for each record; read a record again if it has changed. Return the number of writes."""
    count = 0
    for attempt in range(_ATTEMPTS):
        changed: list[str] = []
        for record in pending:
            writes = plan(record)
            if writes and not dry_run:
                try:
                    dynamodb.commit(writes)
                except dynamodb.Changed:
                    changed.append(record.image_id)
                    continue
            count += sum("ConditionCheck" not in write for write in writes)
        if not changed:
            return count
        dynamodb.pause(attempt)
        pending = _readable(_get_records(changed, consistent=True))
    raise Unavailable("Other requests keep changing the same images.")


def _readable(items: Mapping[str, Attributes | None]) -> list[_Record]:
    """Return the records that the service can read. None: there is no record with this id."""
    readable = []
    for image_id, item in items.items():
        if item is None:
            readable.append(_Record(image_id, None, {}, has_index_keys=False))
            continue
        try:
            image = records.from_item(item)
            rows = records.to_rows(image, [terms.key(image, term) for term in terms.of(image)])
            index_keys = records.index_keys(image)
        except (KeyError, TypeError, ValueError, OverflowError):  # another tool wrote the record
            continue
        if not (ids.is_id(image_id) and all(image.tags)):
            continue
        if image.listed:
            has_index_keys = index_keys.items() <= item.items()
            readable.append(_Record(image_id, image, {_row_key(row): row for row in rows.values()}, has_index_keys))
        else:
            readable.append(_Record(image_id, image, {}, has_index_keys=True))
    return readable


def _get_records(image_ids: Iterable[str], *, consistent: bool = False) -> dict[str, Attributes | None]:
    image_ids = list(image_ids)
    keys = [{"image_id": {"S": image_id}} for image_id in image_ids]
    items = _get_items(settings().images_table_name, keys, consistent=consistent)
    return dict.fromkeys(image_ids) | {item["image_id"]["S"]: item for item in items}


def _get_rows(keys: Sequence[_RowKey]) -> dict[_RowKey, Attributes]:
    return {_row_key(row): row for row in _get_items(settings().image_tags_table_name, list(map(_key_item, keys)))}


def _get_items(table: str, keys: Sequence[Attributes], *, consistent: bool = False) -> list[Attributes]:
    parts = (keys[start : start + dynamodb.MAX_KEYS] for start in range(0, len(keys), dynamodb.MAX_KEYS))
    return [item for part in parts for item in dynamodb.get_items(table, part, consistent=consistent)[0]]


def _row_key(row: Attributes) -> _RowKey:
    return row["tag"]["S"], row["image_id"]["S"]


def _key_item(key: _RowKey) -> Attributes:
    return {"tag": {"S": key[0]}, "image_id": {"S": key[1]}}
