"""The data of the stage `prod`: it is protected, and its tables can be restored.

The stage has its stack only. Its functions and its API would be those of any other stage.
"""

import subprocess
import sys
from collections.abc import Iterator

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


RESTORE = """
import sys
from datetime import datetime
from deploy import target
from scripts import restore
wanted = restore.plan(target.find("prod"), "prod", datetime.fromisoformat(sys.argv[1]))
restore.check(wanted)
restore.prepare(wanted)
"""


@pytest.fixture
def stack_of_prod(localstack: target.Target) -> Iterator[None]:
    created = run("-c", STACK_OF_PROD)
    assert created.returncode == 0, created.stderr
    yield
    run("-m", "deploy", "destroy", "prod", "--confirm", "prod")
    left = [name for names in inventory().values() for name in names if "prod" in name]
    for table in left:  # of before a restore: the stack no longer owns it
        boto3.client("dynamodb").delete_table(TableName=table)


def table_names() -> set[str]:
    return {name for name in inventory()["tables"] if "-prod" in name}


def test_the_stack_owns_restored_tables_and_a_restore_can_be_repeated(stack_of_prod: None) -> None:
    dynamodb = boto3.client("dynamodb")
    dynamodb.put_item(TableName="items-prod", Item={"list": {"S": "items"}, "item_id": {"S": "1"}})
    before = table_names()
    for _ in range(2):
        restored = run("-c", RESTORE, "2026-11-20T10:00:00Z")
        assert restored.returncode == 0, restored.stderr
    new = {f"{name}-prod-20261120T100000Z" for name in ("images", "image_tags", "tag_counts", "items")}
    assert table_names() == before | new
    assert dynamodb.scan(TableName="items-prod-20261120T100000Z")["Count"] == 1
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="images-api-prod")["Stacks"]
    values = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert new < set(values.values())
    assert values["IdempotencyKeysTableName"] == "idempotency_keys-prod"

    # .chalice/config.json has the old names still.
    deployed = run("-c", STACK_OF_PROD)
    assert deployed.returncode == 1
    assert "images-prod, items-prod, tag_counts-prod. If `make restore` was stopped, complete it." in deployed.stderr
    other = run("-c", RESTORE, "2026-11-20T11:00:00Z")
    assert other.returncode == 1
    assert "Complete the restore to the other time" in other.stderr


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
