"""The tables of image records and of their index rows: reads, and writes as values.

Functions that return a Write make no call; dynamodb.commit sends writes together, as one transaction. An index row lets
a list find an image by one term, for example by a tag (index/terms.py). It usually has a copy of the record.
"""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from chalicelib.config import settings
from chalicelib.index import terms
from chalicelib.index.ranges import Bounds
from chalicelib.index.rows import Chunk
from chalicelib.index.terms import Key
from chalicelib.model import Image, State
from chalicelib.stores import aws, dynamodb, records
from chalicelib.stores.dynamodb import Attributes, Write


@aws.translated
def get(image_id: str, *, consistent: bool = False) -> Image | None:
    """Return an image in any state, or None: one call of 0.5 read units, or of one unit if it is `consistent`."""
    answer = aws.dynamodb().get_item(
        TableName=settings().images_table_name, Key={"image_id": {"S": image_id}}, ConsistentRead=consistent
    )
    return records.from_item(answer["Item"]) if "Item" in answer else None


def get_many(image_ids: Sequence[str]) -> tuple[dict[str, Image], float]:
    """Return the images that have a record, by id, and the read units consumed: usually one call.

    At most dynamodb.MAX_KEYS ids. Raises Unavailable: see dynamodb.get_items.
    """
    keys = [{"image_id": {"S": image_id}} for image_id in image_ids]
    items, read_units = dynamodb.get_items(settings().images_table_name, keys)
    return {item["image_id"]["S"]: records.from_item(item) for item in items}, read_units


@aws.translated
def identity() -> str:
    """Return a text that identifies the two tables by ARN and creation time: two calls.

    A table that is deleted and created again under its name has another identity.
    """
    names = (settings().images_table_name, settings().image_tags_table_name)
    tables = [aws.dynamodb().describe_table(TableName=name)["Table"] for name in names]
    return ", ".join(f"{table['TableArn']} of {table['CreationDateTime'].astimezone(UTC)}" for table in tables)


@aws.translated
def query(bounds: Bounds, limit: int) -> Chunk:
    """Return the rows within bounds, at most `limit` and 1 MB of them: one call."""
    table, index, partition_key, sort_key = bounds.index.value
    arguments: dict[str, Any] = {"IndexName": index} if index else {}
    answer = aws.dynamodb().query(
        TableName=getattr(settings(), table),
        KeyConditionExpression="#key = :value AND #sort BETWEEN :low AND :high",
        ExpressionAttributeNames={"#key": partition_key, "#sort": sort_key},
        ExpressionAttributeValues={
            ":value": {"S": bounds.partition},
            ":low": {"S": bounds.low},
            ":high": {"S": bounds.high},
        },
        ScanIndexForward=bounds.ascending,
        Limit=limit,
        ReturnConsumedCapacity="TOTAL",
        **arguments,
    )
    return Chunk(
        rows=tuple(map(records.from_row, answer["Items"])),
        after=answer["LastEvaluatedKey"][sort_key]["S"] if "LastEvaluatedKey" in answer else None,
        read_units=answer["ConsumedCapacity"]["CapacityUnits"],
    )


@aws.translated
def unfinished(state: State, before: str, limit: int, *, newest_first: bool = False) -> tuple[tuple[str, str], ...]:
    """Return the images in a state that were last changed at or before a time (RFC 3339): one call.

    Each is an image_id and the time of its last change. At most `limit`, the oldest or the newest first.
    """
    answer = aws.dynamodb().query(
        TableName=settings().images_table_name,
        IndexName="state-index",
        KeyConditionExpression="#state = :state AND updated_at <= :before",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":state": {"S": state}, ":before": {"S": before}},
        ScanIndexForward=not newest_first,
        Limit=limit,
    )
    return tuple((item["image_id"]["S"], item["updated_at"]["S"]) for item in answer["Items"])


def put(image: Image) -> Write:
    """Write the record of a new image; Changed if there is a record with its id."""
    return {
        "Put": {
            "TableName": settings().images_table_name,
            "Item": records.to_item(image, settings().s3_bucket_name),
            "ConditionExpression": "attribute_not_exists(image_id)",
        }
    }


def replace(image: Image, by: Image) -> Write:
    """Replace a record by another one; Changed if it is no longer `image`."""
    return {
        "Put": {
            "TableName": settings().images_table_name,
            "Item": records.to_item(by, settings().s3_bucket_name),
            **_is_still(image),
        }
    }


def put_index_keys(image: Image) -> Write:
    """Write the sort keys that a listed record has in its table's own indexes; Changed if it is no longer `image`."""
    keys = records.index_keys(image)
    condition = _is_still(image)
    values = {f":{name}": value for name, value in keys.items()}
    return {
        "Update": {
            "TableName": settings().images_table_name,
            "Key": {"image_id": {"S": image.image_id}},
            "UpdateExpression": "SET " + ", ".join(f"{name} = :{name}" for name in keys),
            **condition,
            "ExpressionAttributeValues": {**condition["ExpressionAttributeValues"], **values},
        }
    }


def check_unchanged(image_id: str, image: Image | None) -> Write:
    """Write nothing; Changed if the record is no longer `image`. None: Changed if there is a record."""
    return {
        "ConditionCheck": {
            "TableName": settings().images_table_name,
            "Key": {"image_id": {"S": image_id}},
            **({"ConditionExpression": "attribute_not_exists(image_id)"} if image is None else _is_still(image)),
        }
    }


def row_writes(before: Image | None, after: Image) -> list[Write]:
    """Write the index rows that an image gains or that change, and delete the rows that it loses.

    `before` is None for a new image. An image that is not listed has no rows.
    """
    old, new = _rows(before), _rows(after)
    return [
        *(put_row(row) for key, row in new.items() if old.get(key) != row),
        *(delete_row(records.row_key(key)) for key in old.keys() - new.keys()),
    ]


def put_row(row: Attributes) -> Write:
    """Write an index row."""
    return {"Put": {"TableName": settings().image_tags_table_name, "Item": row}}


def delete_row(key: Attributes) -> Write:
    """Delete an index row if it exists."""
    return {"Delete": {"TableName": settings().image_tags_table_name, "Key": key}}


@aws.translated
def delete(image_id: str) -> None:
    """Delete the record of a deleted image, if there is one: one call.

    A record that is neither DELETING nor DELETED stays.
    """
    client = aws.dynamodb()
    try:
        client.delete_item(
            TableName=settings().images_table_name,
            Key={"image_id": {"S": image_id}},
            ConditionExpression="#state IN (:deleting, :deleted)",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":deleting": {"S": State.DELETING}, ":deleted": {"S": State.DELETED}},
        )
    except client.exceptions.ConditionalCheckFailedException:
        return


def answers() -> bool:
    """Whether DynamoDB answers and has the table of records: one call of 0.5 read units, one attempt."""
    table, key = settings().images_table_name, {"image_id": {"S": "health"}}
    return aws.answers(lambda: aws.dynamodb(attempts=1).get_item(TableName=table, Key=key))


def _is_still(image: Image) -> dict[str, Any]:
    """Return the condition that a record is as it was read.

    Every change by the owner increases the version. Processing changes the state, its reason, and the checksum, which
    binds a direct upload to its bytes. `attempts` is left out: two attempts that are counted at the same time may count
    as one.
    """
    attributes = {
        "version": {"N": str(image.version)},
        "checksum": {"S": image.checksum},
        **records.progress(image),
    }
    names = ("version", "state", "reason", "checksum")
    values = {f":{name}": value for name, value in attributes.items()}
    conditions = [f"#{name} = :{name}" if name in attributes else f"attribute_not_exists(#{name})" for name in names]
    return {
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": {f"#{name}": name for name in names},
        "ExpressionAttributeValues": values,
    }


def _rows(image: Image | None) -> dict[Key, Attributes]:
    if image is None or not image.listed:
        return {}
    return records.to_rows(image, {terms.key(image, term) for term in terms.of(image)})
