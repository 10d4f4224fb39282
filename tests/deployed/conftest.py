"""Deploy the stage `local` to an empty LocalStack, and destroy it after the tests."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from deploy import target
from project import PROJECT
from project.stages import LOCAL
from tests.browser.conftest import browser  # noqa: F401
from tests.pictures import picture

Inventory = dict[str, set[str]]

CHALICE = Path(sys.executable).with_name("chalice")
RECORDS = PROJECT / ".chalice" / "deployed"  # where Chalice reads what it deployed
KEPT = "kept"  # the owner of an image that was uploaded before `chalice delete`


@pytest.fixture(scope="session")
def localstack() -> target.Target:
    """Return the LocalStack that AWS_ENDPOINT_URL names."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        pytest.skip("There is no LocalStack to deploy to: AWS_ENDPOINT_URL is not set.")
    return target.find(LOCAL)


@pytest.fixture(scope="session")
def address(localstack: target.Target) -> Iterator[str]:
    """Deploy the stage and return its URL. The first runs are killed, so a later run must finish their work.

    Then `chalice delete` deletes functions and API, and `chalice deploy` makes them again for the same data.

    After all tests, the stage is destroyed in the same way. It is an error if a resource is left.
    """
    if resources := {kind: names for kind, names in inventory().items() if names}:
        pytest.fail(
            f"These tests need an empty LocalStack, because they destroy the stage local. This one has {resources}.",
            pytrace=False,
        )
    # At this line, CloudFormation has begun to create the stack. It continues without the killed process.
    kill("deploy", when=lambda line: line.startswith("Deploying the stage") and _stack_exists())
    run("destroy")
    assert not any(inventory().values())
    # At this line, the API exists, its stage does not, and Chalice has not recorded what it created.
    kill("deploy", when=lambda line: line.startswith("Creating Rest API"))
    first = run("deploy").stdout.splitlines()[-1]
    _upload(first)
    shutil.rmtree(RECORDS)  # as in a fresh clone
    assert chalice("delete").returncode == 0
    left = inventory()
    assert [left[kind] for kind in ("APIs", "functions", "roles", "rules")] == [set()] * 4
    yield chalice("deploy").stdout.splitlines()[-1]
    kill("destroy", when=lambda line: line.startswith("Deleting function"))
    assert any(inventory().values())
    run("destroy")
    assert {kind: names for kind, names in inventory().items() if names} == {}
    assert run("destroy").stdout.startswith("The stage local does not exist on LocalStack")


def _upload(url: str) -> None:
    """Upload an image, and wait until it is processed, so that no event is on its way when functions are deleted."""
    fields = {"user_id": KEPT, "title": "Older than the API"}
    image = requests.post(f"{url}/images", fields, files={"file": picture()}, timeout=60).json()
    deadline = time.monotonic() + 60
    while "analysis" not in requests.get(f"{url}/images/{image['image_id']}", timeout=60).json():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _stack_exists() -> bool:
    deadline = time.monotonic() + 30
    while not inventory()["stacks"]:
        assert time.monotonic() < deadline
    return True


def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `deploy` for the stage to its end."""
    ended = subprocess.run([*_line(command), *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def chalice(command: str, *options: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of Chalice for the stage to its end."""
    line = [str(CHALICE), command, "--stage", LOCAL, *options]
    return subprocess.run(line, cwd=PROJECT, input=given, capture_output=True, text=True, timeout=600)


def kill(command: str, when: Callable[[str], bool]) -> None:
    """Run `make deploy` or `make destroy`, and kill it when it prints a certain line."""
    with subprocess.Popen(_line(command), cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(when(line) for line in process.stdout), "The command never printed this line."
        process.send_signal(signal.SIGKILL)


def eventually(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(1)


def inventory() -> Inventory:
    """Return the names of all resources in LocalStack, by kind."""

    def names(service: Any, operation: str, key: str, name: str | None) -> set[str]:
        pages = boto3.client(service).get_paginator(operation).paginate()
        entries = [entry for page in pages for entry in page.get(key, [])]
        return {entry[name] if name else entry for entry in entries}

    pages = boto3.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=["CompositeAlarm"])
    buckets = boto3.client("s3").list_buckets()["Buckets"]
    stacks = boto3.client("cloudformation").describe_stacks()["Stacks"]
    return {
        "alarms": names("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        "APIs": names("apigateway", "get_rest_apis", "items", "id"),
        "buckets": {bucket["Name"] for bucket in buckets},
        "composite alarms": {alarm["AlarmName"] for page in pages for alarm in page.get("CompositeAlarms", [])},
        "dashboards": names("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
        "functions": names("lambda", "list_functions", "Functions", "FunctionName"),
        "log groups": names("logs", "describe_log_groups", "logGroups", "logGroupName"),
        "parameters": names("ssm", "describe_parameters", "Parameters", "Name"),
        "queues": names("sqs", "list_queues", "QueueUrls", None),
        "roles": names("iam", "list_roles", "Roles", "RoleName"),
        "rules": names("events", "list_rules", "Rules", "Name"),
        "stacks": {stack["StackName"] for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"},
        "tables": names("dynamodb", "list_tables", "TableNames", None),
    }


def _line(command: str) -> list[str]:
    return [sys.executable, "-u", "-m", "deploy", command, "local", *(["--yes"] if command == "destroy" else [])]
