"""Versions and the alias of the API's function, on moto's Lambda with an emulation of what it lacks."""

import io
import json
from collections.abc import Iterator
from typing import Any
from zipfile import ZipFile

import boto3
import boto3.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto import mock_aws

from deploy import versions
from deploy.options import Options
from deploy.target import Target
from project import CannotRun

FUNCTION = "images-api-dev"


PROVISIONED: list[int] = []  # of the alias
PUTS: list[int] = []
ANSWERS: dict[str, Any] = {
    "ListProvisionedConcurrencyConfigs": lambda _: {
        "ProvisionedConcurrencyConfigs": [
            {"FunctionArn": f"{FUNCTION}:live", "RequestedProvisionedConcurrentExecutions": each}
            for each in PROVISIONED
        ]
    },
    "PutProvisionedConcurrencyConfig": lambda body: put(json.loads(body)["ProvisionedConcurrentExecutions"]),
    "DeleteProvisionedConcurrencyConfig": lambda _: PROVISIONED.clear(),
}


def put(wanted: int) -> None:
    PROVISIONED[:] = [wanted]
    PUTS.append(wanted)


def target() -> Target:
    """Return a target whose Lambda has provisioned concurrency."""
    session = boto3.session.Session(region_name="us-east-1")

    def answer(model: Any, params: dict[str, Any], **_: Any) -> Any:
        if model.name in ANSWERS:
            return AWSResponse(params["url"], 200, HTTPHeaders(), None), ANSWERS[model.name](params["body"]) or {}
        return None

    session.events.register("before-call.lambda", answer)
    return Target(session, "aws", "us-east-1", "123456789012", "")


TARGET = target()


def code(text: str) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as package:
        package.writestr("app.py", text)
    return buffer.getvalue()


@pytest.fixture
def lambdas(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a client of a Lambda with the function as Chalice has created it."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    PROVISIONED.clear()
    PUTS.clear()
    with mock_aws():
        role = boto3.client("iam", "us-east-1").create_role(RoleName="api", AssumeRolePolicyDocument="{}")["Role"]
        client = boto3.client("lambda", "us-east-1")
        client.create_function(
            FunctionName=FUNCTION,
            Role=role["Arn"],
            Runtime="python3.13",
            Handler="app.app",
            Code={"ZipFile": code("first")},
        )
        yield client


def release(options: Options | None = None) -> None:
    versions.release(TARGET, FUNCTION, "abc123", options or Options())


def change(client: Any, text: str) -> None:
    """Change the function's code, as Chalice does."""
    client.update_function_code(FunctionName=FUNCTION, ZipFile=code(text))


def live(client: Any) -> str:
    version: str = client.get_alias(FunctionName=FUNCTION, Name=versions.ALIAS)["FunctionVersion"]
    return version


def published(client: Any) -> list[str]:
    return [version["Version"] for version in client.list_versions_by_function(FunctionName=FUNCTION)["Versions"]][1:]


def test_a_release_leads_the_alias_to_what_was_deployed(lambdas: Any) -> None:
    release()
    assert live(lambdas) == "1"
    assert versions.is_released(TARGET, FUNCTION)
    change(lambdas, "second")
    assert not versions.is_released(TARGET, FUNCTION)
    release()
    assert live(lambdas) == "2"
    assert versions.is_released(TARGET, FUNCTION)


def test_a_change_of_the_configuration_by_hand_is_not_released(lambdas: Any) -> None:
    release()
    lambdas.update_function_configuration(FunctionName=FUNCTION, Timeout=1)
    assert not versions.is_released(TARGET, FUNCTION)


def test_a_function_without_an_alias_gets_one_before_it_changes(lambdas: Any) -> None:
    versions.prepare(TARGET, FUNCTION, ["abc123"])
    change(lambdas, "second")
    assert live(lambdas) == "1"
    versions.prepare(TARGET, FUNCTION, ["abc123"])  # as after an interruption
    assert live(lambdas) == "1"


def test_a_function_that_does_not_exist_yet_gets_no_alias(lambdas: Any) -> None:
    versions.prepare(TARGET, "images-api-new", [])
    assert [function["FunctionName"] for function in lambdas.list_functions()["Functions"]] == [FUNCTION]


def test_only_the_api_may_invoke_the_alias(lambdas: Any) -> None:
    release()
    policy = json.loads(lambdas.get_policy(FunctionName=FUNCTION, Qualifier=versions.ALIAS)["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert statement["Resource"].endswith(f":{FUNCTION}:{versions.ALIAS}")
    assert statement["Condition"] == {
        "ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:123456789012:abc123/*"}
    }


def test_a_rollback_leads_to_the_version_before_and_the_next_release_back(lambdas: Any) -> None:
    release()
    change(lambdas, "second")
    release()
    assert versions.roll_back(TARGET, FUNCTION) == (2, 1)
    assert live(lambdas) == "1"
    assert not versions.is_released(TARGET, FUNCTION)
    with pytest.raises(CannotRun, match="no earlier version"):
        versions.roll_back(TARGET, FUNCTION)
    release()
    assert live(lambdas) == "2"


@pytest.mark.parametrize("name", ["SECRETS_VERSION", "SCHEMA_VERSION"])
def test_a_version_with_other_secrets_or_for_other_data_is_deleted(lambdas: Any, name: str) -> None:
    for version in ("1", "2"):
        lambdas.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": {name: version}})
        change(lambdas, version)
        release()
    assert published(lambdas) == ["2"]
    with pytest.raises(CannotRun, match="no earlier version with its present secrets"):
        versions.roll_back(TARGET, FUNCTION)
    assert live(lambdas) == "2"


def test_an_alias_that_leads_to_two_versions_is_not_released(lambdas: Any) -> None:
    release()
    change(lambdas, "second")
    release()
    weights = {"AdditionalVersionWeights": {"1": 0.5}}
    lambdas.update_alias(FunctionName=FUNCTION, Name=versions.ALIAS, RoutingConfig=weights)
    assert not versions.is_released(TARGET, FUNCTION)
    release()
    assert versions.is_released(TARGET, FUNCTION)


def test_the_permission_of_another_api_ends_with_a_release(lambdas: Any) -> None:
    versions.release(TARGET, FUNCTION, "old", Options())
    release()
    policy = json.loads(lambdas.get_policy(FunctionName=FUNCTION, Qualifier=versions.ALIAS)["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["api-abc123"]


def test_a_function_without_an_alias_cannot_be_rolled_back(lambdas: Any) -> None:
    with pytest.raises(CannotRun, match="no earlier version"):
        versions.roll_back(TARGET, FUNCTION)


def test_five_versions_are_kept(lambdas: Any) -> None:
    for number in range(6):
        change(lambdas, str(number))
        release()
    assert published(lambdas) == ["2", "3", "4", "5", "6"]
    assert live(lambdas) == "6"


def test_two_versions_are_kept_if_each_has_a_snapshot_that_costs(lambdas: Any) -> None:
    for number in range(3):
        change(lambdas, str(number))
        release(Options(snap_start=number == 2))
    assert published(lambdas) == ["2", "3"]


def test_provisioned_concurrency_follows_the_option(lambdas: Any) -> None:
    for _ in range(2):
        release(Options(provisioned_concurrency=5))
    assert (PROVISIONED, PUTS) == ([5], [5])
    release(Options(provisioned_concurrency=2))
    assert PROVISIONED == [2]
    release(Options(snap_start=True))
    assert PROVISIONED == []


def test_options_against_cold_starts_exclude_each_other() -> None:
    options = {"snap_start": True, "provisioned_concurrency": 1}
    with pytest.raises(CannotRun, match="exclude each other"):
        Options.of({"deployment": options, "stages": {"dev": {}}}, "dev")
    assert Options.of({"deployment": {"provisioned_concurrency": 0}, "stages": {"dev": {}}}, "dev") == Options()
