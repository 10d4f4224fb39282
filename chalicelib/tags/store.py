"""The tags' counters in DynamoDB, and the changes that wait to be added to them.

One partition for each list of counters, sorted by tag, so that a page is one Query; one for each owner's changes, which
a sparse index has all together, oldest first.
"""

from collections.abc import Collection
from typing import Any

from chalicelib.config import settings
from chalicelib.model import TagChange, TagCounter, Tally
from chalicelib.stores import aws, catalog
from chalicelib.stores.catalog import Write

_QUEUE = "changes"
_NAMES = {"#list": "list", "#name": "name"}  # reserved words


def note(change: TagChange) -> Write:
    """Let a change wait. Nobody else writes its item, so that no write to an image waits for another one's."""
    tallies = {tag: {"L": [_number(each.public), _number(each.private)]} for tag, each in change.tallies.items()}
    item = {**_change_key(change), "queue": {"S": _QUEUE}, "user_id": {"S": change.user_id}, "tallies": {"M": tallies}}
    return {"Put": {"TableName": settings().tag_counts_table_name, "Item": item}}


def remove(change: TagChange) -> Write:
    """Let a change wait no more; Changed where it does not wait."""
    return {
        "Delete": {
            "TableName": settings().tag_counts_table_name,
            "Key": _change_key(change),
            "ConditionExpression": "attribute_exists(#name)",
            "ExpressionAttributeNames": {"#name": "name"},
        }
    }


def replace(counter: TagCounter, tally: Tally | None, by: Tally) -> Write:
    """Write a counter anew, or delete it where that is zero; Changed where it is not at `tally` (None: not there)."""
    table, key = settings().tag_counts_table_name, _counter_key(counter)
    condition: dict[str, Any] = {
        "ConditionExpression": "attribute_not_exists(#name)",
        "ExpressionAttributeNames": {"#name": "name"},
    }
    if tally is not None:
        condition = {
            "ConditionExpression": "#public = :public AND #private = :private",
            "ExpressionAttributeNames": {"#public": "public", "#private": "private"},
            "ExpressionAttributeValues": {":public": _number(tally.public), ":private": _number(tally.private)},
        }
    if not by:
        return {"Delete": {"TableName": table, "Key": key, **condition}}
    item = {**key, "public": _number(by.public), "private": _number(by.private)}
    return {"Put": {"TableName": table, "Item": item, **condition}}


@aws.translated
def queued(after: str, limit: int) -> tuple[TagChange, ...]:
    """Everyone's changes that wait, behind a change_id, oldest first, at most `limit`: one call.

    The index is a little behind: it may lack what is new, and have what is gone.
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
def waiting(owner: str) -> tuple[TagChange, ...]:
    """An owner's changes that wait, oldest first, at most 1 MB of them, consistently: one call."""
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
    """Counters of tags that begin so, an owner's or everyone's, behind a tag, which may be gone: one call.

    At most `limit` and 1 MB of them, consistently; and the tag to go on behind, None where there is nothing more.
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
    following = answer["LastEvaluatedKey"]["name"]["S"] if "LastEvaluatedKey" in answer else None
    return {item["name"]["S"]: _to_tally(item) for item in answer["Items"]}, following


@aws.translated
def find(
    changes: Collection[TagChange], counters: Collection[TagCounter]
) -> tuple[list[TagChange], dict[TagCounter, Tally]]:
    """Those of the changes that still wait, and of the counters that are there, consistently: mostly one call.

    At most 100 of both (DynamoDB: keys of a BatchGetItem).
    Raises Unavailable: DynamoDB leaves some of them over again and again.
    """
    keys = [*map(_change_key, changes), *map(_counter_key, counters)]
    items, _, _ = catalog.get_items(settings().tag_counts_table_name, keys, consistent=True)
    found = {_place(item): item for item in items}
    places = {counter: _place(_counter_key(counter)) for counter in counters}
    return (
        [change for change in changes if _place(_change_key(change)) in found],
        {counter: _to_tally(found[place]) for counter, place in places.items() if place in found},
    )


def _changes_of(owner: str) -> str:
    return f"changes:{owner}"


def _counters_of(owner: str | None) -> str:
    return "tags" if owner is None else f"tags:{owner}"


def _change_key(change: TagChange) -> dict[str, Any]:
    return {"list": {"S": _changes_of(change.user_id)}, "name": {"S": change.change_id}}


def _counter_key(counter: TagCounter) -> dict[str, Any]:
    return {"list": {"S": _counters_of(counter.user_id)}, "name": {"S": counter.tag}}


def _place(item: Any) -> tuple[str, str]:
    return item["list"]["S"], item["name"]["S"]


def _to_change(item: Any) -> TagChange:
    tallies = {tag: Tally(*(int(each["N"]) for each in pair["L"])) for tag, pair in item["tallies"]["M"].items()}
    return TagChange(item["name"]["S"], item["user_id"]["S"], tallies)


def _to_tally(item: Any) -> Tally:
    return Tally(int(item["public"]["N"]), int(item["private"]["N"]))


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}
