import json
import os
from typing import Any

import boto3
import boto3.session
import pytest
from cfnlint.api import lint_file
from moto import mock_aws

from chalicelib.config import Settings
from deploy import functions, gateway, parameters, record, settings
from deploy.options import Options
from deploy.target import Target
from project import PROJECT, CannotRun
from project.environment import enter_localstack
from project.stages import project_config
from project.template import parse

CLOUDFRONT = PROJECT / "deploy" / "cloudfront.yaml"
PARAMETERS = set(parse((PROJECT / "resources.yaml").read_text()).parsed["Parameters"])
TARGET = Target(boto3.session.Session(region_name="us-east-1"), "aws", "us-east-1", "123456789012", "")
CONFIG: dict[str, Any] = {"stages": {"dev": {"environment_variables": {}}, "local": {"environment_variables": {}}}}


def test_a_deployment_sets_all_parameters_of_the_stack() -> None:
    assert set(parameters.of("dev", Settings(), Options())) == PARAMETERS


def test_a_stage_on_aws_has_names_that_contain_its_account_and_stage() -> None:
    named = settings.of(settings.named(CONFIG, TARGET, "dev"), "dev")
    assert named["S3_BUCKET_NAME"] == "images-originals-dev-123456789012-us-east-1"
    assert named["METRICS_NAMESPACE"] == "images-api/dev"
    assert (named["IMAGES_TABLE_NAME"], named["DEAD_LETTER_QUEUE_NAME"]) == ("images-dev", "images-dead-letters-dev")
    assert named["SECRETS_PARAMETER"] == "/images-api/dev/secrets"
    assert len(set(named.values())) == len(named) == 11


def test_existing_names_of_a_stage_are_kept_in_any_spelling() -> None:
    config = {"stages": {"dev": {"environment_variables": {"DYNAMODB_TABLE_NAME": "ours", "AUTH": "open"}}}}
    named = settings.of(settings.named(config, TARGET, "dev"), "dev")
    assert "IMAGES_TABLE_NAME" not in named
    assert (named["DYNAMODB_TABLE_NAME"], named["AUTH"]) == ("ours", "open")
    again = settings.named({"stages": {"dev": {"environment_variables": named}}}, TARGET, "dev")
    assert settings.of(again, "dev") == named


@pytest.mark.parametrize(
    "wrong",
    [
        {"log_retention_days": 8},
        {"alarm_topic_arn": "alarms"},
        {"distribution_arn": "arn:aws:s3:::bucket"},
        {"backup_vault": "arn:aws:backup:eu-west-1:123456789012:backup-vault:images"},
        {"backup_copy_vault_arn": "images"},
        {"budget_email": "ops"},
    ],
)
def test_parameters_that_cloudformation_would_reject_are_rejected_first(wrong: dict[str, Any]) -> None:
    parameters.check(parameters.of("dev", Settings(), Options()))
    with pytest.raises(CannotRun, match="of the stack"):
        parameters.check(parameters.of("dev", Settings(), Options(**wrong)))


def test_a_variable_that_is_not_a_setting_is_refused() -> None:
    settings.check_names({"MAX_TAGS": "3", "DYNAMODB_TABLE_NAME": "t"})
    with pytest.raises(CannotRun, match="MAX_TAGZ in environment_variables is not a setting"):
        settings.check_names({"MAX_TAGS": "3", "MAX_TAGZ": "3"})


@pytest.mark.parametrize("name", ["JWT_SECRET", "CURSOR_SECRET_PREVIOUS", "CDN_URL"])
def test_a_secret_in_the_file_is_refused(name: str) -> None:
    with pytest.raises(CannotRun, match=f"remove {name} from environment_variables") as refused:
        settings.check_names({name: "hush"})
    assert "hush" not in str(refused.value)


def test_the_local_stage_never_uses_a_developers_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.setenv(name, "mine")
    for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "")
    enter_localstack()
    assert os.environ["AWS_ENDPOINT_URL"] == "http://localhost:4566"
    assert (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]) == ("test", "test")
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"} & os.environ.keys()


def test_the_local_stage_has_the_default_names() -> None:
    named = settings.named(CONFIG, TARGET, "local")
    assert settings.of(named, "local") == {
        "METRICS_NAMESPACE": "images-api/local",
        "SECRETS_PARAMETER": "/images-api/local/secrets",
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"s3_bucket_name": "images-originals-dev-210987654321-us-east-1"}, "not for account 123456789012"),
        ({"staged_bucket_name": "images-staged-dev-123456789012-eu-west-1"}, "not for account 123456789012"),
        ({"metrics_namespace": "images-api/prod"}, "must be images-api/dev"),
        ({"secrets_parameter": "/images-api/prod/secrets"}, "must be /images-api/dev/secrets"),
    ],
)
def test_a_stage_with_names_of_another_stage_is_not_deployed(wrong: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {
        "metrics_namespace": "images-api/dev",
        "secrets_parameter": "/images-api/dev/secrets",
        "derived_bucket_name": "whatever-you-like",
    }
    settings.check(Settings(**right), TARGET, "dev")
    with pytest.raises(CannotRun, match=message):
        settings.check(Settings(**(right | wrong)), TARGET, "dev")


@pytest.mark.parametrize(
    "options",
    [
        {"api_burst": 0},
        {"api_burst": "many"},
        {"burst": 1},
        {"api_burst": True},
        {"protected": 1},
        {"event_age_seconds": 59},
        {"backup_vault": "images", "backup_days": 6},
        {"backup_copy_vault_arn": "arn:aws:backup:eu-central-1:210987654321:backup-vault:images"},
        {"table_max_read_units": -1},
        {"originals_tiering_days": 0.5},
        {"access_logs": 1},
        {"monthly_budget_usd": 50},
        [],
    ],
)
def test_an_invalid_option_is_a_one_line_error(options: object) -> None:
    with pytest.raises(CannotRun, match=r"\.chalice/config\.json: "):
        Options.of({"deployment": options, **CONFIG}, "dev")


def test_0_turns_off_an_option_of_all_stages() -> None:
    config = {
        "deployment": {"table_max_read_units": 100},
        "stages": {"dev": {"deployment": {"table_max_read_units": 0}}},
    }
    assert Options.of(config, "dev") == Options()


def test_options_of_a_stage_override_options_of_all_stages() -> None:
    config = {"deployment": {"api_burst": 7}, "stages": {"dev": {"deployment": {"api_burst": 8}}, "prod": {}}}
    assert [Options.of(config, stage).api_burst for stage in ("dev", "prod")] == [8, 7]


def test_prod_is_protected() -> None:
    assert {stage: Options.of(project_config(), stage).protected for stage in ("local", "dev", "prod")} == {
        "local": False,
        "dev": False,
        "prod": True,
    }


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [("", None), ("https://a.example", "'https://a.example'"), ("https://a.example https://b.example", "'*'")],
)
def test_the_gateways_own_errors_are_json_and_have_cors_headers(origins: str, allowed: str | None) -> None:
    for response in gateway.responses(Settings(cors_origins=origins)).values():
        headers = response["responseParameters"]
        assert headers.get("gatewayresponse.header.Access-Control-Allow-Origin") == allowed
        assert response["responseTemplates"]["application/json"].startswith('{"error": ')


@pytest.mark.parametrize(
    ("contract", "body"),
    [
        ("a", '{"message": "Too many requests; try again in a moment."}'),
        (
            "b",
            '{"error": "Too many requests; try again in a moment.", '
            '"message": "Too many requests; try again in a moment."}',
        ),
        ("d", '{"error": "Too many requests; try again in a moment."}'),
    ],
)
def test_the_gateways_own_errors_have_the_keys_of_the_contract(contract: str, body: str) -> None:
    templates = gateway.responses(Settings(contract=contract))["THROTTLED"]["responseTemplates"]
    assert templates == {"application/json": body}


def test_a_line_of_the_access_log_has_no_path_no_query_and_no_header_but_the_user_agent() -> None:
    values = json.loads(gateway.ACCESS_LOG).values()
    assert all(value.startswith("$context.") for value in values)
    assert "$context.requestId" in values  # API Gateway requires it
    quoting_the_request = {"path", "error.message", "error.messageString", "requestOverride", "authorizer.error"}
    assert not {value.removeprefix("$context.") for value in values} & quoting_the_request


def test_a_stage_does_not_include_stages_whose_names_begin_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # moto does not intercept calls to other hosts
    with mock_aws():
        iam, client = boto3.client("iam", "us-east-1"), boto3.client("lambda", "us-east-1")
        for stage in ("dev", "dev-eu", "deviant"):
            for name in ("", "-sweep"):
                role = iam.create_role(
                    RoleName=f"images-api-{stage}{name or '-api_handler'}", AssumeRolePolicyDocument="{}"
                )
                client.create_function(
                    FunctionName=f"images-api-{stage}{name}",
                    Role=role["Role"]["Arn"],
                    Runtime="python3.13",
                    Handler="app.app",
                    Code={"ZipFile": b""},
                    Tags={"aws-chalice": f"version=1.34.0:stage={stage}:app=images-api"},
                )
        for stage in ("dev", "dev-eu"):
            deployed = record.functions(TARGET, "images-api", stage)
            names = {name: arn.rpartition(":")[2] for name, arn in deployed.items()}
            assert names == {"api_handler": f"images-api-{stage}", "sweep": f"images-api-{stage}-sweep"}
            roles = [role["name"] for role in record.roles(TARGET, "images-api", stage, {"api_handler", "sweep"})]
            assert sorted(roles) == ["api_handler_role", "sweep_role"]


def test_the_variables_of_a_stage_are_those_of_most_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # moto does not intercept calls to other hosts
    environments: dict[str, Any] = {
        "": {"Environment": {"Variables": {"AUTH": "open", "DEBUG": "1"}}},
        "-list_images": {"Environment": {"Variables": {"AUTH": "jwt", "JWT_SECRET": "s"}}},
        "-view_images": {"Environment": {"Variables": {"AUTH": "jwt"}}},
        "-sweep": {},
    }
    with mock_aws():
        role = boto3.client("iam", "us-east-1").create_role(RoleName="any", AssumeRolePolicyDocument="{}")["Role"]
        for name, environment in environments.items():
            boto3.client("lambda", "us-east-1").create_function(
                FunctionName=f"images-api-dev{name}",
                Role=role["Arn"],
                Runtime="python3.13",
                Handler="app.app",
                Code={"ZipFile": b""},
                Tags={"aws-chalice": "version=1.34.0:stage=dev:app=images-api"},
                **environment,
            )
        found = functions.variables(TARGET, "images-api", "dev")
    assert found == {"AUTH": "jwt", "JWT_SECRET": "s", "DEBUG": "1"}


def test_cfn_lint_accepts_the_template_of_cloudfront() -> None:
    assert [str(finding) for finding in lint_file(CLOUDFRONT)] == []


def test_cloudfront_requires_a_signature_and_https() -> None:
    resources = parse(CLOUDFRONT.read_text()).parsed["Resources"]
    distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
    for behaviour in (distribution["DefaultCacheBehavior"], *distribution["CacheBehaviors"]):
        assert behaviour["TrustedKeyGroups"] == [{"Ref": "KeyGroup"}]
        assert behaviour["ViewerProtocolPolicy"] == "https-only"
