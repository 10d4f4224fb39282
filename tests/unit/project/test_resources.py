"""Rules for every resource in resources.yaml: private, encrypted, watched by alarms, and with limited retention."""

import json
import re
from typing import Any

import pytest
from cfnlint.api import lint_file

from app import app
from chalicelib import metrics as published
from chalicelib.permissions import declared, lambda_name
from deploy import gateway
from project import PROJECT
from project.template import parse

STAGE = "dev"
PATH = PROJECT / "resources.yaml"
TEMPLATE = parse(PATH.read_text())
FUNCTIONS = {lambda_name(app, function, STAGE) for function in declared(app)}
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"

# Metrics of the app. They have no dimensions and are in the namespace of the stage.
OWN_METRICS = {*published.REQUEST, *published.IMAGE, *published.SCHEDULE}


def resources(kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    return TEMPLATE.resources(kind, Stage=STAGE, **parameters)


def properties(kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    return {name: resource["Properties"] for name, resource in resources(kind, **parameters).items()}


BUCKETS = properties("AWS::S3::Bucket")
TABLES = properties("AWS::DynamoDB::Table")
QUEUES = properties("AWS::SQS::Queue")
ALARMS = properties("AWS::CloudWatch::Alarm")
(DASHBOARD,) = properties("AWS::CloudWatch::Dashboard").values()


def test_cfn_lint_accepts_the_template() -> None:
    assert [str(finding) for finding in lint_file(PATH)] == []


@pytest.mark.parametrize("bucket", BUCKETS.values(), ids=BUCKETS)
def test_a_bucket_is_private_and_encrypted_and_deletes_incomplete_uploads(bucket: dict[str, Any]) -> None:
    access = bucket["PublicAccessBlockConfiguration"]
    assert access.keys() == {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
    assert all(access.values())
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    assert {rule["Status"] for rule in rules} == {"Enabled"}


def test_every_bucket_and_queue_rejects_plain_http() -> None:
    def only_tls(action: str, *resources: Any) -> dict[str, Any]:
        (first, *others) = resources
        return {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": action,
            "Resource": [first, *others] if others else first,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }

    of_buckets = {
        policy["Bucket"]["Ref"]: policy["PolicyDocument"]["Statement"]
        for policy in properties("AWS::S3::BucketPolicy").values()
    }
    of_queues = {
        queue["Ref"]: policy["PolicyDocument"]["Statement"]
        for policy in properties("AWS::SQS::QueuePolicy").values()
        for queue in policy["Queues"]
    }
    assert of_buckets == {
        name: [only_tls("s3:*", {"Fn::GetAtt": f"{name}.Arn"}, f"${{{name}.Arn}}/*")] for name in BUCKETS
    }
    assert of_queues == {name: [only_tls("sqs:*", {"Fn::GetAtt": f"{name}.Arn"})] for name in QUEUES}
    assert all(queue["SqsManagedSseEnabled"] for queue in QUEUES.values())


def test_a_given_distribution_may_read_originals_and_variants_only() -> None:
    arn = "arn:aws:cloudfront::123456789012:distribution/E1"
    policies = properties("AWS::S3::BucketPolicy", DistributionArn=arn).values()
    allowed = {policy["Bucket"]["Ref"]: policy["PolicyDocument"]["Statement"][1:] for policy in policies}

    def reading(bucket: str) -> list[dict[str, Any]]:
        return [
            {
                "Sid": "Distribution",
                "Effect": "Allow",
                "Principal": {"Service": "cloudfront.amazonaws.com"},
                "Action": "s3:GetObject",
                "Resource": f"${{{bucket}.Arn}}/*",
                "Condition": {"StringEquals": {"aws:SourceArn": arn}},
            }
        ]

    names = ("OriginalsBucket", "DerivedBucket")
    assert allowed == {name: reading(name) for name in names} | {"StagedBucket": []}


def test_only_the_bucket_of_originals_has_versions_and_they_expire() -> None:
    versioned = {name for name, bucket in BUCKETS.items() if "VersioningConfiguration" in bucket}
    assert versioned == {"OriginalsBucket"}
    originals = properties("AWS::S3::Bucket", OriginalsVersionDays="7")["OriginalsBucket"]
    (rule,) = (rule for rule in originals["LifecycleConfiguration"]["Rules"] if "NoncurrentVersionExpiration" in rule)
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": "7"}
    assert rule["ExpiredObjectDeleteMarker"] is True


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_is_on_demand_and_has_backups_unless_its_items_expire(table: dict[str, Any]) -> None:
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    backed_up = table.get("PointInTimeRecoverySpecification") == {"PointInTimeRecoveryEnabled": True}
    assert backed_up != ("TimeToLiveSpecification" in table)


def test_a_maximum_of_read_units_holds_for_every_table_and_index() -> None:
    tables = properties("AWS::DynamoDB::Table", TableMaxReadUnits="100").values()
    limited = [*tables, *(index for table in tables for index in table.get("GlobalSecondaryIndexes", []))]
    assert [each.get("OnDemandThroughput") for each in limited] == [{"MaxReadRequestUnits": "100"}] * len(limited)


def test_a_maximum_of_write_units_holds_for_every_table() -> None:
    # Not for indexes: an index that refuses a write blocks the table, and an update can write twice to an index.
    tables = properties("AWS::DynamoDB::Table", TableMaxWriteUnits="50").values()
    assert [table.get("OnDemandThroughput") for table in tables] == [{"MaxWriteRequestUnits": "50"}] * len(TABLES)
    indexes = [index for table in tables for index in table.get("GlobalSecondaryIndexes", [])]
    assert not any("OnDemandThroughput" in index for index in indexes)
    assert "OnDemandThroughput" not in str(TABLES)


def test_originals_move_to_intelligent_tiering_only_if_asked() -> None:
    def transitions(**parameters: str) -> dict[str, Any]:
        buckets = properties("AWS::S3::Bucket", **parameters).items()
        rules = {name: bucket["LifecycleConfiguration"]["Rules"] for name, bucket in buckets}
        return {name: rule["Transitions"] for name, each in rules.items() for rule in each if "Transitions" in rule}

    assert transitions() == transitions(OriginalsTieringDays="0") == {}
    assert transitions(OriginalsTieringDays="30") == {
        "OriginalsBucket": [{"StorageClass": "INTELLIGENT_TIERING", "TransitionInDays": "30"}]
    }


def test_the_stack_deletes_only_tables_whose_items_expire() -> None:
    storage = resources("AWS::S3::Bucket") | resources("AWS::S3::BucketPolicy") | resources("AWS::DynamoDB::Table")
    deleted = {name for name, resource in storage.items() if resource["DeletionPolicy"] != "Retain"}
    assert deleted == {name for name, table in TABLES.items() if "TimeToLiveSpecification" in table}
    assert all(resource["UpdateReplacePolicy"] == resource["DeletionPolicy"] for resource in storage.values())


def test_the_logs_of_the_api_and_of_every_function_have_a_retention_period() -> None:
    logs = properties("AWS::Logs::LogGroup", LogRetentionDays="7").values()
    retention_days = {log["LogGroupName"]: log["RetentionInDays"] for log in logs}
    names = [gateway.access_log(STAGE), *(f"/aws/lambda/{function}" for function in FUNCTIONS)]
    assert retention_days == dict.fromkeys(names, "7")


@pytest.mark.parametrize(("alarm", "metric"), [("FunctionErrorsAlarm", "Errors"), ("ThrottlesAlarm", "Throttles")])
def test_an_alarm_watches_every_function(alarm: str, metric: str) -> None:
    assert watched(ALARMS[alarm]) == {("AWS/Lambda", metric, "FunctionName", function) for function in FUNCTIONS}


def test_an_alarm_watches_every_table() -> None:
    assert watched(ALARMS["TableThrottlesAlarm"]) == {
        ("AWS/DynamoDB", metric, "TableName", table)
        for metric in ("ReadThrottleEvents", "WriteThrottleEvents")
        for table in TABLES
    }


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)
def test_an_alarm_names_its_stage_and_defines_the_meaning_of_missing_data(alarm: dict[str, Any]) -> None:
    assert alarm["AlarmName"].startswith(f"images-api-{STAGE}-")
    assert alarm["TreatMissingData"] in ("breaching", "notBreaching")
    # CloudWatch, "limits that apply to alarms based on metric math expressions": ten metrics.
    assert sum("MetricStat" in metric for metric in alarm.get("Metrics", [])) <= 10


def test_only_the_alarm_of_the_schedule_treats_missing_data_as_breaching() -> None:
    breaching = {name: alarm for name, alarm in ALARMS.items() if alarm["TreatMissingData"] == "breaching"}
    assert [(alarm["Namespace"], alarm["MetricName"]) for alarm in breaching.values()] == [
        (f"images-api/{STAGE}", "oldest_unfinished_seconds")
    ]


def test_alarms_notify_only_a_given_topic() -> None:
    notifying = properties("AWS::CloudWatch::Alarm", AlarmTopicArn=TOPIC).values()
    assert [alarm["AlarmActions"] for alarm in notifying] == [[TOPIC]] * len(ALARMS)
    assert not any("AlarmActions" in alarm for alarm in ALARMS.values())


def test_the_dashboard_shows_every_function_table_alarm_and_metric() -> None:
    widgets = json.loads(DASHBOARD["DashboardBody"])["widgets"]
    shown = [widget["properties"] for widget in widgets]
    metrics = [metric for properties in shown for metric in properties.get("metrics", [])]
    assert DASHBOARD["DashboardName"] == f"images-api-{STAGE}"
    assert {part for metric in metrics for part in metric if isinstance(part, str)} >= FUNCTIONS | {
        f"${{{table}}}" for table in TABLES
    }
    assert {metric[1] for metric in metrics if metric[0] == f"images-api/{STAGE}"} == OWN_METRICS
    assert {arn for properties in shown for arn in properties.get("alarms", [])} == {
        f"${{{name}.Arn}}" for name in ALARMS
    }


def test_the_widgets_of_the_dashboard_do_not_overlap() -> None:
    widgets = json.loads(DASHBOARD["DashboardBody"])["widgets"]
    cells = [
        (column, row)
        for widget in widgets
        for column in range(widget["x"], widget["x"] + widget["width"])
        for row in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24


def test_only_pages_of_the_given_origins_may_use_presigned_urls() -> None:
    buckets = properties("AWS::S3::Bucket", CorsOrigins="https://a.example.com,http://localhost:3000")
    rules = {name: rule for name, bucket in buckets.items() for rule in bucket["CorsConfiguration"]["CorsRules"]}
    assert {name: rule["AllowedMethods"] for name, rule in rules.items()} == {
        "OriginalsBucket": ["GET", "HEAD"],
        "DerivedBucket": ["GET", "HEAD"],
        "StagedBucket": ["PUT", "POST"],
    }
    for rule in rules.values():
        assert rule["AllowedOrigins"] == ["https://a.example.com", "http://localhost:3000"]
        assert rule["ExposedHeaders"] == ["ETag"]
    assert not any("CorsConfiguration" in bucket for bucket in BUCKETS.values())


@pytest.mark.parametrize(
    ("origins", "accepted"),
    [
        ("", True),
        ("*", True),
        ("https://a.example.com", True),
        ("https://*.example.com,http://localhost:3000", True),
        ("https://a.example.com/", False),
        ("https://a.example.com, https://b.example.com", False),
        ("https://a.example.com,", False),
        ("a.example.com", False),
    ],
)
def test_the_stack_accepts_only_valid_origins(origins: str, accepted: bool) -> None:
    pattern = TEMPLATE.parsed["Parameters"]["CorsOrigins"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, origins)) is accepted


def watched(alarm: dict[str, Any]) -> set[tuple[str, ...]]:
    """Return the metrics that an alarm adds up: namespace, name, dimension and its value."""
    (expression,) = (metric["Expression"] for metric in alarm["Metrics"] if metric["ReturnData"])
    assert expression == "SUM(METRICS())"
    metrics = [metric["MetricStat"]["Metric"] for metric in alarm["Metrics"] if not metric["ReturnData"]]
    return {
        (metric["Namespace"], metric["MetricName"], dimension["Name"], _text(dimension["Value"]))
        for metric in metrics
        for dimension in metric["Dimensions"]
    }


def _text(value: Any) -> str:
    text: str = value["Ref"] if isinstance(value, dict) else value
    return text
