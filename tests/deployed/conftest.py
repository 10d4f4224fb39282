"""A LocalStack of these tests' own: they deploy the stage `local` there, and destroy it in the end."""

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
def place() -> target.Target:
    """The LocalStack that AWS_ENDPOINT_URL names."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        pytest.skip("There is no LocalStack to deploy to: AWS_ENDPOINT_URL is not set.")
    return target.find(LOCAL)


@pytest.fixture(scope="session")
def address(place: target.Target) -> Iterator[str]:
    """Where the stage answers, deployed by a second run after one that was killed.

    So it is destroyed in the end, when all tests have run; and an error, if that leaves anything.
    """
    if found := {kind: names for kind, names in inventory().items() if names}:
        pytest.fail(f"These tests destroy the stage local; this LocalStack has {found}.", pytrace=False)
    # CloudFormation makes the stack then, and goes on without who asked for it.
    kill("deploy", when=lambda line: line.startswith("Deploying the stage") and _is_begun())
    run("destroy")
    assert not any(inventory().values())
    # The API is there then, its stage is not, and Chalice hasn't written down what it made.
    kill("deploy", when=lambda line: line.startswith("Creating Rest API"))
    yield run("deploy").stdout.splitlines()[-1]
    kill("destroy", when=lambda line: line.startswith("Deleting function"))
    assert any(inventory().values())
    run("destroy")
    assert {kind: names for kind, names in inventory().items() if names} == {}
    assert run("destroy").stdout.startswith("The stage local does not exist on LocalStack")


def _is_begun() -> bool:
    deadline = time.monotonic() + 30
    while not inventory()["stacks"]:
        assert time.monotonic() < deadline
    return True


def run(command: str) -> subprocess.CompletedProcess[str]:
    """`make deploy` or `make destroy` to its end."""
    done = subprocess.run(_line(command), cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def kill(command: str, when: Callable[[str], bool]) -> None:
    """`make deploy` or `make destroy` until it prints a certain line, and no further."""
    with subprocess.Popen(_line(command), cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(when(line) for line in process.stdout), "It never came that far."
        process.send_signal(signal.SIGKILL)


def inventory() -> Inventory:
    """The names of all that LocalStack has, by kind."""

    def names(service: Any, operation: str, key: str, name: str | None) -> set[str]:
        pages = boto3.client(service).get_paginator(operation).paginate()
        found = [entry for page in pages for entry in page.get(key, [])]
        return {entry[name] if name else entry for entry in found}

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
