"""The tables of a stage at an earlier time, under new names."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stamina

from deploy import data
from project import CannotRun

_SUFFIX = re.compile(r"-\d{8}T\d{6}Z$")
_WAIT = {"Delay": 20, "MaxAttempts": 2_160}  # 12 hours: DynamoDB restores a large table in several

Fill = Callable[["Restored"], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """A table and its name after the restore. The name contains the time, so a repeated restore finds its tables."""

    source: str
    target: str


def renamed(table: str, at: datetime) -> Restored:
    """Return a table with its name after a restore to a time."""
    suffix = at.astimezone(UTC).strftime("-%Y%m%dT%H%M%SZ")
    return Restored(table, _SUFFIX.sub("", table) + suffix)


def moment(text: str, now: datetime) -> datetime:
    """Return a time in the past from RFC 3339, in whole seconds, which is what DynamoDB restores.

    Raises CannotRun: the text is no such time.
    """
    try:
        at = datetime.fromisoformat(text).replace(microsecond=0)
    except ValueError:
        raise CannotRun(f"{text!r} is not a time like 2026-11-20T10:00:00Z.") from None
    if at.tzinfo is None:
        raise CannotRun(f"{text} has no time zone; write {text}Z for UTC.")
    if at >= now:
        raise CannotRun(f"{text} is not in the past.")
    return at.astimezone(UTC)


def check_window(dynamodb: Any, tables: Iterable[Restored], at: datetime) -> None:
    """Raise CannotRun if DynamoDB cannot restore one of the tables to a time."""
    for table in tables:
        if not exists(dynamodb, table.source):
            raise CannotRun(f"The table {table.source} does not exist. See docs/backup.md for the loss of a table.")
        backups = dynamodb.describe_continuous_backups(TableName=table.source)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {})
        if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
            raise CannotRun(f"Point-in-time recovery of {table.source} is not enabled.")
        earliest, latest = recovery["EarliestRestorableDateTime"], recovery["LatestRestorableDateTime"]
        if not earliest.replace(microsecond=0) <= at <= latest:
            window = f"{earliest.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} to {latest.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            raise CannotRun(f"DynamoDB can restore {table.source} to a time from {window}.")


def from_backups(dynamodb: Any, at: datetime) -> Fill:
    """Return a function that lets DynamoDB restore a table to a time.

    CloudFormation has created the target empty, so that the stack owns this name. DynamoDB restores only to a name that
    is free. So the function deletes the empty target. A target with items is one that somebody has restored otherwise.
    """

    def fill(table: Restored) -> None:
        if is_restored(dynamodb, table.target):
            return
        if exists(dynamodb, table.target):
            data.unprotect(dynamodb, table.target)
            dynamodb.delete_table(TableName=table.target)
            dynamodb.get_waiter("table_not_exists").wait(TableName=table.target)
        dynamodb.restore_table_to_point_in_time(
            SourceTableName=table.source, TargetTableName=table.target, RestoreDateTime=at
        )

    return fill


def by_copying(dynamodb: Any) -> Fill:
    """Return a function that copies the items that a table has now: for a rehearsal where there are no backups."""

    def fill(table: Restored) -> None:
        for page in dynamodb.get_paginator("scan").paginate(TableName=table.source):
            for item in page["Items"]:
                dynamodb.put_item(TableName=table.target, Item=item)

    return fill


def wait(dynamodb: Any, table: Restored) -> None:
    """Wait until DynamoDB has restored a table.

    Raises WaiterError: the table is not there after 12 hours.
    """
    dynamodb.get_waiter("table_exists").wait(TableName=table.target, WaiterConfig=_WAIT)


def configure(dynamodb: Any, table: Restored) -> None:
    """Give a restored table what DynamoDB does not restore: backups, deletion protection and tags of its source.

    Time to live is not in it: no restored table has it. Alarms find the table by its name. Can be repeated.
    """
    source, target = (dynamodb.describe_table(TableName=name)["Table"] for name in (table.source, table.target))
    protected = source.get("DeletionProtectionEnabled", False)
    if target.get("DeletionProtectionEnabled", False) != protected:
        dynamodb.update_table(TableName=table.target, DeletionProtectionEnabled=protected)
        dynamodb.get_waiter("table_exists").wait(TableName=table.target)
    tags = list(_tags(dynamodb, source["TableArn"]))
    if tags:
        dynamodb.tag_resource(ResourceArn=target["TableArn"], Tags=tags)
    # DynamoDB refuses this for some seconds after a table has become active.
    unavailable = dynamodb.exceptions.ContinuousBackupsUnavailableException
    for attempt in stamina.retry_context(unavailable, attempts=20, timeout=600, wait_max=30):
        with attempt:
            dynamodb.update_continuous_backups(
                TableName=table.target, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )


def exists(dynamodb: Any, table: str) -> bool:
    """Return whether there is a table of this name."""
    return data.described(dynamodb, table) is not None


def is_restored(dynamodb: Any, table: str) -> bool:
    """Return whether a table comes from a backup or has items. The one that CloudFormation creates does neither."""
    found = data.described(dynamodb, table)
    return found is not None and ("RestoreSummary" in found or bool(dynamodb.scan(TableName=table, Limit=1)["Items"]))


def _tags(dynamodb: Any, arn: str) -> Iterator[dict[str, str]]:
    """Yield the tags of a table, except those that only AWS can set."""
    for page in dynamodb.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn):
        yield from (tag for tag in page["Tags"] if not tag["Key"].startswith("aws:"))
