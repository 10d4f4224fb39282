"""moto's transactions, without what makes them slow.

To be able to take a transaction back, moto copies each table that it touches, with all values, once for each of its
writes. Values are never changed in place, so that a copy of what holds them is as good.
"""

import copy
from collections import defaultdict
from typing import Any

from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table


def quicken() -> None:
    """Let moto copy tables and items without their values."""
    Table.__deepcopy__ = _copied_table  # type: ignore[attr-defined]
    Item.__deepcopy__ = _copied_item  # type: ignore[method-assign, assignment]


def _copied_table(table: Table, memo: dict[int, Any]) -> Table:
    copied = copy.copy(table)
    copied.items = defaultdict(dict)
    for key, found in table.items.items():
        rows: Any = found
        if isinstance(rows, Item):
            copied.items[key] = _copied_item(rows, memo)  # type: ignore[assignment]
        else:
            copied.items[key] = {sort_key: _copied_item(item, memo) for sort_key, item in rows.items()}
    return copied


def _copied_item(item: Item, memo: dict[int, Any]) -> Item:
    copied: Any = Item.__new__(Item)
    copied.__dict__.update(item.__dict__)
    copied.attrs = type(item.attrs)()
    dict.update(copied.attrs, item.attrs)  # past its own measuring of what is put in
    return copied  # type: ignore[no-any-return]
