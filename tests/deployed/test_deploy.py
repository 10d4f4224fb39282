"""`make deploy` creates every resource on a real LocalStack, and `make destroy` deletes them."""

import json
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from chalicelib.config import read
from chalicelib.permissions import declared, lambda_name
from deploy import gateway
from deploy.options import Options
from deploy.target import Target
from project import PROJECT
from project.stages import stage_config
from project.template import parse
from tests.deployed.conftest import eventually, inventory, run

FUNCTIONS = "images-api-local"
EVENT_HANDLERS = {"on_object_created", "on_upload_staged"}
QUEUE = "arn:aws:sqs:us-east-1:000000000000:images-dead-letters"
BUCKETS = ("images-originals", "images-derived", "images-staged")

TEMPLATE = parse((PROJECT / "resources.yaml").read_text())
CONFIG = stage_config("local")
NAMES = {name: lambda_name(CONFIG.chalice_app, name, "local") for name in declared(CONFIG.chalice_app)}


@pytest.fixture(scope="module")
def api(address: str) -> str:
    """Return the id of the REST API."""
    return urlsplit(address).path.split("/")[3]


def client(service: Any) -> Any:
    return boto3.client(service)


def last_changes(api: str) -> Any:
    """Return revisions and times that change with every deployment."""
    functions = client("lambda").list_functions()["Functions"]
    (stack,) = client("cloudformation").describe_stacks(StackName="images-api-local")["Stacks"]
    stages = client("apigateway").get_stages(restApiId=api)["item"]
    return (
        {function["FunctionName"]: function["RevisionId"] for function in functions},
        stack.get("LastUpdatedTime"),
        [(stage["deploymentId"], stage["lastUpdatedDate"]) for stage in stages],
    )


def test_a_run_after_a_crash_leaves_one_api_and_one_of_each_function(address: str) -> None:
    resources = inventory()
    assert len(resources["APIs"]) == 1
    assert resources["functions"] == set(NAMES.values())
    assert resources["roles"] == {f"images-api-local-{name}" for name in NAMES}


def test_a_second_run_changes_nothing(address: str, api: str) -> None:
    before = last_changes(api)
    again = run("deploy").stdout
    assert again.splitlines()[1:] == [
        "Stack images-api-local: nothing to change.",
        "Functions and API: nothing to change.",
        address,
    ]
    assert last_changes(api) == before


def test_properties_that_chalice_cannot_set_are_set(address: str, api: str) -> None:
    functions = client("lambda")
    for name in EVENT_HANDLERS:
        failures = functions.get_function_event_invoke_config(FunctionName=NAMES[name])
        assert failures["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}
        assert (failures["MaximumRetryAttempts"], failures["MaximumEventAgeInSeconds"]) == (2, 21_600)
    reserved = {
        name: functions.get_function_concurrency(FunctionName=function).get("ReservedConcurrentExecutions")
        for name, function in NAMES.items()
    }
    assert reserved == {**dict.fromkeys(NAMES), **dict.fromkeys(EVENT_HANDLERS, 5), "sweep": 1}

    rest = client("apigateway")
    (stage,) = rest.get_stages(restApiId=api)["item"]
    limits = stage["methodSettings"]["*/*"]
    options = Options()
    expected = (options.api_requests_per_second, options.api_burst)
    assert (limits["throttlingRateLimit"], limits["throttlingBurstLimit"]) == expected
    for kind, response in gateway.responses(read(CONFIG.environment_variables)).items():
        actual = rest.get_gateway_response(restApiId=api, responseType=kind)
        assert {name: actual[name] for name in response} == response


def test_each_role_has_the_policy_in_its_file_and_only_lambda_may_assume_it(address: str) -> None:
    iam = client("iam")
    for name in NAMES:
        role = f"images-api-local-{name}"
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        assert document == json.loads((PROJECT / ".chalice" / f"policy-local-{name}.json").read_text())
        (trust,) = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_buckets_are_private_and_encrypted_and_require_tls(address: str) -> None:
    s3 = client("s3")
    for bucket in BUCKETS:
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
        (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        (tls,) = [s for s in statements if s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}]
        assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", "s3:*")
    assert s3.get_bucket_versioning(Bucket="images-originals")["Status"] == "Enabled"


def test_events_and_the_schedule_invoke_their_functions(address: str) -> None:
    for bucket, name in (("images-originals", "on_object_created"), ("images-staged", "on_upload_staged")):
        targets = client("s3").get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
        assert [(each["LambdaFunctionArn"].rpartition(":")[2], each["Events"]) for each in targets] == [
            (NAMES[name], ["s3:ObjectCreated:*"])
        ]
    events = client("events")
    (rule,) = events.list_rules()["Rules"]
    (rule_target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(5 minutes)", "ENABLED")
    assert rule_target["Arn"].rpartition(":")[2] == NAMES["sweep"]


def test_each_function_has_a_log_group(address: str) -> None:
    assert inventory()["log groups"] == {f"/aws/lambda/{function}" for function in NAMES.values()}


def test_the_alarms_match_their_declarations(address: str) -> None:
    alarms = {alarm["AlarmName"]: alarm for alarm in client("cloudwatch").describe_alarms()["MetricAlarms"]}
    declared_alarms = TEMPLATE.resources("AWS::CloudWatch::Alarm", Stage="local")
    assert set(alarms) == {alarm["Properties"]["AlarmName"] for alarm in declared_alarms.values()}
    for declared_alarm in declared_alarms.values():
        expected = declared_alarm["Properties"]
        alarm = alarms[expected["AlarmName"]]
        for name in ("MetricName", "Namespace", "Threshold", "ComparisonOperator", "TreatMissingData"):
            assert alarm.get(name) == expected.get(name)
        assert len(alarm.get("Metrics", [])) == len(expected.get("Metrics", []))


def test_the_dead_letter_queue_is_encrypted_and_requires_tls(address: str) -> None:
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName="images-dead-letters")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (queue["SqsManagedSseEnabled"], queue["MessageRetentionPeriod"]) == ("true", str(14 * 24 * 3600))
    (tls,) = json.loads(queue["Policy"])["Statement"]
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_pages_of_configured_origins_may_use_the_buckets(address: str) -> None:
    for bucket, methods in zip(BUCKETS, (["GET", "HEAD"], ["GET", "HEAD"], ["PUT", "POST"]), strict=True):
        (rule,) = client("s3").get_bucket_cors(Bucket=bucket)["CORSRules"]
        assert (rule["AllowedMethods"], rule["ExposeHeaders"]) == (methods, ["ETag"])
        assert rule["AllowedOrigins"] == CONFIG.environment_variables["CORS_ORIGINS"].split()


def test_only_s3_may_invoke_the_event_handlers(address: str) -> None:
    for name in EVENT_HANDLERS:
        (allowed,) = json.loads(client("lambda").get_policy(FunctionName=NAMES[name])["Policy"])["Statement"]
        assert (allowed["Principal"], allowed["Action"]) == ({"Service": "s3.amazonaws.com"}, "lambda:InvokeFunction")
        assert allowed["Condition"]["StringEquals"] == {"AWS:SourceAccount": "000000000000"}
        assert allowed["Condition"]["ArnLike"]["AWS:SourceArn"].startswith("arn:aws:s3:::images-")


def black_box(url: str, *tests: str) -> None:
    """Run black-box tests against a URL."""
    options = ["--url", url, "--lambda-endpoint", boto3.client("lambda").meta.endpoint_url]
    options += ["--function-prefix", f"{FUNCTIONS}-"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, *options]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=1_200)
    print(ended.stdout[-20_000:])
    assert ended.returncode == 0


@pytest.mark.timeout(1_200)
def test_the_black_box_tests_pass(address: str) -> None:
    black_box(address, "tests/http")


def test_the_black_box_tests_pass_at_the_other_form_of_the_url(address: str, api: str, localstack: Target) -> None:
    url = f"{localstack.endpoint_url}/restapis/{api}/local/_user_request_"
    black_box(url, "tests/http/contracts", "tests/http/test_images.py", "tests/http/test_errors.py")


def background(command: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "scripts.background", command, "local"]
    return subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, timeout=300)


def test_make_sweep_runs_the_schedule(address: str) -> None:
    ended = background("sweep")
    assert (ended.returncode, json.loads(ended.stdout)["count"]) == (0, 0), ended.stderr


def test_an_event_that_fails_three_times_becomes_a_dead_letter_for_make_redrive(address: str) -> None:
    function = NAMES["on_object_created"]
    client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps({"Records": [{}]}))
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName="images-dead-letters")["QueueUrl"]

    def message_count() -> int:
        response = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(response["Attributes"]["ApproximateNumberOfMessages"])

    # Lambda waits one minute before its second attempt, and two minutes before the third.
    eventually(lambda: message_count() == 1, seconds=240)
    failed = background("redrive")
    assert failed.stdout.splitlines()[-1] == "0 events processed, 1 failed again."
    assert failed.stdout.startswith(f"{function} failed again: ")
    sqs.purge_queue(QueueUrl=url)


def test_make_destroy_asks_before_it_deletes(address: str) -> None:
    before = inventory()
    command = [sys.executable, "-m", "deploy", "destroy", "local"]
    ended = subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith("This deletes the stage local from LocalStack at ")
    assert inventory() == before
