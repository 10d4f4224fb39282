"""The data of a stage: count the records, and delete buckets and tables."""

from typing import Any

from botocore.exceptions import ClientError

from deploy import stack
from deploy.target import Target
from project import CannotRun


def images(target: Target, table: str) -> int | None:
    """Return how many records a table has, by DynamoDB's count of some hours ago; None if there is no such table."""
    try:
        count: int = target.client("dynamodb").describe_table(TableName=table)["Table"]["ItemCount"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    return count


def delete(target: Target, stage: str) -> None:
    """Delete the buckets and tables that the stack of a stage retains, with their content. Can be repeated."""
    made, there = stack.resources(target, stage), stack.existing(target)
    s3, dynamodb = target.client("s3"), target.client("dynamodb")
    for bucket in there.intersection(made.get("AWS::S3::Bucket", [])):
        _empty(s3, bucket)
        s3.delete_bucket(Bucket=bucket)
    for table in there.intersection(made.get("AWS::DynamoDB::Table", [])):
        dynamodb.delete_table(TableName=table)
        dynamodb.get_waiter("table_not_exists").wait(TableName=table)


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
