"""The data of a stage: count the records, and delete buckets and tables."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from deploy import stack
from deploy.target import Target
from project import CannotRun


def described(dynamodb: Any, table: str) -> Mapping[str, Any] | None:
    """Return what DynamoDB says of a table; None if there is no such table."""
    try:
        found: Mapping[str, Any] = dynamodb.describe_table(TableName=table)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    return found


def images(target: Target, table: str) -> int | None:
    """Return how many records a table has, by DynamoDB's count of some hours ago; None if there is no such table."""
    found = described(target.client("dynamodb"), table)
    return None if found is None else int(found["ItemCount"])


def is_empty(target: Target, stage: str) -> bool:
    """Return whether the buckets of a stage have no version of any object, and its tables no items."""
    buckets, tables = _kept(target, stage)
    s3, dynamodb = target.client("s3"), target.client("dynamodb")
    return not (
        any(_first_versions(s3, bucket) for bucket in buckets)
        or any(dynamodb.scan(TableName=table, Limit=1)["Items"] for table in tables)
    )


def delete(target: Target, stage: str) -> None:
    """Delete the buckets and tables of a stage with their content, even if they are protected. Can be repeated."""
    buckets, tables = _kept(target, stage)
    s3, dynamodb = target.client("s3"), target.client("dynamodb")
    for bucket in buckets:
        with suppress(s3.exceptions.NoSuchBucket):  # a repeated request whose first answer was lost
            _empty(s3, bucket)
            s3.delete_bucket(Bucket=bucket)
    for table in tables:
        unprotect(dynamodb, table)  # as late as possible: an interrupted deletion leaves the others protected
        dynamodb.delete_table(TableName=table)
        dynamodb.get_waiter("table_not_exists").wait(TableName=table)


def unprotect(dynamodb: Any, table: str) -> None:
    """Let DynamoDB delete a table."""
    if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=table)


def _kept(target: Target, stage: str) -> tuple[set[str], set[str]]:
    """Return the names of the buckets and of the tables that a stage's stack created and that still exist."""
    made, there = stack.resources(target, stage), stack.existing(target)
    return there.intersection(made.get("AWS::S3::Bucket", [])), there.intersection(made.get("AWS::DynamoDB::Table", []))


def _empty(s3: Any, bucket: str) -> None:
    uploads = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
    for upload in (upload for page in uploads for upload in page.get("Uploads", [])):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    # Each list starts at the beginning, because the versions of the last one have been deleted.
    while entries := _first_versions(s3, bucket):
        refused = s3.delete_objects(Bucket=bucket, Delete={"Objects": entries, "Quiet": True}).get("Errors", [])
        if refused:
            raise CannotRun(f"S3 does not delete {refused[0]['Key']} of {bucket}: {refused[0].get('Message')}")


def _first_versions(s3: Any, bucket: str) -> list[dict[str, str]]:
    """Return up to 1,000 versions and delete markers of a bucket."""
    page = s3.list_object_versions(Bucket=bucket)
    entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
