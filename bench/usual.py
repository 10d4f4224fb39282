"""Common ways to read the same lists, as plain boto3 calls."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.queries import FREQUENT, OWNER, RARE, WORD, Filter, ListRequest

Condition = dict[str, Any]  # arguments of a Query or Scan call that filter its items

# Items per Scan call: a little less than 1 MB, where DynamoDB ends a page. Without a limit, DynamoDB Local loads the
# rest of the table into its memory, which is too small for 100,000 images.
_SCAN_LIMIT = 1_500

_USER = "visitor"  # a caller without private images
_VISIBLE = "visibility = :public"
_PUBLIC = {":public": {"S": "public"}}


@dataclass(frozen=True, slots=True)
class Way:
    """A way to read one page of a list."""

    name: str
    request: ListRequest
    read: Callable[[], list[str]]  # returns the ids of the page


def ways(dynamodb: Any, page: int) -> Iterator[Way]:
    """Return common ways to read some lists; `page` is the number of images on a page."""
    for name, image_filter in (("frequent tag", FREQUENT), ("rare tag", RARE), ("title word", WORD)):
        request = ListRequest(name, (image_filter,))
        yield Way("scan until a page is full", request, partial(_scan, dynamodb, image_filter, page))
        yield Way("scan of all, for the newest", request, partial(_scan_all, dynamodb, image_filter, page))
        if image_filter is not WORD:
            keys = partial(_keys_then_records, dynamodb, image_filter, page)
            yield Way("keys of the tag, then each record", request, keys)
    for name, image_filter in (("owner, frequent tag", FREQUENT), ("owner, rare tag", RARE)):
        request = ListRequest(name, (OWNER, image_filter), user=_USER)
        yield Way("owner's index, filtered", request, partial(_owner, dynamodb, image_filter, page))


def _scan(dynamodb: Any, image_filter: Filter, page: int | None) -> list[str]:
    return _ids(_pages(dynamodb.scan, Limit=_SCAN_LIMIT, **_condition(image_filter)), page)


def _scan_all(dynamodb: Any, image_filter: Filter, page: int) -> list[str]:
    return sorted(_scan(dynamodb, image_filter, None), reverse=True)[:page]


def _owner(dynamodb: Any, image_filter: Filter, page: int) -> list[str]:
    condition = _condition(image_filter)
    condition["ExpressionAttributeValues"] |= {":owner": {"S": _value(OWNER)}}
    index = {"IndexName": "user_id-index", "KeyConditionExpression": "user_id = :owner", "ScanIndexForward": False}
    return _ids(_pages(dynamodb.query, **index, **condition), page)


def _keys_then_records(dynamodb: Any, image_filter: Filter, page: int) -> list[str]:
    keys = dynamodb.query(
        TableName="image_tags",
        KeyConditionExpression="tag = :tag",
        ExpressionAttributeValues={":tag": {"S": _value(image_filter)}},
        ProjectionExpression="image_id",
        ScanIndexForward=False,
        Limit=page,
    )["Items"]
    records = [dynamodb.get_item(TableName="images", Key=key)["Item"] for key in keys]
    return [record["image_id"]["S"] for record in records]


def _condition(image_filter: Filter) -> Condition:
    name, attribute = image_filter.parameter.split("=")[0], "tags" if image_filter.parameter.startswith("tag") else ""
    return {
        "TableName": "images",
        "FilterExpression": f"contains({attribute or name}, :value) AND {_VISIBLE}",
        "ExpressionAttributeValues": {":value": {"S": _value(image_filter)}, **_PUBLIC},
    }


def _value(image_filter: Filter) -> str:
    return image_filter.parameter.split("=")[1]


def _pages(read: Callable[..., Any], **arguments: Any) -> Iterator[list[str]]:
    while True:
        answer = read(**arguments)
        yield [item["image_id"]["S"] for item in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            return
        arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _ids(pages: Iterator[list[str]], limit: int | None) -> list[str]:
    ids: list[str] = []
    for page in pages:
        ids += page
        if limit is not None and len(ids) >= limit:
            break
    return ids[:limit]
