"""The counters of tags in DynamoDB, and the queue of changes that are to be added to them.

Counters: one partition for each owner and one for everyone, sorted by tag, so that a page is one Query call. Changes:
one partition for each owner; a sparse index has all of them, oldest first.
"""

from collections.abc import Collection
from typing import Any

from chalicelib.config import settings
from chalicelib.stores import aws, dynamodb
from chalicelib.stores.dynamodb import Attributes, Write
from chalicelib.tags.model import TagChange, TagCounter, Tally

_QUEUE = "changes"
_NAMES = {"#list": "list", "#name": "name"}  # reserved words of DynamoDB


def queue(change: TagChange) -> Write:
    """Queue a change. Its item is its own, so that no write to an image waits for another one."""
    tallies = {tag: {"L": [_number(tally.public), _number(tally.private)]} for tag, tally in change.tallies.items()}
    item = {**_change_key(change), "queue": {"S": _QUEUE}, "user_id": {"S": change.user_id}, "tallies": {"M": tallies}}
    return {"Put": {"TableName": settings().tag_counts_table_name, "Item": item}}


def delete_change(change: TagChange) -> Write:
    """Delete a change from the queue; Changed if it is not there."""
    return {
        "Delete": {
            "TableName": settings().tag_counts_table_name,
            "Key": _change_key(change),
            "ConditionExpression": "attribute_exists(#name)",
            "ExpressionAttributeNames": {"#name": "name"},
        }
    }


def replace(counter: TagCounter, before: Tally | None, after: Tally) -> Write:
    """Write a counter, or delete it at zero; Changed if its value is not `before` (None: there is no counter)."""
    table, key = settings().tag_counts_table_name, _counter_key(counter)
    condition: dict[str, Any] = {
        "ConditionExpression": "attribute_not_exists(#name)",
        "ExpressionAttributeNames": {"#name": "name"},
    }
    if before is not None:
        condition = {
            "ConditionExpression": "#public = :public AND #private = :private",
            "ExpressionAttributeNames": {"#public": "public", "#private": "private"},
            "ExpressionAttributeValues": {":public": _number(before.public), ":private": _number(before.private)},
        }
    if not after:
        return {"Delete": {"TableName": table, "Key": key, **condition}}
    item = {**key, "public": _number(after.public), "private": _number(after.private)}
    return {"Put": {"TableName": table, "Item": item, **condition}}


@aws.translated
def queued(after: str, limit: int) -> tuple[TagChange, ...]:
    """Return everyone's queued changes after a change_id, oldest first, at most `limit`: one call.

    The index is eventually consistent: it may lack new changes, and have some that are deleted.
    """
    answer = aws.dynamodb().query(
        TableName=settings().tag_counts_table_name,
        IndexName="queue-index",
        KeyConditionExpression="#queue = :queue AND #name > :after",
        ExpressionAttributeNames={"#queue": "queue", "#name": "name"},
        ExpressionAttributeValues={":queue": {"S": _QUEUE}, ":after": {"S": after}},
        Limit=limit,
    )
    return tuple(map(_to_change, answer["Items"]))


@aws.translated
def queued_of(owner: str) -> tuple[TagChange, ...]:
    """Return an owner's queued changes, oldest first, at most 1 MB of them, consistently: one call."""
    answer = aws.dynamodb().query(
        TableName=settings().tag_counts_table_name,
        KeyConditionExpression="#list = :changes",
        ExpressionAttributeNames={"#list": "list"},
        ExpressionAttributeValues={":changes": {"S": _changes_of(owner)}},
        ConsistentRead=True,
    )
    return tuple(map(_to_change, answer["Items"]))


@aws.translated
def read(owner: str | None, prefix: str, after: str | None, limit: int) -> tuple[dict[str, Tally], str | None]:
    """Return the counters of tags with a prefix, an owner's or everyone's, after a tag, consistently: one call.

    At most `limit` counters and 1 MB of them; and the last tag read, or None if there are no more.
    """
    condition, values = "#list = :list", {":list": {"S": _counters_of(owner)}}
    names = {"#list": "list"}
    if prefix:
        condition, names = f"{condition} AND begins_with(#name, :prefix)", _NAMES
        values[":prefix"] = {"S": prefix}
    start: Any = {"ExclusiveStartKey": _counter_key(TagCounter(owner, after))} if after is not None else {}
    answer = aws.dynamodb().query(
        TableName=settings().tag_counts_table_name,
        KeyConditionExpression=condition,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
        ConsistentRead=True,
        Limit=limit,
        **start,
    )
    last = answer["LastEvaluatedKey"]["name"]["S"] if "LastEvaluatedKey" in answer else None
    return {item["name"]["S"]: _to_tally(item) for item in answer["Items"]}, last


@aws.translated
def find(
    changes: Collection[TagChange], counters: Collection[TagCounter]
) -> tuple[list[TagChange], dict[TagCounter, Tally]]:
    """Return the changes that are still queued and the counters that exist, consistently: usually one call.

    At most 100 of both together (DynamoDB: keys per BatchGetItem call).
    Raises Unavailable: see dynamodb.get_items.
    """
    keys = [*map(_change_key, changes), *map(_counter_key, counters)]
    items, _ = dynamodb.get_items(settings().tag_counts_table_name, keys, consistent=True)
    by_key = {_key_values(item): item for item in items}
    counter_keys = {counter: _key_values(_counter_key(counter)) for counter in counters}
    return (
        [change for change in changes if _key_values(_change_key(change)) in by_key],
        {counter: _to_tally(by_key[key]) for counter, key in counter_keys.items() if key in by_key},
    )


def _changes_of(owner: str) -> str:
    return f"changes:{owner}"


def _counters_of(owner: str | None) -> str:
    return "tags" if owner is None else f"tags:{owner}"


def _change_key(change: TagChange) -> Attributes:
    return {"list": {"S": _changes_of(change.user_id)}, "name": {"S": change.change_id}}


def _counter_key(counter: TagCounter) -> Attributes:
    return {"list": {"S": _counters_of(counter.user_id)}, "name": {"S": counter.tag}}


def _key_values(item: Attributes) -> tuple[str, str]:
    return item["list"]["S"], item["name"]["S"]


def _to_change(item: Any) -> TagChange:
    tallies = {tag: Tally(*(int(number["N"]) for number in pair["L"])) for tag, pair in item["tallies"]["M"].items()}
    return TagChange(item["name"]["S"], item["user_id"]["S"], tallies)


def _to_tally(item: Any) -> Tally:
    return Tally(int(item["public"]["N"]), int(item["private"]["N"]))


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}
