"""Make moto faster.

Both functions copy objects of moto. moto never changes values in place, so it is enough to copy their containers.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from moto.backends import get_backend
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table

_ACCOUNT = "123456789012"
_BACKENDS = (("s3", "aws"), ("dynamodb", "us-east-1"))  # S3 has no region in moto


def restore(create: Callable[[], None]) -> None:
    """Restore the buckets and tables that `create` makes. `create` runs once in a process.

    Each test begins with empty buckets and tables. Creating them takes 28 calls, longer than most tests take.
    """
    for service, region, state in _state(create):
        _backend(service, region).__dict__.update(copy.deepcopy(state))


@cache
def _state(create: Callable[[], None]) -> list[tuple[str, str, dict[str, Any]]]:
    create()
    return [(service, region, copy.deepcopy(_backend(service, region).__dict__)) for service, region in _BACKENDS]


def _backend(service: Any, region: str) -> Any:
    return get_backend(service)[_ACCOUNT][region]


def speed_up_transactions() -> None:
    """Let moto copy each table of a transaction once, without its values.

    To be able to roll back, moto copies the tables before a transaction: once for each write, with all values.
    """
    Table.__deepcopy__ = _copied_table  # type: ignore[attr-defined]
    Item.__deepcopy__ = _copied_item  # type: ignore[method-assign, assignment]
    transact = DynamoDBBackend.transact_write_items

    def transact_write_items(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        with _copying_once():
            transact(backend, transact_items)

    DynamoDBBackend.transact_write_items = transact_write_items  # type: ignore[method-assign, assignment]


_copies: dict[str, Table] | None = None  # by name of table, during a transaction


@contextmanager
def _copying_once() -> Iterator[None]:
    global _copies
    _copies = {}
    try:
        yield
    finally:
        _copies = None


def _copied_table(table: Table, memo: dict[int, Any]) -> Table:
    if _copies is not None and table.name in _copies:
        return _copies[table.name]
    copied = copy.copy(table)
    copied.tags = list(table.tags)
    copied.continuous_backups = dict(table.continuous_backups)
    copied.items = defaultdict(dict)
    for key, value in table.items.items():
        rows: Any = value
        if isinstance(rows, Item):
            copied.items[key] = _copied_item(rows, memo)  # type: ignore[assignment]
        else:
            copied.items[key] = {sort_key: _copied_item(item, memo) for sort_key, item in rows.items()}
    if _copies is not None:
        _copies[table.name] = copied
    return copied


def _copied_item(item: Item, memo: dict[int, Any]) -> Item:
    copied: Any = Item.__new__(Item)
    copied.__dict__.update(item.__dict__)
    copied.attrs = type(item.attrs)()
    dict.update(copied.attrs, item.attrs)  # skips the size check of moto's own dictionary
    return copied  # type: ignore[no-any-return]
