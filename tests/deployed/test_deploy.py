"""`make deploy` and `make destroy` on a real LocalStack: what is there then, and that nothing is left."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
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
from tests.deployed.conftest import inventory, run

FUNCTIONS = "images-api-local"
EVENT_HANDLERS = {"on_object_created", "on_upload_staged"}
QUEUE = "arn:aws:sqs:us-east-1:000000000000:images-dead-letters"
BUCKETS = ("images-originals", "images-derived", "images-staged")

TEMPLATE = parse((PROJECT / "resources.yaml").read_text())
CONFIG = stage_config("local")
NAMES = {name: lambda_name(CONFIG.chalice_app, name, "local") for name in declared(CONFIG.chalice_app)}


@pytest.fixture(scope="module")
def api(address: str) -> str:
    """The id of the REST API."""
    return urlsplit(address).path.split("/")[3]


def client(service: Any) -> Any:
    return boto3.client(service)


def last_changes(api: str) -> Any:
    """What would change if anything was deployed."""
    functions = client("lambda").list_functions()["Functions"]
    (stack,) = client("cloudformation").describe_stacks(StackName="images-api-local")["Stacks"]
    stages = client("apigateway").get_stages(restApiId=api)["item"]
    return (
        {function["FunctionName"]: function["RevisionId"] for function in functions},
        stack.get("LastUpdatedTime"),
        [(stage["deploymentId"], stage["lastUpdatedDate"]) for stage in stages],
    )


def test_after_a_crash_the_next_run_finishes_with_one_api_and_one_of_each_function(address: str) -> None:
    found = inventory()
    assert len(found["APIs"]) == 1
    assert found["functions"] == set(NAMES.values())
    assert found["roles"] == {f"images-api-local-{name}" for name in NAMES}


def test_a_run_with_nothing_new_changes_nothing(address: str, api: str) -> None:
    before = last_changes(api)
    again = run("deploy").stdout
    assert again.splitlines()[1:] == [
        "Stack images-api-local: nothing to change.",
        "Functions and API: nothing to change.",
        address,
    ]
    assert last_changes(api) == before


def test_what_chalice_cannot_set_is_set(address: str, api: str) -> None:
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
    wanted = (options.api_requests_per_second, options.api_burst)
    assert (limits["throttlingRateLimit"], limits["throttlingBurstLimit"]) == wanted
    for kind, response in gateway.responses(read(CONFIG.environment_variables)).items():
        set_ = rest.get_gateway_response(restApiId=api, responseType=kind)
        assert {name: set_[name] for name in response} == response


def test_each_role_may_do_what_its_file_says_and_only_lambda_takes_it(address: str) -> None:
    iam = client("iam")
    for name in NAMES:
        role = f"images-api-local-{name}"
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        assert document == json.loads((PROJECT / ".chalice" / f"policy-local-{name}.json").read_text())
        (trust,) = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_buckets_are_private_encrypted_and_only_for_tls(address: str) -> None:
    s3 = client("s3")
    for bucket in BUCKETS:
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
        (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        (tls,) = [s for s in statements if s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}]
        assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", "s3:*")
    assert s3.get_bucket_versioning(Bucket="images-originals")["Status"] == "Enabled"


def test_events_and_schedule_lead_to_their_functions(address: str) -> None:
    for bucket, name in (("images-originals", "on_object_created"), ("images-staged", "on_upload_staged")):
        found = client("s3").get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
        assert [(e["LambdaFunctionArn"].rpartition(":")[2], e["Events"]) for e in found] == [
            (NAMES[name], ["s3:ObjectCreated:*"])
        ]
    events = client("events")
    (rule,) = events.list_rules()["Rules"]
    (aim,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(5 minutes)", "ENABLED")
    assert aim["Arn"].rpartition(":")[2] == NAMES["sweep"]


def test_there_is_a_log_group_for_each_function(address: str) -> None:
    assert inventory()["log groups"] == {f"/aws/lambda/{function}" for function in NAMES.values()}


def test_the_alarms_watch_what_they_are_declared_to(address: str) -> None:
    found = {alarm["AlarmName"]: alarm for alarm in client("cloudwatch").describe_alarms()["MetricAlarms"]}
    declared_alarms = TEMPLATE.resources("AWS::CloudWatch::Alarm", Stage="local")
    assert set(found) == {alarm["Properties"]["AlarmName"] for alarm in declared_alarms.values()}
    for declared_alarm in declared_alarms.values():
        wanted = declared_alarm["Properties"]
        alarm = found[wanted["AlarmName"]]
        for name in ("MetricName", "Namespace", "Threshold", "ComparisonOperator", "TreatMissingData"):
            assert alarm.get(name) == wanted.get(name)
        assert len(alarm.get("Metrics", [])) == len(wanted.get("Metrics", []))


def test_the_dead_letters_are_encrypted_and_only_for_tls(address: str) -> None:
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


def test_only_what_invokes_a_function_may(address: str) -> None:
    for name in EVENT_HANDLERS:
        (allowed,) = json.loads(client("lambda").get_policy(FunctionName=NAMES[name])["Policy"])["Statement"]
        assert (allowed["Principal"], allowed["Action"]) == ({"Service": "s3.amazonaws.com"}, "lambda:InvokeFunction")
        assert allowed["Condition"]["StringEquals"] == {"AWS:SourceAccount": "000000000000"}
        assert allowed["Condition"]["ArnLike"]["AWS:SourceArn"].startswith("arn:aws:s3:::images-")


def black_box(url: str, *tests: str) -> None:
    """Run tests that know nothing but an address."""
    options = ["--url", url, "--lambda-endpoint", boto3.client("lambda").meta.endpoint_url]
    options += ["--function-prefix", f"{FUNCTIONS}-", "--localstack"]
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, *options]
    done = subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, timeout=1_200)
    print(done.stdout[-20_000:])
    assert done.returncode == 0


@pytest.mark.timeout(1_200)
def test_the_black_box_tests_hold(address: str) -> None:
    black_box(address, "tests/http")


def test_the_other_form_of_the_address_works_as_well(address: str, api: str, place: Target) -> None:
    url = f"{place.endpoint_url}/restapis/{api}/local/_user_request_"
    black_box(url, "tests/http/contracts", "tests/http/test_images.py", "tests/http/test_errors.py")


def background(command: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "scripts.background", command, "local"]
    return subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, timeout=300)


def test_the_schedule_can_be_invoked(address: str) -> None:
    swept = background("sweep")
    assert (swept.returncode, json.loads(swept.stdout)["count"]) == (0, 0), swept.stderr


def test_an_event_that_fails_again_and_again_is_a_dead_letter_and_can_be_redriven(address: str) -> None:
    function = NAMES["on_object_created"]
    client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps({"Records": [{}]}))
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName="images-dead-letters")["QueueUrl"]

    def letters() -> int:
        counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(counted["Attributes"]["ApproximateNumberOfMessages"])

    eventually(lambda: letters() == 1, seconds=240)  # Lambda waits a minute before its second try, two before the third
    failed = background("redrive")
    assert failed.stdout.splitlines()[-1] == "0 events processed, 1 failed again."
    assert failed.stdout.startswith(f"{function} failed again: ")
    sqs.purge_queue(QueueUrl=url)


def eventually(seen: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(1)


def test_nothing_is_destroyed_unasked(address: str) -> None:
    before = inventory()
    line = [sys.executable, "-m", "deploy", "destroy", "local"]
    asked = subprocess.run(line, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert asked.returncode == 1
    assert asked.stderr.startswith("This deletes the stage local from LocalStack at ")
    assert inventory() == before
