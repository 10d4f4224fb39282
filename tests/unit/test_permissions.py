import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from chalice.app import Chalice, CloudWatchEvent, Rate, S3Event
from chalice.cli.factory import CLIFactory
from chalice.deploy.appgraph import ApplicationGraphBuilder
from chalice.deploy.models import FileBasedIAMPolicy, LambdaFunction, ManagedIAMRole, Model

from chalicelib.config import Settings
from chalicelib.permissions import (
    CATALOG,
    ORIGINALS,
    TERMS,
    StageLocation,
    declared,
    lambda_name,
    needs,
    policy,
)
from project import PROJECT, CannotRun
from project.policies import policies
from project.resources import declarations
from project.stages import stage_config
from scripts import permissions
from scripts.policies import NO_ACCOUNT, main

LOCATION = StageLocation("aws", "us-east-1", "123456789012", "dev", Settings())
IMAGES = "arn:aws:dynamodb:us-east-1:123456789012:table/images"
ALLOWED_WILDCARDS = (*(f"arn:aws:s3:::images-{kind}/*" for kind in ("originals", "derived", "staged")), ":*")

# The committed policies. Policies of other stages differ only in names.
config = stage_config("local")
LOCAL = policies(config, NO_ACCOUNT, "us-east-1")


def statement(sid: str, resource: str, *actions: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}


def log_statement(name: str) -> dict[str, Any]:
    log = f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/{name}:*"
    return statement("Log", log, "logs:CreateLogStream", "logs:PutLogEvents")


@pytest.fixture
def app() -> Chalice:
    app = Chalice(app_name="tiny")

    @app.route("/", methods=["GET"])
    @needs(CATALOG.query_owner, ORIGINALS.put, CATALOG.put)
    def upload() -> None: ...

    @app.route("/", methods=["PUT"])
    @needs(CATALOG.get, CATALOG.put)
    def update() -> None: ...

    @app.on_s3_event(bucket="images-originals")
    @needs(ORIGINALS.delete, ORIGINALS.locate)
    def on_upload(event: S3Event) -> None: ...

    @app.schedule(Rate(5, unit=Rate.MINUTES))
    @needs(TERMS.query)
    def sweep(event: CloudWatchEvent) -> None: ...

    @app.lambda_function()
    @needs()
    def direct(event: Any, context: Any) -> None: ...

    return app


def test_all_routes_are_one_function_and_each_other_handler_has_its_own(app: Chalice) -> None:
    assert declared(app) == {
        "api_handler": {
            "upload": (CATALOG.query_owner, ORIGINALS.put, CATALOG.put),
            "update": (CATALOG.get, CATALOG.put),
        },
        "on_upload": {"on_upload": (ORIGINALS.delete, ORIGINALS.locate)},
        "sweep": {"sweep": (TERMS.query,)},
        "direct": {"direct": ()},
    }


def test_the_routes_share_a_policy_with_one_statement_for_each_resource(app: Chalice) -> None:
    assert policy(app, "api_handler", LOCATION) == {
        "Version": "2012-10-17",
        "Statement": [
            statement("Catalog", IMAGES, "dynamodb:GetItem", "dynamodb:PutItem"),
            statement("CatalogUserIdIndex", f"{IMAGES}/index/user_id-index", "dynamodb:Query"),
            log_statement("tiny-dev"),
            statement("Originals", "arn:aws:s3:::images-originals/*", "s3:PutObject"),
        ],
    }


def test_an_event_handler_has_its_own_policy(app: Chalice) -> None:
    assert policy(app, "on_upload", LOCATION)["Statement"] == [
        log_statement("tiny-dev-on_upload"),
        statement("Originals", "arn:aws:s3:::images-originals/*", "s3:DeleteObject"),
        statement("OriginalsBucket", "arn:aws:s3:::images-originals", "s3:GetBucketLocation"),
    ]


def test_a_policy_has_the_partition_region_account_and_names_of_its_stage(app: Chalice) -> None:
    settings = Settings(image_tags_table_name="tags-2")
    location = StageLocation("aws-cn", "cn-north-1", "210987654321", "prod", settings)
    assert policy(app, "sweep", location)["Statement"] == [
        statement(
            "Log",
            "arn:aws-cn:logs:cn-north-1:210987654321:log-group:/aws/lambda/tiny-prod-sweep:*",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ),
        statement("Terms", "arn:aws-cn:dynamodb:cn-north-1:210987654321:table/tags-2", "dynamodb:Query"),
    ]


def test_a_function_without_permissions_may_only_write_logs(app: Chalice) -> None:
    assert policy(app, "direct", LOCATION)["Statement"] == [log_statement("tiny-dev-direct")]


def test_a_handler_without_needs_is_an_error(app: Chalice) -> None:
    @app.route("/forgotten")
    def forgotten() -> None: ...

    with pytest.raises(TypeError, match="forgotten has no @needs"):
        declared(app)


def test_needs_returns_the_function() -> None:
    def view() -> None: ...

    assert needs(CATALOG.get)(view) is view


@pytest.mark.parametrize("path", LOCAL, ids=lambda path: path.name)
def test_the_committed_policy_is_up_to_date(path: Path) -> None:
    assert path.read_text() == LOCAL[path], "run `make policies`"


def test_the_permissions_page_is_up_to_date() -> None:
    assert permissions.PAGE.read_text() == permissions.page(config.chalice_app), "run `make permissions`"


def test_a_function_may_write_traces_if_its_stage_is_traced(app: Chalice) -> None:
    traces = statement("Traces", "*", "xray:PutTelemetryRecords", "xray:PutTraceSegments")
    assert policy(app, "direct", LOCATION, traced=True)["Statement"] == [log_statement("tiny-dev-direct"), traces]
    assert traces not in policy(app, "direct", LOCATION)["Statement"]


def test_only_existing_functions_have_a_policy_file() -> None:
    assert set((PROJECT / ".chalice").glob("policy-local-*.json")) == set(LOCAL)


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_chalice_gives_each_function_its_own_policy(stage: str) -> None:
    config = CLIFactory(str(PROJECT)).create_config_obj(stage)
    app = config.chalice_app
    files = {
        function.function_name: Path(role_policy.filename)
        for resource in ApplicationGraphBuilder().build(config, stage).resources
        for function in functions_of(resource)
        if isinstance(function.role, ManagedIAMRole)
        and isinstance(role_policy := function.role.policy, FileBasedIAMPolicy)
    }
    assert files == {
        lambda_name(app, function, stage): PROJECT / ".chalice" / f"policy-{stage}-{function}.json"
        for function in declared(app)
    }


@pytest.mark.parametrize("text", LOCAL.values(), ids=lambda text: "")
def test_cfn_lint_accepts_each_policy(text: str) -> None:
    assert linted(json.loads(text)) == []


def test_cfn_lint_rejects_unknown_actions_and_unsuitable_resources() -> None:
    (allowed, *_) = json.loads(next(iter(LOCAL.values())))["Statement"]
    assert linted({"Version": "2012-10-17", "Statement": [{**allowed, "Action": ["dynamodb:GetItems"]}]}) != []
    assert linted({"Version": "2012-10-17", "Statement": [{**allowed, "Action": ["s3:GetObject"]}]}) != []


def linted(policy: dict[str, Any]) -> list[str]:
    """Return cfn-lint's findings about a policy. cfn-lint reads a policy as part of a template."""
    managed = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy}}
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Policy": managed}}
    # The rule about the resources of an action has level I.
    strict = ManualArgs(include_checks=["I"], regions=["us-east-1"])
    return [str(finding) for finding in lint(json.dumps(template), config=strict)]


@pytest.mark.parametrize("text", LOCAL.values(), ids=lambda text: "")
def test_only_objects_and_log_streams_have_wildcards(text: str) -> None:
    for allowed in json.loads(text)["Statement"]:
        assert allowed.keys() == {"Sid", "Effect", "Action", "Resource"}
        assert "*" not in "".join(allowed["Action"])
        assert not any(c in allowed["Resource"].removesuffix("/*").removesuffix(":*") for c in "*?")
        assert "*" not in allowed["Resource"] or allowed["Resource"].endswith(ALLOWED_WILDCARDS)


def test_each_table_index_bucket_and_queue_is_declared_in_resources_yaml() -> None:
    declared_arns = set(arns_of_resources())
    used = {allowed["Resource"] for text in LOCAL.values() for allowed in json.loads(text)["Statement"]}
    # CloudFormation cannot create a SecureString: the deployment writes the parameter.
    assert {arn.removesuffix("/*") for arn in used if not re.search(":(logs|ssm):", arn)} <= declared_arns


def test_an_unknown_stage_is_a_one_line_error() -> None:
    with pytest.raises(CannotRun, match="no stage 'moon'"):
        policies(stage_config("moon"), NO_ACCOUNT, "us-east-1")


def test_an_unknown_region_is_a_one_line_error() -> None:
    with pytest.raises(CannotRun, match="'moon-1' is not an AWS region"):
        policies(config, NO_ACCOUNT, "moon-1")


def test_make_policies_requires_the_account_of_a_stage_on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["policies", "dev", "--account", "", "--region", "us-east-1"])
    with pytest.raises(SystemExit, match="Stage dev needs the AWS account's 12 digits"):
        main()


def functions_of(resource: Model) -> Iterator[LambdaFunction]:
    if isinstance(resource, LambdaFunction):
        yield resource
    for dependency in resource.dependencies():
        yield from functions_of(dependency)


def arns_of_resources() -> Iterator[str]:
    for bucket in declarations("AWS::S3::Bucket", Settings()):
        yield f"arn:aws:s3:::{bucket['BucketName']}"
    for queue in declarations("AWS::SQS::Queue", Settings()):
        yield f"arn:aws:sqs:us-east-1:{NO_ACCOUNT}:{queue['QueueName']}"
    for declared_table in declarations("AWS::DynamoDB::Table", Settings()):
        table = f"arn:aws:dynamodb:us-east-1:{NO_ACCOUNT}:table/{declared_table['TableName']}"
        yield table
        for index in declared_table.get("GlobalSecondaryIndexes", []):
            yield f"{table}/index/{index['IndexName']}"
