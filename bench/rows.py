"""Write index rows directly into the SQLite database of DynamoDB Local, which takes a tenth of the time of its API.

The stack creates the tables and is then stopped. `check` compares a small table with one that was filled through the
API, so that another version of DynamoDB Local cannot make the rows wrong without notice.

The hashes of the keys are the exception: DynamoDB Local documents no function for them, so the rows have other ones. It
uses them for the order of a Scan and of rows with equal keys in an index, and to continue after an ExclusiveStartKey.
Lists do none of this with index rows. Records of images are therefore not written here.
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
from chalicelib.stores.dynamodb import Attributes
from dev.stack import running
from project import CannotRun

_PROCESSES = 2  # that generate rows
_PART = 500  # images at once in a process
_TRANSACTION_ROWS = 1_000_000
_CACHE_KB = 2_000_000  # for the index of the primary key, whose entries come in random order
_HASH_COLUMNS = ("hashValue", "rangeValue", "hashRangeValue")

SqliteRow = tuple[bytes | int | None, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """How DynamoDB Local keeps a table with a partition key and a sort key."""

    name: str
    keys: tuple[str, str]
    indexes: dict[str, tuple[str, str]]  # keys of each index, by its name
    columns: dict[str, str]  # attributes that are keys of indexes only, by column

    @property
    def insert(self) -> str:
        """The statement that writes a row of `_encoded`."""
        columns = ("hashKey", "rangeKey", *_HASH_COLUMNS, "itemSize", "ObjectJSON", *self.columns)
        marks = ", ".join("?" * len(columns))
        return f'INSERT INTO "{self.name}" ({", ".join(columns)}) VALUES ({marks})'  # noqa: S608


def write(folder: Path, size: int) -> None:
    """Write the index rows of images 0 to `size` into the empty table of a data folder that no stack uses."""
    started = time.monotonic()
    with closing(_database(folder)) as database:
        table = _table(database)
        # A crash during this work may destroy the database. The folder gets its final name only at the end.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KB}", "threads = 2"):
            database.execute(f"PRAGMA {pragma}")
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
                _report(count, started)
        database.commit()
        _report(count, started)
        # Sorting all entries of an index at once is faster than inserting each.
        for name, statement in indexes:
            database.execute(statement)
            print(f"{name} after {time.monotonic() - started:,.0f} s", file=sys.stderr, flush=True)
        database.commit()
        database.execute("PRAGMA journal_mode = DELETE")


def check(folder: Path, images: Sequence[Image]) -> None:
    """Check that rows which are written here equal those of DynamoDB Local in everything that a list can see.

    `folder` belongs to a stopped stack, to whose tables the images were written through the API. It is changed.

    Raises CannotRun: rows differ, or the answers to queries of the table or of one of its indexes.
    """
    with closing(_database(folder)) as database:
        table = _table(database)
        real, schema = _rows(database, table), _schema(database)
    real_answers = _answers(folder, table)
    with closing(_database(folder)) as database:
        database.execute(f'DELETE FROM "{table.name}"')  # noqa: S608
        database.executemany(table.insert, _encoded(table, images))
        database.commit()
        if real != _rows(database, table) or schema != _schema(database):
            raise CannotRun("DynamoDB Local writes other rows than bench/rows.py; adapt bench/rows.py to its version.")
    if real_answers != _answers(folder, table):
        raise CannotRun("DynamoDB Local does not find the rows of bench/rows.py; adapt bench/rows.py to its version.")


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
    """Yield the SQLite rows of the index rows of images."""
    partition_key, sort_key = table.keys
    for image in images:
        for write in catalog.row_writes(None, image):
            item: Attributes = write["Put"]["Item"]
            partition, sort = item[partition_key]["S"].encode(), item[sort_key]["S"].encode()
            yield (
                partition,
                sort,
                *(hashlib.sha1(key, usedforsecurity=False).digest() for key in (partition, sort, partition + sort)),
                records.size(item),
                orjson.dumps(item),
                *(item[name]["S"].encode() if name in item else None for name in table.columns.values()),
            )


def _database(folder: Path) -> sqlite3.Connection:
    (file,) = (folder / "dynamodb").glob("*.db")
    return sqlite3.connect(file)


def _table(database: sqlite3.Connection) -> _Table:
    """Return how DynamoDB Local keeps the table of index rows, as its own table `dm` describes it."""
    name = settings().image_tags_table_name
    ((text,),) = database.execute("SELECT TableInfo FROM dm WHERE TableName = ?", (name,))
    keys: dict[str, tuple[str, str]] = {}
    columns: dict[str, str] = {}
    for index, parts in json.loads(text)["SQLiteIndex"].items():
        partition, sort = (part["DynamoDBAttribute"]["AttributeName"] for part in parts)
        keys[index] = partition, sort
        columns |= {part["SQLiteColumnName"]: part["DynamoDBAttribute"]["AttributeName"] for part in parts}
    of_table = keys.pop("")
    of_indexes = {column: name for column, name in columns.items() if column not in ("hashKey", "rangeKey")}
    return _Table(name, of_table, keys, of_indexes)


def _rows(database: sqlite3.Connection, table: _Table) -> dict[tuple[Any, ...], Any]:
    """Return all columns but the hashes, by key. The order of attributes in an item means nothing."""
    cursor = database.execute(f'SELECT * FROM "{table.name}"')  # noqa: S608
    names = [name for name, *_ in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    for row in rows:
        if any(not isinstance(row[name], bytes) for name in (*_HASH_COLUMNS, "ObjectJSON")):
            return {}
    return {
        (row["hashKey"], row["rangeKey"]): {
            name: json.loads(value) if name == "ObjectJSON" else value
            for name, value in row.items()
            if name not in _HASH_COLUMNS
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
        for index, (partition, _) in {"": table.keys, **table.indexes}.items():
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


def _report(count: int, started: float) -> None:
    rate = count / (time.monotonic() - started)
    print(f"{count:>11,} index rows, {rate:,.0f} a second", file=sys.stderr, flush=True)
