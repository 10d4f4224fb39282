"""Calls to DynamoDB that every table shares: transactions, batch reads, scans, and retries of a contended change.

A write is a value. A use case collects the writes that belong together, and `commit` sends them as one transaction.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from chalicelib import deadline
from chalicelib.errors import Unavailable
from chalicelib.stores import aws

Attributes = dict[str, Any]  # attribute name -> {type: value}
Write = dict[str, Any]  # an entry of TransactWriteItems

T = TypeVar("T")

MAX_WRITES = 100  # DynamoDB: actions per TransactWriteItems call
MAX_KEYS = 100  # DynamoDB: keys per BatchGetItem call

_CONTENDED = "Other requests are changing the same data; try again in a moment."

_CHANGE_ATTEMPTS = 12  # at a change that keeps losing races, with growing pauses: about 10 seconds in all
_CALL_ATTEMPTS = 6  # at a call that DynamoDB asks to repeat: about 1.5 seconds in all

_random = random.SystemRandom()  # has no state, which SnapStart would copy to every instance

# Codes of a cancelled transaction that may not occur if it is repeated.
_TRANSIENT = {"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class Changed(Exception):
    """A write's condition does not hold: another writer was first. Nothing was written."""


def retried(change: Callable[[], T], busy: str = _CONTENDED) -> T:
    """Call `change`, and call it again, after a pause, while it raises Changed.

    Raises Unavailable: other writers were first each time; `busy` is the error message.
    """
    for attempt in range(_CHANGE_ATTEMPTS):
        try:
            return change()
        except Changed:
            pause(attempt)
    raise Unavailable(busy)


def pause(attempt: int) -> None:
    """Wait before the attempt after this one: longer each time, up to 1.6 seconds, and for a random part of that.

    Raises Unavailable: the deadline of the request is earlier.
    """
    seconds = _random.uniform(0.5, 1) * 0.05 * min(2**attempt, 32)
    deadline.check(seconds)
    time.sleep(seconds)


@aws.translated
def commit(writes: Sequence[Write]) -> None:
    """Send writes as one transaction, at most MAX_WRITES: all of them happen, or none.

    Raises Changed: a write's condition does not hold.
    Raises Unavailable: other requests keep writing the same items.
    """
    client = aws.dynamodb()
    for attempt in range(_CALL_ATTEMPTS):
        try:
            client.transact_write_items(TransactItems=writes)  # type: ignore[arg-type]
            return
        except client.exceptions.TransactionCanceledException as canceled:
            codes = {reason["Code"] for reason in canceled.response["CancellationReasons"]}
            if "ConditionalCheckFailed" in codes:
                raise Changed from None
            if not codes <= _TRANSIENT:
                raise
        pause(attempt)
    raise Unavailable(_CONTENDED)


@aws.translated
def get_items(table: str, keys: Sequence[Attributes], *, consistent: bool = False) -> tuple[list[Attributes], float]:
    """Return the items with these keys, in no order, and the read units consumed: usually one call.

    At most MAX_KEYS keys. Raises Unavailable: DynamoDB keeps leaving some keys unprocessed.
    """
    items: list[Attributes] = []
    read_units = 0.0
    unprocessed: Any = {table: {"Keys": keys, "ConsistentRead": consistent}}
    for attempt in range(_CALL_ATTEMPTS):
        answer = aws.dynamodb().batch_get_item(RequestItems=unprocessed, ReturnConsumedCapacity="TOTAL")
        read_units += sum(consumed["CapacityUnits"] for consumed in answer["ConsumedCapacity"])
        items += answer["Responses"].get(table, ())
        unprocessed = answer["UnprocessedKeys"]
        if not unprocessed:
            return items, read_units
        pause(attempt)
    raise Unavailable("The database is busy; try again in a moment.")


@aws.translated
def scan(table: str, after: Attributes | None, limit: int) -> tuple[list[Attributes], Attributes | None]:
    """Return the next items of a table after a key, in no order, and the last key read; None at the end of the table.

    At most `limit` items and 1 MB: one call, 0.5 read units per 4 KB. For maintenance, which reads whole tables; never
    for a request.
    """
    start: Any = {} if after is None else {"ExclusiveStartKey": after}
    answer = aws.dynamodb().scan(TableName=table, Limit=limit, **start)
    items: list[Attributes] = answer["Items"]
    return items, answer.get("LastEvaluatedKey")
