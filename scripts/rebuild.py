"""Rebuild the index rows of all images from their records, page by page, while the service runs.

The first step writes the rows of each record that are missing or wrong. The second step deletes the rows that no record
should have. Every write is in a transaction with a check that the record has not changed since it was read. If the
service has changed the record meanwhile, its change stays, and the record is read again. The rebuild can therefore be
stopped anywhere, continued anywhere, and repeated.
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
from chalicelib.stores.dynamodb import Item, Write

_PAGE = 99  # at most 99 rows of one image, and the check of its record: a transaction of 100 items
_KEYS = 100  # DynamoDB: keys of a BatchGetItem
_TRIES = 6  # attempts at records that the service changes meanwhile

_Place = tuple[str, str]  # partition key and sort key of a row


class Step(StrEnum):
    """The table that is scanned."""

    RECORDS = "records"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Position:
    """Where to continue."""

    step: Step
    after: Item | None = None  # the last key that is done; None: the beginning of the table


BEGINNING = Position(Step.RECORDS)


@dataclass(frozen=True, slots=True)
class Page:
    """What was done for one page."""

    step: Step
    looked_at: int  # records or rows
    writes: int  # items put, updated or deleted
    unreadable: tuple[str, ...]  # ids of records that cannot be read; their rows stay as they are
    next: Position | None  # None: all is done


@dataclass(frozen=True, slots=True)
class _Record:
    """A record as it was read."""

    image_id: str
    image: Image | None  # None: there is no record
    rows: Mapping[_Place, Item]  # the rows that it should have
    is_indexed: bool  # the record has the right attributes for the table's own indexes


_Plan = Callable[[_Record], list[Write]]  # the first write checks the record


def pages(position: Position = BEGINNING, *, dry_run: bool = False) -> Iterator[Page]:
    """Rebuild the rows from a position on. Yields each page when it is done. A dry run only counts the writes.

    Calls for correct tables: one Scan for 99 records, one BatchGetItem for 100 of their rows, then one Scan and one
    BatchGetItem for 99 rows. No writes.
    Raises Unavailable: the store is too busy, or a record changes all the time. Continue at the last position.
    """
    place: Position | None = position
    while place is not None:
        page = (_write_rows if place.step is Step.RECORDS else _delete_rows)(place.after, dry_run)
        yield page
        place = page.next


def _write_rows(after: Item | None, dry_run: bool) -> Page:
    items, after = dynamodb.scan(settings().images_table_name, after, _PAGE)
    read = {item["image_id"]["S"]: item for item in items}
    readable = _readable(read)
    there = _rows_at([place for record in readable for place in record.rows])

    def plan(record: _Record) -> list[Write]:
        writes = [catalog.put_row(row) for place, row in record.rows.items() if there.get(place) != row]
        if record.image is not None and not record.is_indexed:
            return [catalog.put_index_keys(record.image), *writes]
        return [catalog.check_unchanged(record.image_id, record.image), *writes] if writes else []

    return Page(
        step=Step.RECORDS,
        looked_at=len(items),
        writes=_settle(readable, plan, dry_run),
        unreadable=tuple(read.keys() - {record.image_id for record in readable}),
        next=Position(Step.RECORDS, after) if after else Position(Step.ROWS),
    )


def _delete_rows(after: Item | None, dry_run: bool) -> Page:
    items, after = dynamodb.scan(settings().image_tags_table_name, after, _PAGE)
    places: dict[str, list[_Place]] = {}
    for row in items:
        places.setdefault(row["image_id"]["S"][-36:], []).append(_place(row))

    def plan(record: _Record) -> list[Write]:
        wrong = [place for place in places[record.image_id] if place not in record.rows]
        if not wrong:
            return []
        return [
            catalog.check_unchanged(record.image_id, record.image),
            *(catalog.delete_row(_key(place)) for place in wrong),
        ]

    return Page(
        step=Step.ROWS,
        looked_at=len(items),
        writes=_settle(_readable(_records_of(places)), plan, dry_run),
        unreadable=(),  # the first step has reported them
        next=Position(Step.ROWS, after) if after else None,
    )


def _settle(read: Iterable[_Record], plan: _Plan, dry_run: bool) -> int:
    """Commit the planned writes of each record. Reads and plans again if the record has changed. Returns the writes."""
    done = 0
    for attempt in range(_TRIES):
        overtaken: list[str] = []
        for record in read:
            writes = plan(record)
            if writes and not dry_run:
                try:
                    dynamodb.commit(writes)
                except dynamodb.Changed:
                    overtaken.append(record.image_id)
                    continue
            done += sum("ConditionCheck" not in write for write in writes)
        if not overtaken:
            return done
        dynamodb.pause(attempt)
        read = _readable(_records_of(overtaken, consistent=True))
    raise Unavailable("Some images change all the time.")


def _readable(read: Mapping[str, Item | None]) -> list[_Record]:
    """Return the records that the service can read."""
    found = []
    for image_id, item in read.items():
        if item is None:
            found.append(_Record(image_id, None, {}, is_indexed=False))
            continue
        try:
            image = records.from_item(item)
            rows = [records.to_row(image, terms.key(image, term)) for term in terms.of(image)]
            keys = records.index_keys(image)
        except (KeyError, TypeError, ValueError, OverflowError):  # written by another tool
            continue
        if not (ids.is_id(image_id) and all(image.tags)):
            continue
        if image.listed:
            is_indexed = keys.items() <= item.items()
            found.append(_Record(image_id, image, {_place(row): row for row in rows}, is_indexed))
        else:
            found.append(_Record(image_id, image, {}, is_indexed=True))
    return found


def _records_of(image_ids: Iterable[str], *, consistent: bool = False) -> dict[str, Item | None]:
    wanted = list(image_ids)
    keys = [{"image_id": {"S": image_id}} for image_id in wanted]
    found = _items(settings().images_table_name, keys, consistent=consistent)
    return dict.fromkeys(wanted) | {item["image_id"]["S"]: item for item in found}


def _rows_at(places: Sequence[_Place]) -> dict[_Place, Item]:
    return {_place(row): row for row in _items(settings().image_tags_table_name, list(map(_key, places)))}


def _items(table: str, keys: Sequence[Item], *, consistent: bool = False) -> list[Item]:
    parts = (keys[start : start + _KEYS] for start in range(0, len(keys), _KEYS))
    return [item for part in parts for item in dynamodb.get_items(table, part, consistent=consistent)[0]]


def _place(row: Item) -> _Place:
    return row["tag"]["S"], row["image_id"]["S"]


def _key(place: _Place) -> Item:
    return {"tag": {"S": place[0]}, "image_id": {"S": place[1]}}
