"""Common ways of other services to read the same lists, as plain boto3."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.queries import FREQUENT, OWNER, RARE, WORD, Ask, Filter

Condition = dict[str, Any]  # arguments that filter

# Somewhat less than 1 MB, the limit of a page in DynamoDB. Without a limit, DynamoDB Local loads the rest of the table
# into memory, which is too small for 100,000 images.
_SCANNED_AT_ONCE = 1_500

_USER = "visitor"  # a caller without private images
_VISIBLE = "visibility = :public"
_PUBLIC = {":public": {"S": "public"}}


@dataclass(frozen=True, slots=True)
class Way:
    """A way to read the page of a query. `read` returns the ids that it found."""

    name: str
    ask: Ask
    read: Callable[[], list[str]]


def ways(dynamodb: Any, page: int) -> Iterator[Way]:
    """Yield the ways for some queries."""
    for name, one in (("frequent tag", FREQUENT), ("rare tag", RARE), ("title word", WORD)):
        ask = Ask(name, (one,))
        yield Way("scan until a page is full", ask, partial(_scan, dynamodb, one, page))
        yield Way("scan of all, for the newest", ask, partial(_scan_all, dynamodb, one, page))
        if one is not WORD:
            keys = partial(_keys_then_records, dynamodb, one, page)
            yield Way("keys of the tag, then each record", ask, keys)
    for name, one in (("owner, frequent tag", FREQUENT), ("owner, rare tag", RARE)):
        ask = Ask(name, (OWNER, one), user=_USER)
        yield Way("owner's index, filtered", ask, partial(_owner, dynamodb, one, page))


def _scan(dynamodb: Any, one: Filter, page: int | None) -> list[str]:
    return _ids(_pages(dynamodb.scan, Limit=_SCANNED_AT_ONCE, **_condition(one)), page)


def _scan_all(dynamodb: Any, one: Filter, page: int) -> list[str]:
    return sorted(_scan(dynamodb, one, None), reverse=True)[:page]


def _owner(dynamodb: Any, one: Filter, page: int) -> list[str]:
    condition = _condition(one)
    condition["ExpressionAttributeValues"] |= {":owner": {"S": _value(OWNER)}}
    index = {"IndexName": "user_id-index", "KeyConditionExpression": "user_id = :owner", "ScanIndexForward": False}
    return _ids(_pages(dynamodb.query, **index, **condition), page)


def _keys_then_records(dynamodb: Any, one: Filter, page: int) -> list[str]:
    keys = dynamodb.query(
        TableName="image_tags",
        KeyConditionExpression="tag = :tag",
        ExpressionAttributeValues={":tag": {"S": _value(one)}},
        ProjectionExpression="image_id",
        ScanIndexForward=False,
        Limit=page,
    )["Items"]
    records = [dynamodb.get_item(TableName="images", Key=key)["Item"] for key in keys]
    return [record["image_id"]["S"] for record in records]


def _condition(one: Filter) -> Condition:
    name, attribute = one.parameter.split("=")[0], "tags" if one.parameter.startswith("tag") else ""
    return {
        "TableName": "images",
        "FilterExpression": f"contains({attribute or name}, :value) AND {_VISIBLE}",
        "ExpressionAttributeValues": {":value": {"S": _value(one)}, **_PUBLIC},
    }


def _value(one: Filter) -> str:
    return one.parameter.split("=")[1]


def _pages(read: Callable[..., Any], **arguments: Any) -> Iterator[list[str]]:
    while True:
        answer = read(**arguments)
        yield [item["image_id"]["S"] for item in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            return
        arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _ids(pages: Iterator[list[str]], wanted: int | None) -> list[str]:
    found: list[str] = []
    for ids in pages:
        found += ids
        if wanted is not None and len(found) >= wanted:
            break
    return found[:wanted]
