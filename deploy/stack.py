"""The CloudFormation stack of a stage: what resources.yaml declares."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError, WaiterError
from botocore.waiter import WaiterModel, create_waiter_with_client

from deploy import parameters, schema
from deploy.stage import Stage
from deploy.target import Target
from project import CannotRun
from project.resources import RESOURCES, names
from project.template import compact

CAPABILITIES = ["CAPABILITY_IAM"]  # for the role of AWS Backup

_DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
UPDATABLE = {*_DONE, "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}
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


def tags(stage: Stage) -> dict[str, str]:
    """Return the tags of a stage's stack, which CloudFormation passes on to the resources."""
    return {**stage.tags, schema.TAG: str(schema.VERSION)}


def apply(wanted: Stage) -> bool:
    """Create or update the stack of a stage from resources.yaml, and its protection. Returns whether anything changed.

    Raises CannotRun: CloudFormation refused or failed, for the reason in the message.
    """
    target, stage = wanted.place, wanted.name
    cloudformation = target.client("cloudformation")
    token = uuid.uuid4().hex
    request = {
        "StackName": name(stage),
        "TemplateBody": compact(RESOURCES.read_text()),
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in parameters.of(stage, wanted.settings, wanted.options).items()
        ],
        # Otherwise a failed creation would retain resources, and the next creation would fail because they exist.
        "RetainExceptOnCreate": True,
        "Capabilities": CAPABILITIES,
        "ClientRequestToken": token,
        "Tags": [{"Key": key, "Value": value} for key, value in tags(wanted).items()],
    }
    status = settled(target, stage)
    if status in _NEVER_MADE:
        delete(target, stage)
        status = ""
    if status:
        _check(target, stage, status)
    _check_names(target, stage, names(wanted.settings).values())
    try:
        if status:
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return _protect(target, stage, wanted.options.protected)
        raise CannotRun(f"CloudFormation refuses the stack {name(stage)}: {error}") from None
    _finish(target, stage, token)
    _protect(target, stage, wanted.options.protected)
    return True


def change_parameters(target: Target, stage: str, values: Mapping[str, str]) -> None:
    """Give parameters of a stage's stack new values. Its template and its other parameters stay. Can be repeated.

    Raises CannotRun: there is no stack that can be changed, or CloudFormation failed.
    """
    cloudformation = target.client("cloudformation")
    status = settled(target, stage)
    if not status:
        raise CannotRun(f"There is no stack {name(stage)} in {target}.")
    current = parameters_of(target, stage)
    if values.items() <= current.items():
        return
    _check(target, stage, status)
    token = uuid.uuid4().hex
    cloudformation.update_stack(
        StackName=name(stage),
        TemplateBody=cloudformation.get_template(StackName=name(stage), TemplateStage="Original")["TemplateBody"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in {**current, **values}.items()],
        Capabilities=CAPABILITIES,
        ClientRequestToken=token,
    )
    _finish(target, stage, token)


def parameters_of(target: Target, stage: str) -> dict[str, str]:
    """Return the parameters of a stage's stack; empty if there is no stack."""
    declared = _described(target, stage).get("Parameters", [])
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in declared}


def schema_version(target: Target, stage: str) -> int:
    """Return the schema version that was deployed last; without a stack, that of this code."""
    stack = _described(target, stage)
    return schema.of({tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}) if stack else schema.VERSION


def is_protected(target: Target, stage: str) -> bool:
    """Return whether CloudFormation refuses to delete a stage's stack."""
    return bool(_described(target, stage).get("EnableTerminationProtection"))


def differences(wanted: Stage) -> list[str]:
    """Return how a stage's stack differs from resources.yaml and its parameters, one sentence each.

    Raises CannotRun: a pipeline deploys the stage.
    """
    target, stage = wanted.place, wanted.name
    found = _described(target, stage)
    if not found:
        return [f"The stack {name(stage)} does not exist."]
    template = target.client("cloudformation").get_template(StackName=name(stage))["TemplateBody"]
    sentences = []
    if found["StackStatus"] not in UPDATABLE:
        sentences.append(f"The stack {name(stage)} has the status {found['StackStatus']}.")
    if template.strip() != compact(RESOURCES.read_text()).strip():
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
            # LocalStack lists resources without an id after an update that failed.
            if resource["ResourceStatus"] in _OWNED and "PhysicalResourceId" in resource:
                found.setdefault(resource["ResourceType"], []).append(resource["PhysicalResourceId"])
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
    return found


def delete(target: Target, stage: str) -> None:
    """Delete a stage's stack if it exists, even if it is protected. Retained resources stay."""
    cloudformation = target.client("cloudformation")
    if settled(target, stage):
        _protect(target, stage, protected=False)
        cloudformation.delete_stack(StackName=name(stage))
        if status := settled(target, stage):
            raise CannotRun(f"CloudFormation did not delete the stack {name(stage)}: its status is {status}.")


def settled(target: Target, stage: str) -> str:
    """Wait until no operation is in progress, and return the stack's status; empty if there is no stack."""
    cloudformation = target.client("cloudformation")
    create_waiter_with_client("Settled", _SETTLED, cloudformation).wait(StackName=name(stage))
    status: str = _described(target, stage).get("StackStatus", "")
    return status


def existing(target: Target) -> set[str]:
    """Return the names of all buckets and tables of the account."""
    tables = target.client("dynamodb").get_paginator("list_tables").paginate()
    buckets = target.client("s3").list_buckets()["Buckets"]
    return {bucket["Name"] for bucket in buckets} | {table for page in tables for table in page["TableNames"]}


def _finish(target: Target, stage: str, token: str) -> None:
    """Wait for a change of the stack. Raises CannotRun: CloudFormation rolled it back."""
    if settled(target, stage) not in _DONE:
        why = _why(target.client("cloudformation"), stage, token)
        raise CannotRun(f"CloudFormation rolled the change back. {why}")


def _protect(target: Target, stage: str, protected: bool) -> bool:
    """Turn the termination protection of a stage's stack on or off. Returns whether it changed."""
    if is_protected(target, stage) == protected:
        return False
    target.client("cloudformation").update_termination_protection(
        StackName=name(stage), EnableTerminationProtection=protected
    )
    return True


def _described(target: Target, stage: str) -> dict[str, Any]:
    """Return CloudFormation's description of a stage's stack; empty if there is no stack."""
    try:
        (stack,) = target.client("cloudformation").describe_stacks(StackName=name(stage))["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return {}
        raise
    return {} if stack["StackStatus"] == "DELETE_COMPLETE" else dict(stack)


def _check(target: Target, stage: str, status: str) -> None:
    """Raise CannotRun if the stack cannot or must not be updated."""
    made = resources(target, stage)
    if status not in UPDATABLE:
        raise CannotRun(
            f"The stack {name(stage)} has the status {status}. If an update failed, run `aws cloudformation "
            f"continue-update-rollback`, else `make destroy STAGE={stage}`, which asks first. Then try again."
        )
    _check_owner(stage, made)
    schema.check(stage, schema_version(target, stage))
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


def _check_names(target: Target, stage: str, wanted: Iterable[str]) -> None:
    """Raise CannotRun if a bucket or table of the stage exists outside the stack, so that it cannot be created."""
    current = set(parameters_of(target, stage).values())
    if others := sorted((set(wanted) & existing(target)) - current):
        raise CannotRun(
            f"These exist, but the stack {name(stage)} does not contain them: {', '.join(others)}. If `make restore` "
            'was stopped, complete it. Else see docs/operations.md, "Tables or buckets without a stack".'
        )


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
