"""The originals of restored records: bring back the deleted ones, and count the records that have none."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from project import CannotRun

_MOST_KEYS = 100  # DynamoDB: keys per BatchGetItem call
_MOST_VERSIONS = 1_000  # S3: versions per DeleteObjects call


@dataclass(frozen=True, slots=True)
class Check:
    """Whether the records of a table have their originals."""

    images: int  # records of images that are in lists; each needs an original
    without_original: tuple[str, ...]  # their object keys
    without_record: int  # originals that no listed image has, for example of later uploads


def deleted_since(s3: Any, bucket: str, at: datetime) -> dict[str, list[str]]:
    """Return the objects that were deleted after a time and are still deleted.

    The values are the version ids of their delete markers since then: a deletion that was repeated left several.
    Needs one call per 1,000 versions in the bucket.
    """
    markers: dict[str, list[str]] = {}
    gone: set[str] = set()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for marker in page.get("DeleteMarkers", []):
            if marker["LastModified"] >= at:
                markers.setdefault(marker["Key"], []).append(marker["VersionId"])
            if marker["IsLatest"]:
                gone.add(marker["Key"])
    return {key: versions for key, versions in markers.items() if key in gone}


def needed(dynamodb: Any, table: str, keys: Sequence[str]) -> Iterator[str]:
    """Yield those object keys that a listed image has in a table of records."""
    for start in range(0, len(keys), _MOST_KEYS):
        ids = {key.rpartition("/")[2]: key for key in keys[start : start + _MOST_KEYS]}
        wanted = {table: {"Keys": [{"image_id": {"S": image_id}} for image_id in ids]}}
        while wanted:
            found = dynamodb.batch_get_item(RequestItems=wanted)
            for record in found["Responses"].get(table, []):
                if _needs_original(record) and record["s3_key"]["S"] == ids[record["image_id"]["S"]]:
                    yield record["s3_key"]["S"]
            wanted = found.get("UnprocessedKeys")


def bring_back(s3: Any, dynamodb: Any, table: str, bucket: str, at: datetime) -> int:
    """Bring back the originals that a table of records needs and that were deleted after a time. Returns their number.

    Their derived images were deleted too. So the record first says that the image must be processed: if this stops in
    between, the next run still finds the delete marker. Can be repeated.
    Raises CannotRun: S3 refuses a deletion.
    """
    deleted = deleted_since(s3, bucket, at)
    keys = list(needed(dynamodb, table, list(deleted)))
    for key in keys:
        _process_again(dynamodb, table, key.rpartition("/")[2])
    markers = [{"Key": key, "VersionId": version} for key in keys for version in deleted[key]]
    for start in range(0, len(markers), _MOST_VERSIONS):
        part = markers[start : start + _MOST_VERSIONS]
        if refused := s3.delete_objects(Bucket=bucket, Delete={"Objects": part, "Quiet": True}).get("Errors"):
            raise CannotRun(f"S3 does not undelete {refused[0]['Key']}: {refused[0].get('Message')}")
    return len(keys)


def check(s3: Any, dynamodb: Any, table: str, bucket: str) -> Check:
    """Compare all records of a table with all objects of a bucket."""
    missing: set[str] = set()
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ProjectionExpression="s3_key, created_at"):
        missing.update(record["s3_key"]["S"] for record in page["Items"] if _needs_original(record))
    images, others = len(missing), 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            if entry["Key"] in missing:
                missing.remove(entry["Key"])
            else:
                others += 1
    return Check(images, tuple(sorted(missing)), others)


def _process_again(dynamodb: Any, table: str, image_id: str) -> None:
    """Let the schedule process an image. An unfinished image keeps its state."""
    with suppress(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.update_item(
            TableName=table,
            Key={"image_id": {"S": image_id}},
            UpdateExpression="SET #state = :processing",
            ConditionExpression="attribute_exists(created_at) AND attribute_not_exists(#state)",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":processing": {"S": "processing"}},
        )


def _needs_original(record: Mapping[str, Any]) -> bool:
    """Whether an image is in lists: only such a record has the sort key of `user_id-index`."""
    return "created_at" in record
