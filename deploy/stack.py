"""The CloudFormation stack of a stage: what resources.yaml declares."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from chalicelib.config import Settings
from deploy.options import Options
from deploy.target import Target
from dev import PROJECT, CannotRun
from dev.provision import names

# What to wait for, should a run before this one have ended in the middle.
_WAITERS = {
    "CREATE_IN_PROGRESS": "stack_create_complete",
    "UPDATE_IN_PROGRESS": "stack_update_complete",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "stack_update_complete",
    "UPDATE_ROLLBACK_IN_PROGRESS": "stack_rollback_complete",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "stack_rollback_complete",
    "ROLLBACK_IN_PROGRESS": "stack_rollback_complete",
    "DELETE_IN_PROGRESS": "stack_delete_complete",
}
_NEVER_CREATED = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}
_EVERY = {"Delay": 5, "MaxAttempts": 720}  # seconds; an hour


def name(stage: str) -> str:
    """What the stack of a stage is called."""
    return f"images-api-{stage}"


def apply(target: Target, stage: str, settings: Settings, options: Options) -> bool:
    """Make a stage's stack what resources.yaml declares; whether there was something to change.

    Raises CannotRun: CloudFormation can't; says why.
    """
    cloudformation = target.client("cloudformation")
    request = {
        "StackName": name(stage),
        "TemplateBody": (PROJECT / "resources.yaml").read_text(),
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in parameters(stage, settings, options).items()
        ],
        # Or what a first try made and retained would be in the way of the second.
        "RetainExceptOnCreate": True,
        "Tags": [{"Key": "service", "Value": "images-api"}, {"Key": "stage", "Value": stage}],
    }
    status = _settled(cloudformation, stage)
    if status in _NEVER_CREATED:
        delete(target, stage)
        status = ""
    try:
        if status:
            _check_whole(target, stage)
            stack = cloudformation.update_stack(**request)
        else:
            stack = cloudformation.create_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return False
        raise CannotRun(f"CloudFormation refuses the stack {name(stage)}: {error}") from None
    _wait(cloudformation, "stack_update_complete" if status else "stack_create_complete", stack["StackId"])
    return True


def parameters(stage: str, settings: Settings, options: Options) -> Mapping[str, str]:
    """The values of the template's parameters."""
    return {
        **names(settings),
        "Stage": stage,
        "LogRetentionDays": str(options.log_retention_days),
        "OriginalsVersionDays": str(options.originals_version_days),
        "AlarmTopicArn": options.alarm_topic_arn,
        "CorsOrigins": ",".join(settings.cors_origins.split()),
        "DistributionArn": options.distribution_arn,
    }


def resources(target: Target, stage: str) -> dict[str, list[str]]:
    """The names of what a stage's stack has made, by CloudFormation type; empty where there is no stack."""
    found: dict[str, list[str]] = {}
    try:
        pages = target.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name(stage))
        for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
            found.setdefault(resource["ResourceType"], []).append(resource["PhysicalResourceId"])
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
    return found


def delete(target: Target, stage: str) -> None:
    """Delete a stage's stack, if there is one; what it retains stays."""
    cloudformation = target.client("cloudformation")
    if _settled(cloudformation, stage):
        cloudformation.delete_stack(StackName=name(stage))
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=name(stage), WaiterConfig=_EVERY)


def missing(target: Target, stage: str) -> Iterator[str]:
    """The buckets and tables that a stage's stack has made and that are no more."""
    made = resources(target, stage)
    s3, dynamodb = target.client("s3"), target.client("dynamodb")
    buckets = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    tables = {table for page in dynamodb.get_paginator("list_tables").paginate() for table in page["TableNames"]}
    yield from sorted(set(made.get("AWS::S3::Bucket", [])) - buckets)
    yield from sorted(set(made.get("AWS::DynamoDB::Table", [])) - tables)


def _check_whole(target: Target, stage: str) -> None:
    # CloudFormation compares templates, not what is there: it would find nothing to do.
    if gone := list(missing(target, stage)):
        raise CannotRun(
            f"Of the stage {stage} there is no more {', '.join(gone)}, as after a `make destroy` that was interrupted: "
            f"run `make destroy STAGE={stage}` to its end first."
        )


def _settled(cloudformation: Any, stage: str) -> str:
    """The status of a stage's stack, once nothing is under way; empty: there is no stack."""
    while (status := _status(cloudformation, stage)) in _WAITERS:
        try:
            cloudformation.get_waiter(_WAITERS[status]).wait(StackName=name(stage), WaiterConfig=_EVERY)
        except WaiterError:
            if _status(cloudformation, stage) in _WAITERS:
                raise CannotRun(f"The stack {name(stage)} is {status} for an hour.") from None
    if status == "UPDATE_ROLLBACK_FAILED":
        raise CannotRun(
            f"The stack {name(stage)} is {status}: `aws cloudformation continue-update-rollback` it, then try again."
        )
    return status


def _status(cloudformation: Any, stage: str) -> str:
    try:
        (stack,) = cloudformation.describe_stacks(StackName=name(stage))["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return ""
        raise
    status: str = stack["StackStatus"]
    return "" if status == "DELETE_COMPLETE" else status


def _wait(cloudformation: Any, waiter: str, stack_id: str) -> None:
    try:
        cloudformation.get_waiter(waiter).wait(StackName=stack_id, WaiterConfig=_EVERY)
    except WaiterError:
        events = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
        failures = [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
            for page in events
            for event in page["StackEvents"]
            if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in event.get("ResourceStatusReason", "")
        ]
        raise CannotRun("CloudFormation undid the change. " + "; ".join(reversed(failures))) from None
