"""A stage that was changed by hand is found by `make deploy CHECK=1` and repaired by `make deploy`."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import boto3
import pytest

from chalicelib.config import read
from deploy import stack
from deploy.options import Options
from deploy.stage import Stage
from deploy.target import Target
from project import PROJECT
from project.stages import stage_config
from tests.deployed.conftest import eventually, run
from tests.http.client import Service
from tests.pictures import base64_picture

STAGE = "images-api-local"
HANDLER = f"{STAGE}-on_object_created"
SENTENCES = {
    "/aws/lambda/images-api-local-sweep: the retention in days is 1, not 30.",
    "images-originals: the versioning is Suspended, not Enabled.",
    "images-api-local-dead-letters: the alarm is missing.",
    "list_images: environment variables that are missing: SECRETS_PARAMETER.",
    "list_images: environment variables that no deployment sets: DEBUG.",
    "on_object_created: the time-out is 1 s, not 120 s.",
    "on_object_created: its failed events do not go to a queue.",
    "on_object_created: s3 has no permission to invoke it for arn:aws:s3:::images-originals.",
    "on_object_created: the bucket images-originals does not invoke it for s3:ObjectCreated:*.",
    "upload_image: the code is not that of the last deployment.",
    "view_images: the handler is app.nothing, not app.view_images.",
    "view_images: the tracing mode is Active, not PassThrough.",
    "delete_images: the function does not exist.",
    "api_handler: the memory is 512 MB, not 1024 MB.",
    "api_handler: the API does not call the function as it is, but an earlier version or none.",
    "api_handler: not exactly the API may call the function by its alias.",
    "on_upload_staged: the reserved concurrency is 1, not 5.",
    "sweep: the permission anyone is not one of the deployment.",
    "The role images-api-local-sweep: the list of attached policies is arn:aws:iam::aws:policy/AdministratorAccess, "
    "not none.",
    "The role images-api-local-api_handler: its inline policy is not the one of the deployment.",
    "The role images-api-local-view_images: another service or account than Lambda may assume it.",
    "The rule images-api-local-sweep-event: the state is DISABLED, not ENABLED.",
    "The rule images-api-local-sweep-event: its target is not exactly the function sweep.",
    "API: the request rate is 1/s, not 500/s.",
    "API: the list of methods with settings is */*, ~1images/GET, not */*.",
    "API: the stage variable mine is not one of the deployment.",
    "API: /images/{image_id} has no method DELETE.",
    "API: the response THROTTLED is not the one of the deployment.",
}


def client(service: Any) -> Any:
    return boto3.client(service)


def check() -> tuple[int, list[str]]:
    """Run `make deploy CHECK=1`, and return its exit status and lines."""
    command = [sys.executable, "-m", "deploy", "check", "local"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout.splitlines()


def written() -> dict[Path, str]:
    return {path: path.read_text() for path in (PROJECT / ".chalice").glob("*.json")}


def damage_functions() -> None:
    functions = client("lambda")

    def configure(name: str, **changes: Any) -> None:
        functions.update_function_configuration(FunctionName=f"{STAGE}-{name}", **changes)
        functions.get_waiter("function_updated_v2").wait(FunctionName=f"{STAGE}-{name}")

    found = functions.get_function_configuration(FunctionName=f"{STAGE}-list_images")["Environment"]["Variables"]
    variables = {name: value for name, value in found.items() if name != "SECRETS_PARAMETER"}
    configure("list_images", Environment={"Variables": variables | {"DEBUG": "1"}})
    configure("on_object_created", Timeout=1)
    configure("view_images", Handler="app.nothing", TracingConfig={"Mode": "Active"})
    package = io.BytesIO()
    with ZipFile(package, "w") as entries:
        entries.writestr("app.py", "")
    functions.update_function_code(FunctionName=f"{STAGE}-upload_image", ZipFile=package.getvalue())
    functions.delete_function(FunctionName=f"{STAGE}-delete_images")
    functions.update_function_configuration(FunctionName=STAGE, MemorySize=512)
    (statement,) = json.loads(functions.get_policy(FunctionName=STAGE, Qualifier="live")["Policy"])["Statement"]
    functions.remove_permission(FunctionName=STAGE, Qualifier="live", StatementId=statement["Sid"])
    functions.put_function_concurrency(FunctionName=f"{STAGE}-on_upload_staged", ReservedConcurrentExecutions=1)
    functions.delete_function_event_invoke_config(FunctionName=HANDLER)
    (statement,) = json.loads(functions.get_policy(FunctionName=HANDLER)["Policy"])["Statement"]
    functions.remove_permission(FunctionName=HANDLER, StatementId=statement["Sid"])
    functions.add_permission(
        FunctionName=f"{STAGE}-sweep", StatementId="anyone", Action="lambda:InvokeFunction", Principal="*"
    )


def damage_roles_and_events() -> None:
    anything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam, role = client("iam"), f"{STAGE}-api_handler"
    iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=document(anything))
    iam.update_assume_role_policy(RoleName=f"{STAGE}-view_images", PolicyDocument=document(anyone))
    iam.attach_role_policy(RoleName=f"{STAGE}-sweep", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    client("s3").put_bucket_notification_configuration(Bucket="images-originals", NotificationConfiguration={})
    rule = f"{STAGE}-sweep-event"
    client("events").disable_rule(Name=rule)
    client("events").put_targets(Rule=rule, Targets=[{"Id": "2", "Arn": "arn:aws:sqs:us-east-1:000000000000:queue"}])


def damage_resources() -> None:
    client("logs").put_retention_policy(logGroupName=f"/aws/lambda/{STAGE}-sweep", retentionInDays=1)
    client("s3").put_bucket_versioning(Bucket="images-originals", VersioningConfiguration={"Status": "Suspended"})
    client("cloudwatch").delete_alarms(AlarmNames=[f"{STAGE}-dead-letters"])


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def damage_api() -> None:
    gateway = client("apigateway")
    (api,) = gateway.get_rest_apis()["items"]
    resources = gateway.get_resources(restApiId=api["id"], limit=500)["items"]
    (image,) = (each for each in resources if each["path"] == "/images/{image_id}")
    gateway.delete_method(restApiId=api["id"], resourceId=image["id"], httpMethod="DELETE")
    gateway.delete_gateway_response(restApiId=api["id"], responseType="THROTTLED")
    changes = {
        "/*/*/throttling/rateLimit": "1",
        "/~1images/GET/throttling/rateLimit": "1",
        "/variables/mine": "1",
    }
    operations = [{"op": "replace", "path": path, "value": value} for path, value in changes.items()]
    gateway.update_stage(restApiId=api["id"], stageName="local", patchOperations=operations)


@pytest.mark.timeout(600)
def test_a_stage_that_was_damaged_by_hand_is_found_and_repaired(address: str) -> None:
    damage_functions()
    damage_roles_and_events()
    damage_api()
    damage_resources()

    files = written()
    status, found = check()
    assert sorted(found) == sorted(SENTENCES)
    assert (status, written()) == (1, files)

    repaired = run("deploy").stdout.splitlines()
    assert set(found) <= set(repaired)
    assert check() == (0, [f"The stage local on LocalStack at {boto3.client('s3').meta.endpoint_url} is as deployed."])
    assert repaired[-1] == address

    service = Service(address)
    uploaded = service.call("POST", "/images", json={"user_id": "drift", "image_data": base64_picture()})
    assert uploaded.status_code == 201, uploaded.text
    image_id = uploaded.json()["metadata"]["image_id"]
    eventually(lambda: "analysis" in service.get(f"/images/{image_id}"), seconds=60)
    assert service.call("DELETE", f"/images/{image_id}").status_code == 200


def test_the_stack_is_compared_with_its_parameters(address: str, localstack: Target) -> None:
    settings = read(stage_config("local").environment_variables)
    stage = Stage("local", localstack, stage_config("local"), {}, settings, Options())
    assert stack.differences(stage) == []
    assert stack.differences(replace(stage, options=Options(log_retention_days=7))) == [
        "The parameter LogRetentionDays of the stack images-api-local is '30', not '7'."
    ]
    assert stack.differences(replace(stage, name="absent")) == ["The stack images-api-absent does not exist."]
