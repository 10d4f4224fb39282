"""Items in DynamoDB.

All items are in one partition of their table, in the order of their ids: a page is one Query call without an index,
and an item is one read.
"""

from collections.abc import Iterator
from typing import Any

from chalicelib.config import settings
from chalicelib.items.model import Item
from chalicelib.stores import aws, dynamodb
from chalicelib.stores.dynamodb import Attributes, Changed, Write

_PARTITION = "items"


@aws.translated
def get(item_id: str) -> Item | None:
    """Return an item: one consistent call, so that a client reads the version that it has just written."""
    answer = aws.dynamodb().get_item(TableName=settings().items_table_name, Key=_key(item_id), ConsistentRead=True)
    return from_attributes(answer["Item"]) if "Item" in answer else None


def newest_first(after: str | None, rows: int) -> Iterator[Item]:
    """Iterate over all items, or those after an item_id, which may be deleted: one call for each `rows` and each MB."""
    while True:
        items, after = _read(after, rows)
        yield from items
        if after is None:
            return


@aws.translated
def put(item: Item) -> None:
    """Write a new item: one call.

    No condition is needed: the id is new, and a client whose answer is lost sends the same write again.
    """
    aws.dynamodb().put_item(TableName=settings().items_table_name, Item=to_attributes(item))


@aws.translated
def replace(item: Item, by: Item, also: Write | None = None) -> None:
    """Write an item in place of another version: one call. With another write, both are one transaction.

    Raises Changed: the item is not as it was read, or the condition of the other write does not hold.
    """
    put: Any = {
        "TableName": settings().items_table_name,
        "Item": to_attributes(by),
        "ConditionExpression": "version = :version",
        "ExpressionAttributeValues": {":version": {"N": str(item.version)}},
    }
    if also:
        dynamodb.commit([{"Put": put}, also])
        return
    client = aws.dynamodb()
    try:
        client.put_item(**put)
    except client.exceptions.ConditionalCheckFailedException:
        raise Changed from None


@aws.translated
def delete(item: Item, also: Write | None = None) -> None:
    """Delete an item if it exists: one call. With another write, both are one transaction.

    Raises Changed: the item is not as it was read, or the condition of the other write does not hold.
    """
    deletion: Any = {
        "TableName": settings().items_table_name,
        "Key": _key(item.item_id),
        "ConditionExpression": "attribute_not_exists(item_id) OR version = :version",
        "ExpressionAttributeValues": {":version": {"N": str(item.version)}},
    }
    if also:
        dynamodb.commit([{"Delete": deletion}, also])
        return
    client = aws.dynamodb()
    try:
        client.delete_item(**deletion)
    except client.exceptions.ConditionalCheckFailedException:
        raise Changed from None


@aws.translated
def _read(after: str | None, limit: int) -> tuple[list[Item], str | None]:
    """Return the next items, at most `limit` and 1 MB, and the last item_id read; None if there are no more."""
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
    last = answer["LastEvaluatedKey"]["item_id"]["S"] if "LastEvaluatedKey" in answer else None
    return [from_attributes(attributes) for attributes in answer["Items"]], last


def _key(item_id: str) -> Attributes:
    return {"list": {"S": _PARTITION}, "item_id": {"S": item_id}}


def to_attributes(item: Item) -> Attributes:
    """Return the attributes of an item in DynamoDB."""
    return {
        **_key(item.item_id),
        "user_id": {"S": item.user_id},
        "document": {"S": item.text},
        "updated_at": {"S": item.updated_at},
        "version": {"N": str(item.version)},
    }


def from_attributes(attributes: Attributes) -> Item:
    """Return the item of attributes in DynamoDB."""
    return Item(
        item_id=attributes["item_id"]["S"],
        user_id=attributes["user_id"]["S"],
        text=attributes["document"]["S"],
        updated_at=attributes["updated_at"]["S"],
        version=int(attributes["version"]["N"]),
    )
