"""The CloudFormation stack of a stage: what resources.yaml declares."""

import uuid
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError, WaiterError
from botocore.waiter import WaiterModel, create_waiter_with_client

from deploy import parameters
from deploy.stage import Stage
from deploy.target import Target
from project import CannotRun
from project.resources import RESOURCES

TAGS = {"service": "images-api"}  # of all resources of a stage, in addition to the stage's name

_DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
_TO_BE_UPDATED = {*_DONE, "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}
_NEVER_MADE = {"ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"}  # such a stack has no resources and cannot be updated
# The status of resources that the stack created. CloudFormation also lists existing ones that it failed to create.
_OWNED = {"CREATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED", "DELETE_FAILED", "DELETE_SKIPPED"}
_SETTLED = WaiterModel(
    {
        "version": 2,
        "waiters": {
            "Settled": {
                "operation": "DescribeStacks",
                "delay": 5,  # seconds
                "maxAttempts": 720,
                "acceptors": [
                    {
                        "state": "success",
                        "matcher": "path",
                        "argument": "ends_with(Stacks[0].StackStatus, '_IN_PROGRESS')"
                        " && Stacks[0].StackStatus != 'REVIEW_IN_PROGRESS'",
                        "expected": False,
                    },
                    {"state": "success", "matcher": "error", "expected": "ValidationError"},  # there is no such stack
                ],
            }
        },
    }
)
_DETECTED = WaiterModel(
    {
        "version": 2,
        "waiters": {
            "Detected": {
                "operation": "DescribeStackDriftDetectionStatus",
                "delay": 5,  # seconds
                "maxAttempts": 60,
                "acceptors": [
                    {
                        "state": state,
                        "matcher": "path",
                        "argument": "DetectionStatus",
                        "expected": f"DETECTION_{status}",
                    }
                    for state, status in (("success", "COMPLETE"), ("failure", "FAILED"))
                ],
            }
        },
    }
)


def name(stage: str) -> str:
    """Return the name of a stage's stack."""
    return f"images-api-{stage}"


def apply(wanted: Stage) -> bool:
    """Create or update the stack of a stage from resources.yaml. Returns whether anything changed.

    Raises CannotRun: CloudFormation refused or failed, for the reason in the message.
    """
    target, stage = wanted.place, wanted.name
    cloudformation = target.client("cloudformation")
    token = uuid.uuid4().hex
    request = {
        "StackName": name(stage),
        "TemplateBody": RESOURCES.read_text(),
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in parameters.of(stage, wanted.settings, wanted.options).items()
        ],
        # Otherwise a failed creation would retain resources, and the next creation would fail because they exist.
        "RetainExceptOnCreate": True,
        "ClientRequestToken": token,
        "Tags": [{"Key": key, "Value": value} for key, value in {**TAGS, "stage": stage}.items()],
    }
    status = settled(target, stage)
    if status in _NEVER_MADE:
        delete(target, stage)
        status = ""
    if status:
        _check(target, stage, status)
    try:
        if status:
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return False
        raise CannotRun(f"CloudFormation refuses the stack {name(stage)}: {error}") from None
    if settled(target, stage) not in _DONE:
        raise CannotRun(f"CloudFormation rolled the change back. {_why(cloudformation, stage, token)}")
    return True


def differences(wanted: Stage) -> list[str]:
    """Return how a stage's stack differs from resources.yaml and its parameters, one sentence each.

    Raises CannotRun: a pipeline deploys the stage.
    """
    target, stage = wanted.place, wanted.name
    cloudformation = target.client("cloudformation")
    try:
        (found,) = cloudformation.describe_stacks(StackName=name(stage))["Stacks"]
        template = cloudformation.get_template(StackName=name(stage))["TemplateBody"]
    except ClientError as error:
        if "does not exist" in str(error):
            return [f"The stack {name(stage)} does not exist."]
        raise
    sentences = []
    if found["StackStatus"] not in _TO_BE_UPDATED:
        sentences.append(f"The stack {name(stage)} has the status {found['StackStatus']}.")
    if template != RESOURCES.read_text():
        sentences.append(f"The template of the stack {name(stage)} differs from resources.yaml.")
    deployed = {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])}
    for key, value in parameters.of(stage, wanted.settings, wanted.options).items():
        if deployed.get(key) != value:
            sentences.append(f"The parameter {key} of the stack {name(stage)} is {deployed.get(key)!r}, not {value!r}.")
    made = resources(target, stage)
    _check_owner(stage, made)
    return sentences + [f"{gone} of the stack {name(stage)} is lost." for gone in _lost(target, made)]


def drift(target: Target, stage: str) -> list[str]:
    """Return what CloudFormation's drift detection finds. Waits for up to 5 minutes. LocalStack has no such detection.

    Raises CannotRun: the detection failed.
    """
    if target.endpoint_url:
        return []
    cloudformation = target.client("cloudformation")
    detection = cloudformation.detect_stack_drift(StackName=name(stage))["StackDriftDetectionId"]
    try:
        create_waiter_with_client("Detected", _DETECTED, cloudformation).wait(StackDriftDetectionId=detection)
    except WaiterError as error:
        raise CannotRun(f"CloudFormation's drift detection of the stack {name(stage)} failed: {error}") from None
    found = cloudformation.describe_stack_resource_drifts(
        StackName=name(stage), StackResourceDriftStatusFilters=["MODIFIED", "DELETED"], MaxResults=100
    )["StackResourceDrifts"]
    return [_drifted(each) for each in found]


def resources(target: Target, stage: str) -> dict[str, list[str]]:
    """Return the names of the resources that a stage's stack created, by type; empty if there is no stack."""
    found: dict[str, list[str]] = {}
    try:
        pages = target.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name(stage))
        for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
            if resource["ResourceStatus"] in _OWNED:
                found.setdefault(resource["ResourceType"], []).append(resource["PhysicalResourceId"])
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
    return found


def delete(target: Target, stage: str) -> None:
    """Delete a stage's stack if it exists. Retained resources stay."""
    cloudformation = target.client("cloudformation")
    if settled(target, stage):
        cloudformation.delete_stack(StackName=name(stage))
        if status := settled(target, stage):
            raise CannotRun(f"CloudFormation did not delete the stack {name(stage)}: its status is {status}.")


def settled(target: Target, stage: str) -> str:
    """Wait until no operation is in progress, and return the stack's status; empty if there is no stack."""
    cloudformation = target.client("cloudformation")
    create_waiter_with_client("Settled", _SETTLED, cloudformation).wait(StackName=name(stage))
    try:
        (stack,) = cloudformation.describe_stacks(StackName=name(stage))["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return ""
        raise
    status: str = stack["StackStatus"]
    return "" if status == "DELETE_COMPLETE" else status


def existing(target: Target) -> set[str]:
    """Return the names of all buckets and tables of the account."""
    tables = target.client("dynamodb").get_paginator("list_tables").paginate()
    buckets = target.client("s3").list_buckets()["Buckets"]
    return {bucket["Name"] for bucket in buckets} | {table for page in tables for table in page["TableNames"]}


def _check(target: Target, stage: str, status: str) -> None:
    """Raise CannotRun if the stack cannot or must not be updated."""
    made = resources(target, stage)
    if status not in _TO_BE_UPDATED:
        raise CannotRun(
            f"The stack {name(stage)} has the status {status}. If an update failed, run `aws cloudformation "
            f"continue-update-rollback`, else `make destroy STAGE={stage}`, which asks first. Then try again."
        )
    _check_owner(stage, made)
    # CloudFormation compares templates, not resources: it would report that nothing has changed.
    if gone := _lost(target, made):
        raise CannotRun(
            f"The stage {stage} has lost {', '.join(gone)}, for example in a `make destroy` that was interrupted. "
            f"Complete `make destroy STAGE={stage}` first."
        )


def _check_owner(stage: str, made: Mapping[str, list[str]]) -> None:
    if "AWS::Lambda::Function" in made:
        raise CannotRun(
            f"The stack {name(stage)} contains functions: a pipeline deploys this stage (docs/pipelines.md), and "
            "`make deploy` would delete them."
        )


def _lost(target: Target, made: Mapping[str, list[str]]) -> list[str]:
    """Return the buckets and tables of the stack that do not exist."""
    kept = made.get("AWS::S3::Bucket", []) + made.get("AWS::DynamoDB::Table", [])
    return sorted(set(kept) - existing(target))


def _drifted(resource: Mapping[str, Any]) -> str:
    paths = ", ".join(change["PropertyPath"] for change in resource.get("PropertyDifferences", []))
    what = f"differs in {paths}" if paths else "does not exist"
    return f"{resource['LogicalResourceId']} {what}, says CloudFormation's drift detection (docs/operations.md)."


def _why(cloudformation: Any, stage: str, token: str) -> str:
    """Return the reasons for which one request failed."""
    events = cloudformation.get_paginator("describe_stack_events").paginate(StackName=name(stage))
    return "; ".join(
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for page in events
        for event in page["StackEvents"]
        if event.get("ClientRequestToken") == token
        and event["ResourceStatus"].endswith("_FAILED")
        and "cancelled" not in event.get("ResourceStatusReason", "")
    )
