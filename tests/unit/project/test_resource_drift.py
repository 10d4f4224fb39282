"""The resources of a stack that someone changes by hand, in moto's AWS."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3.session
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from chalicelib.config import Settings
from deploy import stack
from deploy.drift import repair as additions
from deploy.drift import resources
from deploy.drift.resources import Clients
from deploy.options import Options
from deploy.stage import Stage, chalice_config
from deploy.target import Target
from project import CannotRun
from project.resources import declarations

TABLE = ("TableName", "BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
SETTINGS = Settings()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Return a stage with its buckets and tables, and nothing else."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # moto does not intercept calls to other hosts
    with mock_aws():
        session = boto3.session.Session(region_name="us-east-1")
        target = Target(session, "aws", "us-east-1", "123456789012", "")
        for bucket in declarations("AWS::S3::Bucket", SETTINGS):
            target.client("s3").create_bucket(Bucket=bucket["BucketName"])
        for table in declarations("AWS::DynamoDB::Table", SETTINGS):
            target.client("dynamodb").create_table(**{name: table[name] for name in TABLE if name in table})
        yield Stage("dev", target, chalice_config("dev", target, {}), {}, SETTINGS, Options())


@pytest.fixture
def clients(stage: Stage) -> Clients:
    """Return clients, after the other resources have been created and all properties set."""
    made = Clients(stage)
    repair(stage, made)
    return made


def repair(stage: Stage, clients: Clients) -> None:
    for difference in resources.differences(stage, clients):
        difference.repair(clients)


def alarm_with_a_high_threshold(clients: Clients) -> None:
    (alarm,) = clients.cloudwatch.describe_alarms(AlarmNames=["images-api-dev-dead-letters"])["MetricAlarms"]
    names = ("AlarmName", "Namespace", "MetricName", "Statistic", "Period", "ComparisonOperator", "EvaluationPeriods")
    clients.cloudwatch.put_metric_alarm(**{name: alarm[name] for name in names}, Threshold=1_000)


def without_the_queue(clients: Clients) -> None:
    clients.sqs.delete_queue(QueueUrl=clients.sqs.get_queue_url(QueueName="images-dead-letters")["QueueUrl"])


EXPIRE_ALL: Any = {"Rules": [{"ID": "mine", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}
CHANGES: dict[str, Callable[[Clients], object]] = {
    "images-originals: the versioning is Suspended, not Enabled.": lambda c: c.s3.put_bucket_versioning(
        Bucket="images-originals", VersioningConfiguration={"Status": "Suspended"}
    ),
    "images-derived: the versioning is Enabled, not Suspended.": lambda c: c.s3.put_bucket_versioning(
        Bucket="images-derived", VersioningConfiguration={"Status": "Enabled"}
    ),
    "images-derived: the block of public access is missing.": lambda c: c.s3.delete_public_access_block(
        Bucket="images-derived"
    ),
    "images-staged: the list of CORS rules is not as resources.yaml declares.": lambda c: c.s3.put_bucket_cors(
        Bucket="images-staged",
        CORSConfiguration={"CORSRules": [{"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://a.example"]}]},
    ),
    "images-originals: the list of lifecycle rules is not as resources.yaml declares.": lambda c: (
        c.s3.put_bucket_lifecycle_configuration(Bucket="images-originals", LifecycleConfiguration=EXPIRE_ALL)
    ),
    "images-staged: the policy is missing.": lambda c: c.s3.delete_bucket_policy(Bucket="images-staged"),
    "images: the point-in-time recovery is off, not on.": lambda c: c.dynamodb.update_continuous_backups(
        TableName="images", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    ),
    "idempotency_keys: the attribute of expiry is missing.": lambda c: c.dynamodb.update_time_to_live(
        TableName="idempotency_keys", TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": False}
    ),
    "images-dead-letters: the queue is missing.": without_the_queue,
    "/aws/lambda/images-api-dev-sweep: the retention in days is missing.": lambda c: c.logs.delete_log_group(
        logGroupName="/aws/lambda/images-api-dev-sweep"
    ),
    "/aws/lambda/images-api-dev: the retention in days is 1, not 30.": lambda c: c.logs.put_retention_policy(
        logGroupName="/aws/lambda/images-api-dev", retentionInDays=1
    ),
    "images-api-dev-dead-letters: the alarm is not as resources.yaml declares.": alarm_with_a_high_threshold,
    "images-api-dev-function-throttles: the alarm is missing.": lambda c: c.cloudwatch.delete_alarms(
        AlarmNames=["images-api-dev-function-throttles"]
    ),
}


def test_changes_by_hand_are_reported_and_repaired(stage: Stage, clients: Clients) -> None:
    assert resources.differences(stage, clients) == []
    for change in CHANGES.values():
        change(clients)
    assert {str(difference) for difference in resources.differences(stage, clients)} == set(CHANGES)
    repair(stage, clients)
    assert resources.differences(stage, clients) == []


@pytest.mark.parametrize("status", ["DETECTION_COMPLETE", "DETECTION_FAILED"])
def test_what_cloudformation_detects_is_reported(status: str) -> None:
    client = boto3.session.Session(region_name="us-east-1").client(
        "cloudformation", aws_access_key_id="test", aws_secret_access_key="test"
    )
    now, arn = "2026-01-01T00:00:00Z", "arn:aws:cloudformation:us-east-1:123456789012:stack/images-api-dev/1"
    drifted = {"StackId": arn, "Timestamp": now, "ResourceType": "AWS::SQS::Queue"}
    change = {"PropertyPath": "/DelaySeconds", "ExpectedValue": "0", "ActualValue": "9", "DifferenceType": "NOT_EQUAL"}
    answer: dict[str, Any] = {
        "StackResourceDrifts": [
            {
                **drifted,
                "LogicalResourceId": "DeadLetterQueue",
                "StackResourceDriftStatus": "MODIFIED",
                "PropertyDifferences": [change],
            },
            {**drifted, "LogicalResourceId": "Dashboard", "StackResourceDriftStatus": "DELETED"},
        ]
    }
    detected = {"StackId": arn, "StackDriftDetectionId": "1", "DetectionStatus": status, "Timestamp": now}

    class OneClient(Target):
        def client(self, service: Any) -> Any:
            return client

    with Stubber(client) as aws:
        aws.add_response("detect_stack_drift", {"StackDriftDetectionId": "1"}, {"StackName": "images-api-dev"})
        aws.add_response("describe_stack_drift_detection_status", detected, {"StackDriftDetectionId": "1"})
        aws.add_response("describe_stack_resource_drifts", answer)
        place = OneClient(None, "aws", "us-east-1", "123456789012", "")  # type: ignore[arg-type]
        if status == "DETECTION_FAILED":
            with pytest.raises(CannotRun, match="drift detection of the stack images-api-dev failed"):
                stack.drift(place, "dev")
        else:
            assert stack.drift(place, "dev") == [
                "DeadLetterQueue differs in /DelaySeconds, says CloudFormation's drift detection (docs/operations.md).",
                "Dashboard does not exist, says CloudFormation's drift detection (docs/operations.md).",
            ]


def test_policies_of_the_buckets_are_those_of_the_template(stage: Stage, clients: Clients) -> None:
    statement = json.loads(clients.s3.get_bucket_policy(Bucket="images-staged")["Policy"])["Statement"][0]
    assert statement["Resource"] == ["arn:aws:s3:::images-staged", "arn:aws:s3:::images-staged/*"]


def test_additions_by_hand_do_not_stop_the_deletion_of_a_stage(stage: Stage) -> None:
    iam, events = stage.place.client("iam"), stage.place.client("events")
    iam.create_role(RoleName="images-api-dev-sweep", AssumeRolePolicyDocument="{}")
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
    arn = iam.create_policy(PolicyName="more", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="images-api-dev-sweep", PolicyArn=arn)
    events.put_rule(Name="images-api-dev-sweep-event", ScheduleExpression="rate(5 minutes)")
    targets = [{"Id": name, "Arn": f"arn:aws:sqs:us-east-1:123456789012:{name}"} for name in ("1", "another")]
    events.put_targets(Rule="images-api-dev-sweep-event", Targets=targets)

    additions.detach(
        stage.place, [{"role_name": "images-api-dev-sweep"}, {"rule_name": "images-api-dev-sweep-event"}, {"name": "x"}]
    )
    iam.delete_role(RoleName="images-api-dev-sweep")
    events.remove_targets(Rule="images-api-dev-sweep-event", Ids=["1"])
    events.delete_rule(Name="images-api-dev-sweep-event")
