"""Records and the rows of their terms in DynamoDB: reads, and writes as transactions.

A write is a value, made here and sent by `commit`, so that what belongs together is written together.
"""

import time
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
from chalicelib.stores.dynamodb import Item, Write
from chalicelib.stores.model import IdempotencyRecord


@aws.translated
def get(image_id: str, *, consistent: bool = False) -> Image | None:
    """The image of an id, in whichever state: one call of 0.5 read units, or one unit where it is `consistent`."""
    answer = aws.dynamodb().get_item(
        TableName=settings().images_table_name, Key={"image_id": {"S": image_id}}, ConsistentRead=consistent
    )
    return records.from_item(answer["Item"]) if "Item" in answer else None


def fetch(image_ids: Sequence[str]) -> tuple[dict[str, Image], int, float]:
    """The images of ids that have a record; the calls made, usually one, and the read units used.

    At most 100 ids. Raises Unavailable: see get_items.
    """
    keys = [{"image_id": {"S": image_id}} for image_id in image_ids]
    items, calls, read_units = dynamodb.get_items(settings().images_table_name, keys)
    return {item["image_id"]["S"]: records.from_item(item) for item in items}, calls, read_units


@aws.translated
def identity() -> str:
    """What tells the tables of records and terms from all others, and from later ones of their name: two calls."""
    tables = (settings().images_table_name, settings().image_tags_table_name)
    found = [aws.dynamodb().describe_table(TableName=table)["Table"] for table in tables]
    return ", ".join(f"{table['TableArn']} of {table['CreationDateTime'].astimezone(UTC)}" for table in found)


@aws.translated
def read(bounds: Bounds, limit: int) -> Chunk:
    """The rows within bounds, at most `limit` and 1 MB of them: one call."""
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
def unfinished(state: State, before: str, limit: int) -> tuple[tuple[str, str], ...]:
    """Ids of the records that have been in a state since before a time, and since when, oldest first: one call."""
    answer = aws.dynamodb().query(
        TableName=settings().images_table_name,
        IndexName="state-index",
        KeyConditionExpression="#state = :state AND updated_at <= :before",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":state": {"S": state}, ":before": {"S": before}},
        Limit=limit,
    )
    return tuple((item["image_id"]["S"], item["updated_at"]["S"]) for item in answer["Items"])


@aws.translated
def get_idempotency_key(owner: str, key: str) -> IdempotencyRecord | None:
    """What an owner's idempotency key was used for within IDEMPOTENCY_SECONDS: one call of one read unit."""
    answer = aws.dynamodb().get_item(
        TableName=settings().idempotency_keys_table_name,
        Key={"idempotency_key": {"S": _scoped(owner, key)}},
        ConsistentRead=True,
    )
    item = answer.get("Item")
    if item is None or int(item["expires_at"]["N"]) <= time.time():
        return None
    return IdempotencyRecord(item["image_id"]["S"], item["fingerprint"]["S"])


def put(image: Image) -> Write:
    """Write a new record; Changed where its id has one."""
    return {
        "Put": {
            "TableName": settings().images_table_name,
            "Item": records.to_item(image, settings().s3_bucket_name),
            "ConditionExpression": "attribute_not_exists(image_id)",
        }
    }


def replace(image: Image, by: Image) -> Write:
    """Write a record anew; Changed where it is not `image` any more."""
    return {
        "Put": {
            "TableName": settings().images_table_name,
            "Item": records.to_item(by, settings().s3_bucket_name),
            **_is_still(image),
        }
    }


def put_index_keys(image: Image) -> Write:
    """Write what a listed record's own indexes are sorted by; Changed where it is not `image` any more."""
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
    """Write nothing; Changed where a record is not `image` any more or, for None, where there is one by now."""
    return {
        "ConditionCheck": {
            "TableName": settings().images_table_name,
            "Key": {"image_id": {"S": image_id}},
            **({"ConditionExpression": "attribute_not_exists(image_id)"} if image is None else _is_still(image)),
        }
    }


def rows(before: Image | None, after: Image) -> list[Write]:
    """Write the index rows that an image gains or that change, and delete those that it loses.

    `before` is None for a new image. An image that is not listed has no rows.
    """
    old, new = _rows(before), _rows(after)
    return [
        *(put_row(row) for key, row in new.items() if old.get(key) != row),
        *(delete_row(records.row_key(key)) for key in old.keys() - new.keys()),
    ]


def put_row(row: Item) -> Write:
    """Write the row of a term."""
    return {"Put": {"TableName": settings().image_tags_table_name, "Item": row}}


def delete_row(key: Item) -> Write:
    """Delete the row of a term, if there is one."""
    return {"Delete": {"TableName": settings().image_tags_table_name, "Key": key}}


def put_idempotency_key(owner: str, key: str, used_for: IdempotencyRecord) -> Write:
    """Keep what an owner's idempotency key was used for; Changed where it is in use."""
    now = int(time.time())
    return {
        "Put": {
            "TableName": settings().idempotency_keys_table_name,
            "Item": {
                "idempotency_key": {"S": _scoped(owner, key)},
                "image_id": {"S": used_for.image_id},
                "fingerprint": {"S": used_for.fingerprint},
                "expires_at": {"N": str(now + settings().idempotency_seconds)},
            },
            # DynamoDB deletes what has expired some time later (Developer Guide, "time to live": within days).
            "ConditionExpression": "attribute_not_exists(idempotency_key) OR expires_at <= :now",
            "ExpressionAttributeValues": {":now": {"N": str(now)}},
        }
    }


@aws.translated
def delete(image_id: str) -> None:
    """Remove the record of a deleted image, or nothing where there is none: one call."""
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
    """Whether DynamoDB answers and has the table of records: one call of 0.5 read units, tried once."""
    table, key = settings().images_table_name, {"image_id": {"S": "health"}}
    return aws.answers(lambda: aws.dynamodb(tries=1).get_item(TableName=table, Key=key))


def _is_still(image: Image) -> dict[str, Any]:
    """The condition that a record is as it was read: each change of its owner's counts its version up.

    What else can change are the state, with a reason, and the checksum that the bytes of an upload are claimed by.
    """
    item = {
        "version": {"N": str(image.version)},
        "checksum": {"S": image.checksum},
        **records.progress(image),
    }
    names = ("version", "state", "reason", "checksum")
    values = {f":{name}": value for name, value in item.items()}
    conditions = [f"#{name} = :{name}" if name in item else f"attribute_not_exists(#{name})" for name in names]
    return {
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": {f"#{name}": name for name in names},
        "ExpressionAttributeValues": values,
    }


def _rows(image: Image | None) -> dict[Key, Item]:
    if image is None or not image.listed:
        return {}
    keys = {terms.key(image, term) for term in terms.of(image)}
    return {key: records.to_row(image, key) for key in keys}


def _scoped(owner: str, key: str) -> str:
    return f"{owner}/{key}"  # an owner has no slash
