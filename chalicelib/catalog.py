"""Records and the rows of their terms in DynamoDB: reads, and writes as transactions.

A write is a value, made here and sent by `commit`, so that what belongs together is written together.
"""

import random
import time
from collections.abc import Sequence
from typing import Any

from chalicelib import aws, ids, records
from chalicelib.config import settings
from chalicelib.errors import Unavailable
from chalicelib.model import Chunk, Image, Query, Remembered, State
from chalicelib.terms import Owner, Source

Write = dict[str, Any]  # an entry of TransactWriteItems

_TRIES = 6  # of what DynamoDB asks to be sent again, with growing pauses: 1.5 seconds in all


class Changed(Exception):
    """A record is not as it was read, so that nothing was written."""


@aws.translated
def get(image_id: str, *, consistent: bool = False) -> Image | None:
    """The image of an id, in whichever state: one call of 0.5 read units, or one unit where it is `consistent`."""
    answer = aws.dynamodb().get_item(
        TableName=settings().images_table_name, Key={"image_id": {"S": image_id}}, ConsistentRead=consistent
    )
    return records.from_item(answer["Item"]) if "Item" in answer else None


@aws.translated
def fetch(image_ids: Sequence[str]) -> tuple[dict[str, Image], int, float]:
    """The images of ids that have a record; the calls made, usually one, and the read units used.

    At most 100 ids (DynamoDB: keys of a BatchGetItem).
    Raises Unavailable: DynamoDB leaves some of them over again and again.
    """
    found: dict[str, Image] = {}
    read_units = 0.0
    table = settings().images_table_name
    wanted: Any = {table: {"Keys": [{"image_id": {"S": image_id}} for image_id in image_ids]}}
    for attempt in range(_TRIES):
        answer = aws.dynamodb().batch_get_item(RequestItems=wanted, ReturnConsumedCapacity="TOTAL")
        read_units += sum(used["CapacityUnits"] for used in answer["ConsumedCapacity"])
        found |= {item["image_id"]["S"]: records.from_item(item) for item in answer["Responses"].get(table, ())}
        wanted = answer["UnprocessedKeys"]
        if not wanted:
            return found, attempt + 1, read_units
        pause(attempt)
    raise Unavailable("The database is busy; try again in a moment.")


@aws.translated
def read(source: Source, query: Query, after: str | None, limit: int) -> Chunk:
    """The next rows of a list, in the order and of the dates that a query asks for: one call.

    `after` is the image_id to go on behind; the image may be gone. At most `limit` rows, and 1 MB.
    """
    if isinstance(source, Owner):
        table, name, value, sort_key = settings().images_table_name, "user_id", source.user_id, "created_at"
        first, last = ids.timestamp(query.since / 1000), ids.timestamp((query.before - 1) / 1000)
        arguments: dict[str, Any] = {"IndexName": "user_id-index"}
    else:
        table, name, value, sort_key = settings().image_tags_table_name, "tag", source.key, "image_id"
        first, last = ids.least(query.since), ids.least(query.before)
        arguments = {}
    if after is not None:
        arguments["ExclusiveStartKey"] = {name: {"S": value}, "image_id": {"S": after}}
        if isinstance(source, Owner):
            arguments["ExclusiveStartKey"]["created_at"] = {"S": ids.created_at(after)}
    answer = aws.dynamodb().query(
        TableName=table,
        KeyConditionExpression="#key = :value AND #sort BETWEEN :first AND :last",
        ExpressionAttributeNames={"#key": name, "#sort": sort_key},
        ExpressionAttributeValues={":value": {"S": value}, ":first": {"S": first}, ":last": {"S": last}},
        ScanIndexForward=query.oldest_first,
        Limit=limit,
        ReturnConsumedCapacity="TOTAL",
        **arguments,
    )
    return Chunk(
        rows=tuple(map(records.from_row, answer["Items"])),
        after=answer["LastEvaluatedKey"]["image_id"]["S"] if "LastEvaluatedKey" in answer else None,
        read_units=answer["ConsumedCapacity"]["CapacityUnits"],
    )


@aws.translated
def unfinished(state: State, before: str, limit: int) -> tuple[str, ...]:
    """Ids of the records that have been in a state since before a time, oldest first: one call."""
    answer = aws.dynamodb().query(
        TableName=settings().images_table_name,
        IndexName="state-index",
        KeyConditionExpression="#state = :state AND updated_at <= :before",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":state": {"S": state}, ":before": {"S": before}},
        Limit=limit,
    )
    return tuple(item["image_id"]["S"] for item in answer["Items"])


@aws.translated
def remembered(owner: str, key: str) -> Remembered | None:
    """What an owner's idempotency key was used for within IDEMPOTENCY_SECONDS: one call of one read unit."""
    answer = aws.dynamodb().get_item(
        TableName=settings().idempotency_keys_table_name,
        Key={"idempotency_key": {"S": _scoped(owner, key)}},
        ConsistentRead=True,
    )
    item = answer.get("Item")
    if item is None or int(item["expires_at"]["N"]) <= time.time():
        return None
    return Remembered(item["image_id"]["S"], item["fingerprint"]["S"])


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
            "ConditionExpression": "version = :version",
            "ExpressionAttributeValues": {":version": {"N": str(image.version)}},
        }
    }


def put_row(image: Image, term: str) -> Write:
    """Let an image be found by a term."""
    return {"Put": {"TableName": settings().image_tags_table_name, "Item": records.to_row(image, term)}}


def delete_row(image: Image, term: str) -> Write:
    """Let an image be found by a term no more."""
    key = {"tag": {"S": term}, "image_id": {"S": image.image_id}}
    return {"Delete": {"TableName": settings().image_tags_table_name, "Key": key}}


def remember(owner: str, key: str, used_for: Remembered) -> Write:
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
def commit(writes: Sequence[Write]) -> None:
    """Send writes as one transaction, at most 100: all of them happen, or none.

    Raises Changed: a write's condition does not hold.
    Raises Unavailable: other requests write the same records all the time.
    """
    client = aws.dynamodb()
    for attempt in range(_TRIES):
        try:
            client.transact_write_items(TransactItems=writes)  # type: ignore[arg-type]
            return
        except client.exceptions.TransactionCanceledException as canceled:
            reasons = {reason["Code"] for reason in canceled.response["CancellationReasons"]}
            if "ConditionalCheckFailed" in reasons:
                raise Changed from None
            if not reasons <= {"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}:
                raise
        pause(attempt)
    raise Unavailable("The image is being changed by other requests; try again in a moment.")


@aws.translated
def forget(image_id: str) -> None:
    """Remove the record of a deleted image, or nothing where there is none: one call."""
    client = aws.dynamodb()
    try:
        client.delete_item(
            TableName=settings().images_table_name,
            Key={"image_id": {"S": image_id}},
            ConditionExpression="#state = :deleting",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":deleting": {"S": State.DELETING}},
        )
    except client.exceptions.ConditionalCheckFailedException:
        return


def answers() -> bool:
    """Whether DynamoDB answers and has the table of records: one call of 0.5 read units, tried once."""
    table, key = settings().images_table_name, {"image_id": {"S": "health"}}
    return aws.answers(lambda: aws.dynamodb(tries=1).get_item(TableName=table, Key=key))


def _scoped(owner: str, key: str) -> str:
    return f"{owner}/{key}"  # an owner has no slash


def pause(attempt: int) -> None:
    """Wait before something is tried again: longer each time, and never as long as another who waits."""
    time.sleep(random.uniform(0.5, 1) * 0.05 * min(2**attempt, 32))  # noqa: S311
