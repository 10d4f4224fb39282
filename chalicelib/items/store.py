"""Generic items in DynamoDB.

All are one partition of their table, in the order of their ids: a page is one Query, without an index or a second
write, and an item is one read.
"""

from collections.abc import Iterator
from typing import Any

from chalicelib.config import settings
from chalicelib.model import Item
from chalicelib.stores import aws

_PARTITION = "items"


@aws.translated
def get(item_id: str) -> Item | None:
    """The item of an id: one call. Consistent, so that a client reads what it has just written, version and all."""
    answer = aws.dynamodb().get_item(TableName=settings().items_table_name, Key=_key(item_id), ConsistentRead=True)
    return _from_attributes(answer["Item"]) if "Item" in answer else None


def newest_first(after: str | None, rows: int) -> Iterator[Item]:
    """All items, or all behind `after`, which may be gone itself: one call for each `rows` of them, and for each MB."""
    while True:
        items, after = _read(after, rows)
        yield from items
        if after is None:
            return


@aws.translated
def put(item: Item) -> None:
    """Write a new item.

    Without a condition: nothing has its id yet, and the client, where an answer is lost, sends the same put again.
    """
    aws.dynamodb().put_item(TableName=settings().items_table_name, Item=_to_attributes(item))


@aws.translated
def replace(item: Item, by: Item) -> bool:
    """Write an item anew, if it is still as it was read; whether it was."""
    client = aws.dynamodb()
    try:
        client.put_item(
            TableName=settings().items_table_name,
            Item=_to_attributes(by),
            ConditionExpression="version = :version",
            ExpressionAttributeValues={":version": {"N": str(item.version)}},
        )
    except client.exceptions.ConditionalCheckFailedException:
        return False
    return True


@aws.translated
def delete(item: Item) -> bool:
    """Delete an item, if it is still as it was read or gone already; whether it was."""
    client = aws.dynamodb()
    try:
        client.delete_item(
            TableName=settings().items_table_name,
            Key=_key(item.item_id),
            ConditionExpression="attribute_not_exists(item_id) OR version = :version",
            ExpressionAttributeValues={":version": {"N": str(item.version)}},
        )
    except client.exceptions.ConditionalCheckFailedException:
        return False
    return True


@aws.translated
def _read(after: str | None, limit: int) -> tuple[list[Item], str | None]:
    """The next items, at most `limit` and 1 MB, and the item_id to go on behind; None: nothing more."""
    start: Any = {"ExclusiveStartKey": _key(after)} if after else {}
    answer = aws.dynamodb().query(
        TableName=settings().items_table_name,
        KeyConditionExpression="#list = :items",
        ExpressionAttributeNames={"#list": "list"},
        ExpressionAttributeValues={":items": {"S": _PARTITION}},
        ScanIndexForward=False,
        Limit=limit,
        **start,
    )
    following = answer["LastEvaluatedKey"]["item_id"]["S"] if "LastEvaluatedKey" in answer else None
    return [_from_attributes(found) for found in answer["Items"]], following


def _key(item_id: str) -> dict[str, Any]:
    return {"list": {"S": _PARTITION}, "item_id": {"S": item_id}}


def _to_attributes(item: Item) -> dict[str, Any]:
    return {
        **_key(item.item_id),
        "user_id": {"S": item.user_id},
        "document": {"S": item.text},
        "updated_at": {"S": item.updated_at},
        "version": {"N": str(item.version)},
    }


def _from_attributes(attributes: dict[str, Any]) -> Item:
    return Item(
        item_id=attributes["item_id"]["S"],
        user_id=attributes["user_id"]["S"],
        text=attributes["document"]["S"],
        updated_at=attributes["updated_at"]["S"],
        version=int(attributes["version"]["N"]),
    )
