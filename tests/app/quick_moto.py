"""moto, without what makes it slow.

Both shortcuts copy moto's own objects. Values are never changed in place, so that a copy of what holds them is enough.
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
_BACKENDS = (("s3", "aws"), ("dynamodb", "us-east-1"))  # S3's buckets are of no region


def provided(provide: Callable[[], None]) -> None:
    """Bring back what `provide` makes in S3 and DynamoDB, which it makes once in a process.

    Each test begins with empty buckets and tables. To make them takes 28 calls, and longer than most tests do.
    """
    for service, region, state in _state(provide):
        _backend(service, region).__dict__.update(copy.deepcopy(state))


@cache
def _state(provide: Callable[[], None]) -> list[tuple[str, str, dict[str, Any]]]:
    provide()
    return [(service, region, copy.deepcopy(_backend(service, region).__dict__)) for service, region in _BACKENDS]


def _backend(service: Any, region: str) -> Any:
    return get_backend(service)[_ACCOUNT][region]


def quicken_transactions() -> None:
    """Let moto copy each table of a transaction once, and without its values.

    To be able to take a transaction back, moto copies each table that it touches, with all values, once for each of its
    writes and before the first of them.
    """
    Table.__deepcopy__ = _copied_table  # type: ignore[attr-defined]
    Item.__deepcopy__ = _copied_item  # type: ignore[method-assign, assignment]
    transact = DynamoDBBackend.transact_write_items

    def transact_write_items(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        with _copying_once():
            transact(backend, transact_items)

    DynamoDBBackend.transact_write_items = transact_write_items  # type: ignore[method-assign, assignment]


_copies: dict[str, Table] | None = None  # by the tables' names, during a transaction


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
    copied.items = defaultdict(dict)
    for key, found in table.items.items():
        rows: Any = found
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
    dict.update(copied.attrs, item.attrs)  # past its own measuring of what is put in
    return copied  # type: ignore[no-any-return]
