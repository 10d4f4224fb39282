"""Write images directly into the SQLite database of DynamoDB Local, which takes a tenth of the time of its API.

The stack creates the tables and is then stopped. `check` compares small tables with those that were filled through the
API, so that another version of DynamoDB Local cannot make the rows wrong without notice.

DynamoDB Local documents no function for the hashes of keys. It uses them for the order of a Scan and of rows with equal
keys in an index, and to continue after an ExclusiveStartKey. Lists do none of this with index rows, which therefore
have other hashes. Records of images are scanned by the ways that lists are compared with: their hashes are those of
items that have the same keys, and nothing else, in a table that is filled through the API (`create_hashes`).
"""

import hashlib
import json
import sqlite3
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import orjson

from bench import album
from chalicelib.config import settings
from chalicelib.model import Image
from chalicelib.stores import catalog, records
from chalicelib.stores.dynamodb import Attributes, Write
from dev.stack import Stack, running
from project import CannotRun

_PROCESSES = 2  # that generate rows
_PART = 500  # images at once in a process
_TRANSACTION_ROWS = 1_000_000
_CACHE_KB = 2_000_000  # for the index of the primary key, whose entries come in random order
_HASHES = "hashes"  # the table of create_hashes
_SORT_HASHES = ("rangeValue", "hashRangeValue")

SqliteRow = tuple[bytes | int | None, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """How DynamoDB Local keeps a table."""

    name: str
    keys: tuple[str, ...]  # the partition key and, if there is one, the sort key
    indexes: dict[str, tuple[str, ...]]  # keys of each index, by its name
    columns: dict[str, str]  # attributes that are keys of indexes only, by column

    @property
    def has_sort_key(self) -> bool:
        """Whether it is the table of index rows."""
        return len(self.keys) > 1

    @property
    def insert(self) -> str:
        """The statement that writes a row of `_encoded`."""
        sort_columns = ("rangeKey", *_SORT_HASHES) if self.has_sort_key else ()
        columns = ("hashKey", *sort_columns, "itemSize", "ObjectJSON", *self.columns, "hashValue")
        values = ", ".join("?" * (len(columns) - 1))
        hashed = "?" if self.has_sort_key else f"(SELECT hashValue FROM {_HASHES} WHERE hashKey = ?)"  # noqa: S608
        return f'INSERT INTO "{self.name}" ({", ".join(columns)}) VALUES ({values}, {hashed})'  # noqa: S608


def create_hashes(stack: Stack) -> None:
    """Create the table in which DynamoDB Local writes the hashes of the keys of records."""
    stack.client("dynamodb").create_table(
        TableName=_HASHES,
        KeySchema=[{"AttributeName": "image_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "image_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def put_hash(image: Image) -> Write:
    """Let DynamoDB Local write the hash of the key of a record."""
    return {"Put": {"TableName": _HASHES, "Item": {"image_id": {"S": image.image_id}}}}


def write(folder: Path, size: int) -> None:
    """Write images 0 to `size` into the empty tables of a data folder that no stack uses, and that has their hashes."""
    started = time.monotonic()
    with closing(_database(folder)) as database:
        # A crash during this work may destroy the database. The folder gets its final name only at the end.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KB}", "threads = 2"):
            database.execute(f"PRAGMA {pragma}")
        for table in _tables(database):
            _fill(database, table, size, started)
        database.execute("PRAGMA journal_mode = DELETE")


def check(folder: Path, images: Sequence[Image]) -> None:
    """Check that rows which are written here equal those of DynamoDB Local in everything that a list can see.

    `folder` belongs to a stopped stack, to whose tables the images were written through the API, and their hashes. It
    is changed.

    Raises CannotRun: rows differ, or the answers to queries of the tables or of one of their indexes.
    """
    with closing(_database(folder)) as database:
        tables, schema = _tables(database), _schema(database)
        real = [_rows(database, table) for table in tables]
    real_answers = [_answers(folder, table) for table in tables]
    with closing(_database(folder)) as database:
        for table in tables:
            database.execute(f'DELETE FROM "{table.name}"')  # noqa: S608
            database.executemany(table.insert, _encoded(table, images))
        database.commit()
        if real != [_rows(database, table) for table in tables] or schema != _schema(database):
            raise CannotRun("DynamoDB Local writes other rows than bench/rows.py; adapt bench/rows.py to its version.")
    if real_answers != [_answers(folder, table) for table in tables]:
        raise CannotRun("DynamoDB Local does not find the rows of bench/rows.py; adapt bench/rows.py to its version.")


def _fill(database: sqlite3.Connection, table: _Table, size: int, started: float) -> None:
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
        (table.name,),
    ).fetchall()
    for name, _ in indexes:
        database.execute(f'DROP INDEX "{name}"')
    count = written = 0
    for part in _in_parallel(table, size):
        database.executemany(table.insert, part)
        count, written = count + len(part), written + len(part)
        if written >= _TRANSACTION_ROWS:
            database.commit()
            written = 0
            _report(table, count, started)
    database.commit()
    _report(table, count, started)
    # Sorting all entries of an index at once is faster than inserting each.
    for name, statement in indexes:
        database.execute(statement)
        print(f"{name} after {time.monotonic() - started:,.0f} s", file=sys.stderr, flush=True)
    database.commit()


def _in_parallel(table: _Table, size: int) -> Iterator[list[SqliteRow]]:
    """Yield the rows of all images. Few parts wait to be written, so that memory does not depend on `size`."""
    parts = iter(range(0, size, _PART))
    with ProcessPoolExecutor(_PROCESSES, get_context("spawn")) as pool:

        def submit(start: int) -> Future[list[SqliteRow]]:
            return pool.submit(_part, table, size, start)

        waiting = deque(map(submit, islice(parts, 2 * _PROCESSES)))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(map(submit, islice(parts, 1)))


def _part(table: _Table, size: int, start: int) -> list[SqliteRow]:
    return list(_encoded(table, album.images(start, min(start + _PART, size))))


def _encoded(table: _Table, images: Iterable[Image]) -> Iterator[SqliteRow]:
    """Yield the SQLite rows of images: their index rows, or their records."""
    for image in images:
        for put in catalog.row_writes(None, image) if table.has_sort_key else [catalog.put(image)]:
            item: Attributes = put["Put"]["Item"]
            keys = [item[name]["S"].encode() for name in table.keys]
            hashes = [_hash(key) for key in (*keys, b"".join(keys))] if table.has_sort_key else keys
            yield (
                *keys,
                *hashes[1:],
                records.size(item),
                orjson.dumps(item),
                *(item[name]["S"].encode() if name in item else None for name in table.columns.values()),
                hashes[0],
            )


def _hash(key: bytes) -> bytes:
    return hashlib.sha1(key, usedforsecurity=False).digest()


def _database(folder: Path) -> sqlite3.Connection:
    (file,) = (folder / "dynamodb").glob("*.db")
    return sqlite3.connect(file)


def _tables(database: sqlite3.Connection) -> tuple[_Table, ...]:
    return tuple(_table(database, name) for name in (settings().images_table_name, settings().image_tags_table_name))


def _table(database: sqlite3.Connection, name: str) -> _Table:
    """Return how DynamoDB Local keeps a table, as its own table `dm` describes it."""
    ((text,),) = database.execute("SELECT TableInfo FROM dm WHERE TableName = ?", (name,))
    keys: dict[str, tuple[str, ...]] = {}
    columns: dict[str, str] = {}
    for index, parts in json.loads(text)["SQLiteIndex"].items():
        keys[index] = tuple(part["DynamoDBAttribute"]["AttributeName"] for part in parts)
        columns |= {part["SQLiteColumnName"]: part["DynamoDBAttribute"]["AttributeName"] for part in parts}
    of_table = keys.pop("")
    of_indexes = {column: name for column, name in columns.items() if column not in ("hashKey", "rangeKey")}
    return _Table(name, of_table, keys, of_indexes)


def _rows(database: sqlite3.Connection, table: _Table) -> dict[tuple[Any, ...], Any]:
    """Return all columns by key, of index rows without their hashes. The order of attributes in an item means nothing.

    Nothing if a column is not as expected.
    """
    cursor = database.execute(f'SELECT * FROM "{table.name}"')  # noqa: S608
    names = [name for name, *_ in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    hashes = ("hashValue", *_SORT_HASHES) if table.has_sort_key else ()
    for row in rows:
        if any(not isinstance(row[name], bytes) for name in (*hashes, "hashValue", "ObjectJSON")):
            return {}
    return {
        (row["hashKey"], row.get("rangeKey")): {
            name: json.loads(value) if name == "ObjectJSON" else value
            for name, value in row.items()
            if name not in hashes
        }
        for row in rows
    }


def _schema(database: sqlite3.Connection) -> list[Any]:
    return sorted(database.execute("SELECT type, name, sql FROM sqlite_master"), key=str)


def _answers(folder: Path, table: _Table) -> dict[str, list[Attributes]]:
    """Return what a stack answers to queries of all partitions of the table and of its indexes, in both directions."""
    with closing(_database(folder)) as database:
        items = [json.loads(text) for (text,) in database.execute(f'SELECT ObjectJSON FROM "{table.name}"')]  # noqa: S608
    found: dict[str, list[Attributes]] = {}
    with running(folder) as stack:
        dynamodb = stack.client("dynamodb")
        found["scan"] = dynamodb.scan(TableName=table.name)["Items"] if not table.has_sort_key else []
        for index, (partition, *_) in {"": table.keys, **table.indexes}.items():
            for value in sorted({item[partition]["S"] for item in items if partition in item}):
                for forward in (True, False):
                    answer = dynamodb.query(
                        TableName=table.name,
                        KeyConditionExpression="#key = :value",
                        ExpressionAttributeNames={"#key": partition},
                        ExpressionAttributeValues={":value": {"S": value}},
                        ScanIndexForward=forward,
                        ReturnConsumedCapacity="TOTAL",
                        **({"IndexName": index} if index else {}),
                    )
                    units = answer["ConsumedCapacity"]["CapacityUnits"]
                    found[f"{index}, {value}, {forward}"] = [*answer["Items"], {"units": {"N": str(units)}}]
    return found


def _report(table: _Table, count: int, started: float) -> None:
    seconds = time.monotonic() - started
    print(f"{count:>11,} rows of {table.name} after {seconds:,.0f} s", file=sys.stderr, flush=True)
