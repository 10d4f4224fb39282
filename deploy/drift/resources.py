"""Compare the resources of a stage's stack with resources.yaml, and put them right by their own APIs.

CloudFormation compares templates, not resources: after a change by hand, an update says that nothing is to change. To
compare another property, add a line to ASPECTS. CloudFormation's own drift detection (`stack.drift`) finds the rest,
but takes some minutes.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy import parameters, stack
from deploy.stage import Stage
from deploy.target import Target
from project.resources import cors_rules, template

Document = dict[str, Any]

_THREADS = 8
_SERVICES = ("s3", "dynamodb", "sqs", "logs", "cloudwatch")
_NAMES = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::CloudWatch::Alarm": "AlarmName",
}
_MISSING = {
    "NoSuchBucket",
    "ResourceNotFoundException",  # a table
    "TableNotFoundException",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchCORSConfiguration",
    "NoSuchLifecycleConfiguration",
    "NoSuchBucketPolicy",
    "ServerSideEncryptionConfigurationNotFoundError",
    "AWS.SimpleQueueService.NonExistentQueue",
}


class Clients:
    """The clients of a place, and the tags of new resources. boto3 creates clients in one thread only."""

    def __init__(self, stage: Stage):
        self.s3, self.dynamodb, self.sqs, self.logs, self.cloudwatch = map(stage.place.client, _SERVICES)
        self.tags = stack.tags(stage)


@dataclass(frozen=True, slots=True)
class Aspect:
    """A group of properties: where resources.yaml declares it, and how AWS reads and writes it."""

    kind: str
    label: str
    expected: Callable[[Document], Any]
    read: Callable[[Clients, str], Any]
    write: Callable[[Clients, str, Any], object]


@dataclass(frozen=True, slots=True)
class Difference:
    """An aspect of a resource that differs, and what it should be."""

    name: str
    aspect: Aspect
    expected: Any
    found: Any  # None: there is nothing

    def __str__(self) -> str:
        subject = f"{self.name}: the {self.aspect.label}"
        if self.found is None:
            return f"{subject} is missing."
        if isinstance(self.found, dict | list) or self.expected is None:
            return f"{subject} is not as resources.yaml declares."
        return f"{subject} is {_shown(self.found)}, not {_shown(self.expected)}."

    def repair(self, clients: Clients) -> None:
        """Write what resources.yaml declares."""
        self.aspect.write(clients, self.name, self.expected)


def differences(stage: Stage, clients: Clients) -> list[Difference]:
    """Return what differs from resources.yaml. Makes about 40 AWS calls, and needs read permissions only."""
    with ThreadPoolExecutor(_THREADS) as threads:
        asked = [
            (name, aspect, aspect.expected(properties), threads.submit(_read, aspect, clients, name))
            for name, properties, aspect in _declared(stage)
        ]
        answered = [Difference(name, aspect, expected, found.result()) for name, aspect, expected, found in asked]
    return [each for each in answered if not _covers(each.expected, each.found)]


def _declared(stage: Stage) -> Iterator[tuple[str, Document, Aspect]]:
    """Yield name and properties of each resource with each of its aspects."""
    values = dict(parameters.of(stage.name, stage.settings, stage.options))
    place = stage.place
    pseudo = {"AWS::Region": place.region, "AWS::AccountId": place.account, "AWS::Partition": place.partition}
    resolved = {**values, **pseudo, **_references(place, values)}
    for kind, naming in _NAMES.items():
        for resource in template().resources(kind, **resolved).values():
            for aspect in ASPECTS:
                if aspect.kind == kind:
                    yield resource["Properties"][naming], resource["Properties"], aspect


def _references(place: Target, values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of references to resources: `Ref` and the attributes that resources.yaml uses."""
    arns = {
        "AWS::S3::Bucket": lambda name: f"arn:{place.partition}:s3:::{name}",
        "AWS::SQS::Queue": lambda name: place.arn("sqs", name),
        "AWS::CloudWatch::Alarm": lambda name: place.arn("cloudwatch", f"alarm:{name}"),
    }
    found = {}
    for kind, naming in _NAMES.items():
        for logical, resource in template().resources(kind, **values).items():
            name = resource["Properties"][naming]
            if isinstance(name, str):
                found[logical] = name
                found[f"{logical}.{naming}"] = name
                if kind in arns:
                    found[f"{logical}.Arn"] = arns[kind](name)
    return found


def _read(aspect: Aspect, clients: Clients, name: str) -> Any:
    try:
        return aspect.read(clients, name)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise


def _shown(value: Any) -> str:
    return {"True": "on", "False": "off"}.get(str(value), str(value))


def _covers(expected: Any, found: Any) -> bool:
    """Return whether a value of AWS has at least what is expected. AWS adds defaults."""
    match expected, found:
        case dict(), dict():
            return all(_covers(value, found.get(name)) for name, value in expected.items())
        case list(), list():
            return len(expected) == len(found) and all(map(_covers, expected, found))
        case int() | float(), int() | float():
            return expected == found
        case _:
            return str(expected) == str(found)


# Buckets


def _lifecycle(bucket: Document) -> list[str]:
    """Return lifecycle rules as S3 names their keys, as JSON in a list of one."""
    rules = []
    for rule in bucket["LifecycleConfiguration"]["Rules"]:
        expiration: Document = {"ExpiredObjectDeleteMarker": True} if rule.get("ExpiredObjectDeleteMarker") else {}
        if days := rule.get("ExpirationInDays"):
            expiration["Days"] = int(days)
        versions = rule.get("NoncurrentVersionExpiration", {})
        parts: Document = {
            "AbortIncompleteMultipartUpload": rule.get("AbortIncompleteMultipartUpload"),
            "Expiration": expiration,
            "NoncurrentVersionExpiration": {name: int(value) for name, value in versions.items()},
            "Transitions": [
                {"StorageClass": each["StorageClass"], "Days": int(each["TransitionInDays"])}
                for each in rule.get("Transitions", [])
            ],
        }
        given = {name: part for name, part in parts.items() if part}
        rules.append({"ID": rule["Id"], "Status": rule["Status"], **given})
    return _sorted(rules)


def _read_lifecycle(clients: Clients, name: str) -> list[str]:
    found = clients.s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    for rule in found:
        if rule.get("Filter") in ({"Prefix": ""}, {}):  # a filter that includes each object
            del rule["Filter"]
    return _sorted(found)


def _put_lifecycle(clients: Clients, name: str, rules: list[str]) -> None:
    whole = [{**rule, "Filter": {"Prefix": ""}} for rule in json.loads(rules[0])]
    clients.s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": whole})


def _sorted(rules: list[Document]) -> list[str]:
    return [json.dumps(sorted(rules, key=lambda rule: str(rule.get("ID"))), sort_keys=True)]


def _encryption(clients: Clients, name: str) -> str:
    found = clients.s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    algorithm: str = found[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    return algorithm


def _put_encryption(clients: Clients, name: str, algorithm: str) -> None:
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}]
    clients.s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})


def _one_form(policy: Document) -> str:
    """Return a policy as JSON in one form. S3 changes the order of lists, and shows a list of one as its element."""

    def form(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: form(each) for name, each in value.items()}
        if isinstance(value, list):
            formed = sorted(map(form, value), key=lambda each: json.dumps(each, sort_keys=True))
            return formed[0] if len(formed) == 1 else formed
        return value

    statements = form(policy["Statement"])
    return json.dumps(
        {**policy, "Statement": statements if isinstance(statements, list) else [statements]}, sort_keys=True
    )


# Tables


def _point_in_time_recovery(clients: Clients, name: str) -> bool:
    found = clients.dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return bool(found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED")


def _expiring_attribute(clients: Clients, name: str) -> str | None:
    found = clients.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    return found.get("AttributeName") if found["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else None


def _put_expiring_attribute(clients: Clients, name: str, attribute: str | None) -> None:
    found = clients.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    specification = {"AttributeName": attribute or found["AttributeName"], "Enabled": attribute is not None}
    clients.dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=specification)


# The queue


def _queue(properties: Document) -> Document:
    """Return the queue's attributes as SQS shows them."""
    return {
        "MessageRetentionPeriod": str(properties["MessageRetentionPeriod"]),
        "SqsManagedSseEnabled": str(properties["SqsManagedSseEnabled"]).lower(),
    }


def _queue_attributes(clients: Clients, name: str) -> Document:
    url = clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    attributes: Document = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return attributes


def _put_queue(clients: Clients, name: str, attributes: Document) -> None:
    try:
        url = clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        clients.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    except clients.sqs.exceptions.QueueDoesNotExist:
        clients.sqs.create_queue(QueueName=name, Attributes=attributes, tags=clients.tags)


# Logs and monitoring


def _retention(clients: Clients, name: str) -> int | None:
    """Return for how many days a log group keeps events; 0 if for ever, None if there is no such group."""
    groups = clients.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return next((group.get("retentionInDays", 0) for group in groups if group["logGroupName"] == name), None)


def _put_retention(clients: Clients, name: str, days: str) -> None:
    if _retention(clients, name) is None:
        clients.logs.create_log_group(logGroupName=name, tags=clients.tags)
    clients.logs.put_retention_policy(logGroupName=name, retentionInDays=int(days))


def _alarm(clients: Clients, name: str) -> Document | None:
    found: list[Document] = clients.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return found[0] if found else None


def _put_alarm(clients: Clients, name: str, alarm: Document) -> None:
    tags = [{"Key": key, "Value": value} for key, value in clients.tags.items()]
    clients.cloudwatch.put_metric_alarm(**alarm, Tags=tags)


ASPECTS = (
    Aspect(
        "AWS::S3::Bucket",
        "versioning",
        lambda p: p.get("VersioningConfiguration", {}).get("Status", "Suspended"),
        lambda c, name: c.s3.get_bucket_versioning(Bucket=name).get("Status", "Suspended"),
        lambda c, name, status: c.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status}),
    ),
    Aspect(
        "AWS::S3::Bucket",
        "block of public access",
        lambda p: p["PublicAccessBlockConfiguration"],
        lambda c, name: c.s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
        lambda c, name, block: c.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block),
    ),
    Aspect(
        "AWS::S3::Bucket",
        "encryption",
        lambda p: p["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"][
            "SSEAlgorithm"
        ],
        _encryption,
        _put_encryption,
    ),
    Aspect(
        "AWS::S3::Bucket",
        "list of CORS rules",
        cors_rules,
        lambda c, name: c.s3.get_bucket_cors(Bucket=name)["CORSRules"],
        lambda c, name, rules: c.s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": rules}),
    ),
    Aspect("AWS::S3::Bucket", "list of lifecycle rules", _lifecycle, _read_lifecycle, _put_lifecycle),
    Aspect(
        "AWS::S3::BucketPolicy",
        "policy",
        lambda p: [_one_form(p["PolicyDocument"])],
        lambda c, name: [_one_form(json.loads(c.s3.get_bucket_policy(Bucket=name)["Policy"]))],
        lambda c, name, policy: c.s3.put_bucket_policy(Bucket=name, Policy=policy[0]),
    ),
    Aspect(
        "AWS::DynamoDB::Table",
        "point-in-time recovery",
        lambda p: bool(p.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")),
        _point_in_time_recovery,
        lambda c, name, on: c.dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
        ),
    ),
    Aspect(
        "AWS::DynamoDB::Table",
        "deletion protection",
        lambda p: bool(p.get("DeletionProtectionEnabled")),
        lambda c, name: bool(c.dynamodb.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled")),
        lambda c, name, on: c.dynamodb.update_table(TableName=name, DeletionProtectionEnabled=on),
    ),
    Aspect(
        "AWS::DynamoDB::Table",
        "attribute of expiry",
        lambda p: p.get("TimeToLiveSpecification", {}).get("AttributeName"),
        _expiring_attribute,
        _put_expiring_attribute,
    ),
    Aspect("AWS::SQS::Queue", "queue", _queue, _queue_attributes, _put_queue),
    Aspect(
        "AWS::Logs::LogGroup",
        "retention in days",
        lambda p: p["RetentionInDays"],
        _retention,
        _put_retention,
    ),
    Aspect("AWS::CloudWatch::Alarm", "alarm", lambda p: {"ActionsEnabled": True, **p}, _alarm, _put_alarm),
)
