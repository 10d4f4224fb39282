"""The data of the stage `prod` survives what people do to a stage by mistake.

The stage has its stack only: its functions and its API would be those of any other stage.
"""

import subprocess
import sys
from collections.abc import Iterator

import boto3
import pytest

from deploy import data, target
from project import PROJECT
from tests.deployed.conftest import inventory

DEPLOY_STACK = """
from deploy import stack, target
from deploy.stage import prepare
stack.apply(prepare("prod", target.find("prod")))
"""
DEPLOY_STACK_OF_OLDER_CODE = f"""
from deploy import schema
schema.VERSION -= 1
{DEPLOY_STACK}
"""
RESTORE_TABLES = """
import sys
from datetime import datetime
from deploy import target
from scripts import restore
wanted = restore.plan(target.find("prod"), "prod", datetime.fromisoformat(sys.argv[1]))
restore.check(wanted)
restore.prepare(wanted)
"""


def run(*arguments: str) -> None:
    ended = _ended(*arguments)
    assert ended.returncode == 0, ended.stderr


def refused(*arguments: str) -> str:
    """Run a command that fails, and return its error."""
    ended = _ended(*arguments)
    assert ended.returncode == 1, ended.stdout
    return ended.stderr


def _ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False
    )


def of_prod() -> set[str]:
    return {name for names in inventory().values() for name in names if "prod" in name}


@pytest.fixture
def prod(localstack: target.Target) -> Iterator[None]:
    """Create the stack of the stage, and delete what is left of it after the test."""
    run("-c", DEPLOY_STACK)
    yield
    _ended("-m", "deploy", "destroy", "prod", "--confirm", "prod")
    for table in of_prod():  # from before a restore: the stack does not own it
        boto3.client("dynamodb").delete_table(TableName=table)


def test_a_protected_stage_is_restored_and_is_deleted_only_by_its_name(localstack: target.Target, prod: None) -> None:
    dynamodb = boto3.client("dynamodb")
    assert data.is_empty(localstack, "prod")  # else, on AWS, `make destroy` asks a second question
    dynamodb.put_item(TableName="items-prod", Item={"list": {"S": "items"}, "item_id": {"S": "1"}})
    assert not data.is_empty(localstack, "prod")
    before = of_prod()

    assert "has the schema version 1, but this commit knows only 0." in refused("-c", DEPLOY_STACK_OF_OLDER_CODE)
    assert of_prod() == before

    for _ in range(2):  # the second run finds what the first one has done
        run("-c", RESTORE_TABLES, "2026-11-20T10:00:00Z")
    new = {f"{name}-prod-20261120T100000Z" for name in ("images", "image_tags", "tag_counts", "items")}
    assert of_prod() == before | new
    assert dynamodb.scan(TableName="items-prod-20261120T100000Z")["Count"] == 1
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="images-api-prod")["Stacks"]
    assert stack["EnableTerminationProtection"]
    values = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert new < set(values.values())
    assert values["IdempotencyKeysTableName"] == "idempotency_keys-prod"
    # .chalice/config.json still has the old names.
    assert "items-prod, tag_counts-prod. If `make restore` was stopped, complete it." in refused("-c", DEPLOY_STACK)
    assert "Complete the restore to the other time" in refused("-c", RESTORE_TABLES, "2026-11-20T11:00:00Z")

    # LocalStack's CloudFormation ignores this property of a table.
    dynamodb.update_table(TableName="items-prod-20261120T100000Z", DeletionProtectionEnabled=True)
    error = refused("-m", "deploy", "destroy", "prod", "--yes")
    assert error.startswith("This deletes the protected stage prod from LocalStack at ")
    assert error.endswith(" Confirm with CONFIRM=prod.\n")
    assert of_prod() == before | new

    run("-m", "deploy", "destroy", "prod", "--confirm", "prod")
    assert of_prod() == {"images-prod", "image_tags-prod", "tag_counts-prod", "items-prod"}
