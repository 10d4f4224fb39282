"""Deploy the stage `local` to an empty LocalStack, and destroy it after the tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from deploy import target
from project import PROJECT
from project.stages import LOCAL

Inventory = dict[str, set[str]]


@pytest.fixture(scope="session")
def localstack() -> target.Target:
    """Return the LocalStack that AWS_ENDPOINT_URL names."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        pytest.skip("There is no LocalStack to deploy to: AWS_ENDPOINT_URL is not set.")
    return target.find(LOCAL)


@pytest.fixture(scope="session")
def address(localstack: target.Target) -> Iterator[str]:
    """Deploy the stage and return its URL. The first runs are killed, so a later run must finish their work.

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
    yield run("deploy").stdout.splitlines()[-1]
    kill("destroy", when=lambda line: line.startswith("Deleting function"))
    assert any(inventory().values())
    run("destroy")
    assert {kind: names for kind, names in inventory().items() if names} == {}
    assert run("destroy").stdout.startswith("The stage local does not exist on LocalStack")


def _stack_exists() -> bool:
    deadline = time.monotonic() + 30
    while not inventory()["stacks"]:
        assert time.monotonic() < deadline
    return True


def run(command: str) -> subprocess.CompletedProcess[str]:
    """Run `make deploy` or `make destroy` to its end."""
    ended = subprocess.run(_line(command), cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


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

    buckets = boto3.client("s3").list_buckets()["Buckets"]
    stacks = boto3.client("cloudformation").describe_stacks()["Stacks"]
    return {
        "alarms": names("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        "APIs": names("apigateway", "get_rest_apis", "items", "id"),
        "buckets": {bucket["Name"] for bucket in buckets},
        "dashboards": names("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
        "functions": names("lambda", "list_functions", "Functions", "FunctionName"),
        "log groups": names("logs", "describe_log_groups", "logGroups", "logGroupName"),
        "queues": names("sqs", "list_queues", "QueueUrls", None),
        "roles": names("iam", "list_roles", "Roles", "RoleName"),
        "rules": names("events", "list_rules", "Rules", "Name"),
        "stacks": {stack["StackName"] for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"},
        "tables": names("dynamodb", "list_tables", "TableNames", None),
    }


def _line(command: str) -> list[str]:
    return [sys.executable, "-u", "-m", "deploy", command, "local", *(["--yes"] if command == "destroy" else [])]
