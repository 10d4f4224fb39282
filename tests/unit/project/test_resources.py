"""Rules for every resource in resources.yaml: private, encrypted, watched by alarms, and with limited retention."""

import json
import re
from typing import Any

import pytest
from cfnlint.api import lint_file
from chalice.app import S3EventConfig

from app import app
from chalicelib import metrics as published
from chalicelib.permissions import API, declared, lambda_name
from deploy import gateway
from project import PROJECT
from project.stages import stage_config
from project.template import compact, parse

STAGE = "dev"
PATH = PROJECT / "resources.yaml"
TEMPLATE = parse(PATH.read_text())
FUNCTIONS = {lambda_name(app, function, STAGE) for function in declared(app)}
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"

# Metrics of the app and of the access log. They have no dimensions and are in the namespace of the stage.
OWN_METRICS = {*published.REQUEST, *published.IMAGE, *published.SCHEDULE, "requests_throttled"}


def resources(kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    return TEMPLATE.resources(kind, Stage=STAGE, **parameters)


def properties(kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    return {name: resource["Properties"] for name, resource in resources(kind, **parameters).items()}


BUCKETS = properties("AWS::S3::Bucket")
TABLES = properties("AWS::DynamoDB::Table")
QUEUES = properties("AWS::SQS::Queue")
ALARMS = properties("AWS::CloudWatch::Alarm")
COMPOSITES = properties("AWS::CloudWatch::CompositeAlarm")
# An alarm in the rule of a composite alarm does not notify by itself.
PARTS = {part for alarm in COMPOSITES.values() for part in re.findall(r"\$\{(\w+)\}", alarm["AlarmRule"])}
NOTIFYING = {name: alarm for name, alarm in (ALARMS | COMPOSITES).items() if name not in PARTS}
MONITORING = (PROJECT / "docs" / "monitoring.md").read_text()
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


def test_dynamodb_refuses_to_delete_the_backed_up_tables_of_a_protected_stage() -> None:
    protected = properties("AWS::DynamoDB::Table", DeletionProtection="true")
    assert {name: table.get("DeletionProtectionEnabled", False) for name, table in protected.items()} == {
        name: "PointInTimeRecoverySpecification" in table for name, table in TABLES.items()
    }
    assert not any(table.get("DeletionProtectionEnabled") for table in TABLES.values())


VAULT = "arn:aws:backup:eu-central-1:210987654321:backup-vault:images"


def test_a_stage_with_a_vault_backs_up_everything_that_cannot_be_made_again() -> None:
    (selection,) = properties("AWS::Backup::BackupSelection", BackupVaultName="images").values()
    selected = [resource["Fn::GetAtt"].removesuffix(".Arn") for resource in selection["BackupSelection"]["Resources"]]
    assert selected == [
        *(name for name, table in TABLES.items() if "PointInTimeRecoverySpecification" in table),
        *(name for name, bucket in BUCKETS.items() if "VersioningConfiguration" in bucket),
    ]


def test_each_backup_is_copied_to_a_given_vault_only() -> None:
    def rule(**parameters: str) -> dict[str, Any]:
        (plan,) = properties("AWS::Backup::BackupPlan", BackupVaultName="images", **parameters).values()
        (only,) = plan["BackupPlan"]["BackupPlanRule"]
        return dict(only)

    kept = {"DeleteAfterDays": "90"}
    assert "CopyActions" not in rule()
    copied = rule(BackupDays="90", BackupCopyVaultArn=VAULT)
    assert (copied["TargetBackupVault"], copied["Lifecycle"]) == ("images", kept)
    assert copied["CopyActions"] == [{"DestinationBackupVaultArn": VAULT, "Lifecycle": kept}]


def test_a_stage_without_a_vault_has_no_resources_of_aws_backup() -> None:
    kinds = ("AWS::Backup::BackupPlan", "AWS::Backup::BackupSelection", "AWS::IAM::Role")
    assert {name for kind in kinds for name in resources(kind)} == set()
    with_vault = {name for kind in kinds for name in resources(kind, BackupVaultName="images")}
    assert with_vault == {"BackupPlan", "BackupSelection", "BackupRole"}


def test_the_logs_of_the_api_and_of_every_function_have_a_retention_period() -> None:
    logs = properties("AWS::Logs::LogGroup", LogRetentionDays="7").values()
    retention_days = {log["LogGroupName"]: log["RetentionInDays"] for log in logs}
    names = [gateway.access_log(STAGE), *(f"/aws/lambda/{function}" for function in FUNCTIONS)]
    assert retention_days == dict.fromkeys(names, "7")


def test_the_template_fits_into_a_request_to_cloudformation() -> None:
    text = PATH.read_text()
    short = compact(text)
    # CloudFormation, "quotas": 51,200 bytes. A larger template would need a bucket before the first deployment.
    assert len(short.encode()) <= 51_200
    body = json.loads(TEMPLATE.parsed["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    parsed = parse(short).parsed
    dashboard = parsed["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    dashboard["Fn::Sub"] = json.loads(dashboard["Fn::Sub"])
    expected = parse(text).parsed
    expected["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"] = body
    assert parsed == expected


def test_an_alarm_watches_the_errors_of_every_function() -> None:
    # A failure of the function of the API is a 5xx, which the alarms of availability watch.
    errors = watched(ALARMS["FunctionErrorsAlarm"]) | watched(ALARMS["BackgroundErrorsAlarm"])
    assert errors == {
        ("AWS/Lambda", metric, "FunctionName", function)
        for metric in ("Errors", "Invocations")
        for function in FUNCTIONS - {lambda_name(app, API, STAGE)}
    }


def test_an_alarm_watches_the_age_of_events_of_every_function_that_has_some() -> None:
    handlers = {event.name for event in app.event_sources if isinstance(event, S3EventConfig)}
    assert watched(ALARMS["EventAgeAlarm"]) == {
        ("AWS/Lambda", "AsyncEventAge", "FunctionName", f"images-api-{STAGE}-{name}") for name in handlers
    }


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_an_alarm_compares_the_duration_of_every_function_with_its_time_limit(stage: str) -> None:
    config = stage_config(stage)
    milliseconds = {
        name: config.scope(stage, name).lambda_timeout * 1000
        for name in declared(app)
        if config.scope(stage, name).lambda_timeout
    }
    assert set(milliseconds) == set(declared(app))
    (expression, *_) = (metric for metric in ALARMS["NearTimeoutAlarm"]["Metrics"] if metric["ReturnData"])
    compared = re.findall(r"d_(\w+) / (\d+)", expression["Expression"])
    assert {name: int(limit) for name, limit in compared} == milliseconds
    assert watched(ALARMS["NearTimeoutAlarm"]) == {
        ("AWS/Lambda", "Duration", "FunctionName", function) for function in FUNCTIONS
    }


def test_an_alarm_watches_every_table() -> None:
    assert watched(ALARMS["TableThrottlesAlarm"]) == {
        ("AWS/DynamoDB", metric, "TableName", table)
        for metric in ("ReadThrottleEvents", "WriteThrottleEvents")
        for table in TABLES
    }


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)
def test_an_alarm_defines_the_meaning_of_missing_data_and_uses_all_its_metrics(alarm: dict[str, Any]) -> None:
    assert alarm["TreatMissingData"] in ("breaching", "notBreaching")
    metrics = alarm.get("Metrics", [])
    # CloudWatch, "limits that apply to alarms based on metric math expressions": ten metrics.
    assert sum("MetricStat" in metric for metric in metrics) <= 10
    expressions = " ".join(metric["Expression"] for metric in metrics if "Expression" in metric)
    ids = {metric["Id"] for metric in metrics if not metric["ReturnData"]}
    assert expressions == "SUM(METRICS())" or ids == set(re.findall(r"\b[a-z]\w*", expressions))
    # The metrics of an expression must have the same period.
    assert len({metric["MetricStat"]["Period"] for metric in metrics if "MetricStat" in metric}) <= 1


@pytest.mark.parametrize("alarm", NOTIFYING.values(), ids=NOTIFYING)
def test_an_alarm_that_notifies_has_a_runbook_of_its_name(alarm: dict[str, Any]) -> None:
    name = alarm["AlarmName"].removeprefix(f"images-api-{STAGE}-")
    what, runbook = alarm["AlarmDescription"].split(" Runbook: ")
    assert runbook == f"docs/monitoring.md#{name}"
    assert len(what.split()) >= 6, "An AlarmDescription says what has happened."
    assert re.search(rf"^### {name}\n\n(.+\n)+", MONITORING, re.MULTILINE), "no paragraph in docs/monitoring.md"


def test_a_part_of_a_composite_alarm_names_the_whole() -> None:
    for composite in COMPOSITES.values():
        name = composite["AlarmName"].removeprefix(f"images-api-{STAGE}-")
        long, short = re.findall(r"\$\{(\w+)\}", composite["AlarmRule"])
        assert all(ALARMS[part]["AlarmDescription"].startswith(f"Part of {name}: ") for part in (long, short))


@pytest.mark.parametrize(
    ("long", "short", "rate"),
    [
        ("AvailabilityHourAlarm", "AvailabilityFiveMinutesAlarm", 14.4),
        ("AvailabilitySixHoursAlarm", "AvailabilityHalfHourAlarm", 6),
    ],
)
def test_both_windows_of_an_alarm_of_availability_have_the_rate_in_the_docs(long: str, short: str, rate: float) -> None:
    budget = 1 - 0.999
    assert [ALARMS[name]["Threshold"] for name in (long, short)] == pytest.approx([rate * budget] * 2)
    windows = [metric["MetricStat"]["Period"] for metric in ALARMS[long]["Metrics"] if "MetricStat" in metric]
    assert windows[0] == 12 * ALARMS[short]["Period"]


@pytest.mark.parametrize(
    ("name", "quiet", "bad"),
    [
        # One failure in a quiet hour, and 20 of 1,000.
        ("AvailabilityHourAlarm", {"failed": 1, "average": 1}, {"failed": 20, "average": 0.02}),
        ("AvailabilitySixHoursAlarm", {"failed": 4, "average": 1}, {"failed": 7, "average": 0.007}),
        ("ListsSixHoursAlarm", {"lists": 49, "fast": 0}, {"lists": 100, "fast": 93}),
        ("ListsHalfHourAlarm", {"fast": 94}, {"fast": 93.9}),
        ("LatencyAlarm", {"requests": 99, "latency": 9_000}, {"requests": 100, "latency": 3_001}),
        ("ClientErrorsAlarm", {"requests": 99, "average": 1}, {"requests": 100, "average": 0.51}),
        ("ThrottledRequestsAlarm", {"throttled": 9, "requests": 9}, {"throttled": 10, "requests": 900}),
        ("FunctionThrottlesAlarm", {"throttled": 9, "invoked": 0}, {"throttled": 10, "invoked": 900}),
        ("FunctionErrorsAlarm", {"e_list_images": 4, "i_list_images": 4}, {"e_list_images": 5, "i_list_images": 99}),
        ("BackgroundErrorsAlarm", {"e_sweep": 2, "i_sweep": 2}, {"e_sweep": 3, "i_sweep": 29}),
        ("EventAgeAlarm", {"a_on_object_created": 600_000}, {"a_on_object_created": 600_001}),
        ("NearTimeoutAlarm", {"d_api_handler": 27_000}, {"d_api_handler": 27_001}),
    ],
)
def test_an_alarm_needs_a_share_of_enough_requests(name: str, quiet: dict[str, float], bad: dict[str, float]) -> None:
    alarm = ALARMS[name]
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert value(alarm, quiet) <= alarm["Threshold"] < value(alarm, bad)


def test_only_the_alarm_of_the_schedule_treats_missing_data_as_breaching() -> None:
    breaching = {name: alarm for name, alarm in ALARMS.items() if alarm["TreatMissingData"] == "breaching"}
    assert [(alarm["Namespace"], alarm["MetricName"]) for alarm in breaching.values()] == [
        (f"images-api/{STAGE}", "oldest_unfinished_seconds")
    ]


def test_alarms_notify_only_a_given_topic_also_when_they_end() -> None:
    given = {**properties("AWS::CloudWatch::Alarm", AlarmTopicArn=TOPIC)}
    given |= properties("AWS::CloudWatch::CompositeAlarm", AlarmTopicArn=TOPIC)
    notifying = {name: alarm for name, alarm in given.items() if "AlarmActions" in alarm or "OKActions" in alarm}
    assert set(notifying) == set(NOTIFYING)
    assert all(alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC] for alarm in notifying.values())
    assert not any({"AlarmActions", "OKActions"} & alarm.keys() for alarm in (ALARMS | COMPOSITES).values())


def test_a_budget_notifies_an_address_or_the_topic_of_the_alarms() -> None:
    assert properties("AWS::Budgets::Budget") == properties("AWS::Budgets::Budget", MonthlyBudgetUsd="0") == {}

    def subscribers(**parameters: str) -> list[list[dict[str, str]]]:
        given = {"MonthlyBudgetUsd": "50", "AlarmTopicArn": TOPIC, **parameters}
        (budget,) = properties("AWS::Budgets::Budget", **given).values()
        assert budget["Budget"]["BudgetLimit"] == {"Amount": "50", "Unit": "USD"}
        assert budget["Budget"]["CostFilters"] == {"TagKeyValue": [f"user:stage${STAGE}"]}
        return [notification["Subscribers"] for notification in budget["NotificationsWithSubscribers"]]

    assert subscribers() == [[{"SubscriptionType": "SNS", "Address": TOPIC}]] * 2
    mail = {"SubscriptionType": "EMAIL", "Address": "ops@example.com"}
    assert subscribers(BudgetEmail="ops@example.com") == [[mail]] * 2


def test_the_dashboard_begins_with_the_slos() -> None:
    titles = [widget["properties"]["title"] for widget in json.loads(DASHBOARD["DashboardBody"])["widgets"]]
    assert [title for title in titles[:4] if "SLO" in title or "budget" in title] == titles[:4]


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
        f"${{{name}.Arn}}" for name in NOTIFYING
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


def test_pages_of_every_origin_may_use_presigned_urls_and_read_the_etag_of_a_part() -> None:
    rules = {name: bucket["CorsConfiguration"]["CorsRules"] for name, bucket in BUCKETS.items()}
    rest = {"AllowedOrigins": ["*"], "AllowedHeaders": ["*"], "ExposedHeaders": ["ETag"], "MaxAge": 3600}
    assert rules == {
        "OriginalsBucket": [{"AllowedMethods": ["GET", "HEAD"], **rest}],
        "DerivedBucket": [{"AllowedMethods": ["GET", "HEAD"], **rest}],
        "StagedBucket": [{"AllowedMethods": ["PUT", "POST"], **rest}],
    }


def watched(alarm: dict[str, Any]) -> set[tuple[str, ...]]:
    """Return the metrics that an alarm reads: namespace, name, dimension and its value."""
    metrics = [metric["MetricStat"]["Metric"] for metric in alarm["Metrics"] if "MetricStat" in metric]
    return {
        (metric["Namespace"], metric["MetricName"], dimension["Name"], _text(dimension["Value"]))
        for metric in metrics
        for dimension in metric["Dimensions"]
    }


def value(alarm: dict[str, Any], given: dict[str, float]) -> float:
    """Return the value of an alarm's expression. A metric that is not given is 0, or 1 if it counts invocations."""
    values: dict[str, Any] = {"SUM": sum, "MAX": max, "IF": lambda condition, yes, no: yes if condition else no}
    for metric in reversed(alarm["Metrics"]):  # an expression follows those that use it
        name = metric["Id"]
        if "Expression" in metric:
            values[name] = eval(metric["Expression"], values)  # noqa: S307 - from resources.yaml
        else:
            values[name] = given.get(name, int(name.startswith("i_")))
    (result,) = (values[metric["Id"]] for metric in alarm["Metrics"] if metric["ReturnData"])
    return float(result)


def _text(value: Any) -> str:
    text: str = value["Ref"] if isinstance(value, dict) else value
    return text
