"""`make destroy` deletes the protected stage `prod` only if its name is given.

The stage has its stack only: functions and API are deleted as those of any other stage.
"""

import subprocess
import sys

import boto3
import pytest

from deploy import target
from project import PROJECT
from tests.deployed.conftest import inventory

STACK_OF_PROD = """
from deploy import stack, target
from deploy.stage import prepare
secrets = {"CURSOR_SECRET": "c" * 40, "JWT_SECRET": "j" * 40}
stack.apply(prepare("prod", target.find("prod"), lambda configured: secrets))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.fixture
def stack_of_prod(localstack: target.Target) -> None:
    created = run("-c", STACK_OF_PROD)
    assert created.returncode == 0, created.stderr


def test_a_protected_stage_is_deleted_only_by_its_name(stack_of_prod: None) -> None:
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="images-api-prod")["Stacks"]
    assert stack["EnableTerminationProtection"]
    # LocalStack's CloudFormation ignores this property of a table.
    boto3.client("dynamodb").update_table(TableName="images-prod", DeletionProtectionEnabled=True)
    before = inventory()

    refused = run("-m", "deploy", "destroy", "prod", "--yes")
    assert refused.returncode == 1
    assert refused.stderr.startswith("This deletes the protected stage prod from LocalStack at ")
    assert refused.stderr.endswith(" Confirm with CONFIRM=prod.\n")
    assert inventory() == before

    destroyed = run("-m", "deploy", "destroy", "prod", "--confirm", "prod")
    assert destroyed.returncode == 0, destroyed.stderr
    assert not [name for names in inventory().values() for name in names if "prod" in name]
