"""What `make package` writes: its contents, and its deployment to LocalStack."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import jwt
import pytest

from deploy import data, gateway, schema, secrets, stack, target
from project import PROJECT, CannotRun
from project.template import compact
from tests.errors import error
from tests.http.client import Service
from tests.pictures import base64_picture, picture

STAGE = "packaged"
TAGS = {"service": "images-api", "stage": STAGE, "team": "photos", schema.TAG: str(schema.VERSION)}
SECRETS = {"CURSOR_SECRET": "c" * 40, "JWT_SECRET": "j" * 40}
MACHINES = {"x86_64": 62, "arm64": 183}  # e_machine in the ELF header
CHALICE = str(Path(sys.executable).with_name("chalice"))
WITHOUT_CREDENTIALS = """
import sys
from pathlib import Path
from deploy import package, target
package.write(target.Target(None, "aws", "eu-west-1", "123456789012", ""), sys.argv[1], sys.argv[2], Path(sys.argv[3]))
"""
DECODE = """
import json, sys
from pathlib import Path
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from chalicelib.pictures import identify, variants
from chalicelib.web import openapi
found = {}
for path in map(Path, sys.argv[1:]):
    analysis, made = variants.make(path)
    found[path.name] = [identify.identify(path).content_type, analysis.width, len(made)]
key = rsa.generate_private_key(65537, 2048)
assert jwt.decode(jwt.encode({"sub": "alice"}, key, "RS256"), key.public_key(), ["RS256"]) == {"sub": "alice"}
assert openapi.document()["paths"]
print(json.dumps(found))
"""

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the repository, and add a stage whose callers need tokens."""
    copy = tmp_path_factory.mktemp("project") / "images-api"
    ignored = shutil.ignore_patterns(
        ".git", ".venv*", ".data", "build", "deploy*ed", "deployments", "*cache*", ".hypothesis", ".coverage*"
    )
    shutil.copytree(PROJECT, copy, ignore=ignored)
    configure(copy)
    return copy


def configure(project: Path, architecture: str = "x86_64") -> None:
    """Write the configuration of the stage, without the names that an earlier test has added."""
    config = json.loads((PROJECT / ".chalice" / "config.json").read_text().replace("policy-local-", f"policy-{STAGE}-"))
    config["lambda_architecture"] = architecture
    config["stages"][STAGE] = config["stages"]["local"] | {
        "api_gateway_stage": STAGE,
        "xray": True,
        "tags": {"team": "photos"},
        "environment_variables": {"METRICS_NAMESPACE": f"images-api/{STAGE}"},
        "deployment": {
            "api_requests_per_second": 7,
            "api_burst": 11,
            "event_age_seconds": 3_600,
            "detailed_metrics": True,
            "protected": True,
        },
    }
    (project / ".chalice" / "config.json").write_text(json.dumps(config))


def run(project: Path, *arguments: str) -> None:
    environment = {**os.environ, **SECRETS, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, *arguments], cwd=project, env=environment, check=True, timeout=200)


@pytest.fixture(scope="module")
def packaged(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that packages the stage for AWS, once in each way, and returns the folder."""

    @cache
    def package(form: str = "cloudformation", architecture: str = "x86_64") -> Path:
        configure(project, architecture)
        out = tmp_path_factory.mktemp("out")
        run(project, "-c", WITHOUT_CREDENTIALS, STAGE, form, str(out))
        return out

    return package


def distributions(names: list[str]) -> set[str]:
    return {re.sub("[-_.]+", "-", name).lower() for name in names}


@pytest.mark.parametrize("architecture", MACHINES)
def test_the_zip_has_exactly_the_requirements_for_its_architecture(
    packaged: Callable[..., Path], architecture: str
) -> None:
    path = packaged(architecture=architecture) / "deployment.zip"
    assert path.stat().st_size < 30_000_000
    with ZipFile(path) as package:
        names = package.namelist()
        starts = {name: package.open(name).read(20) for name in names}
        unzipped_bytes = sum(entry.file_size for entry in package.infolist())
    print(f"{architecture}: {path.stat().st_size:,} bytes, {unzipped_bytes:,} unzipped")
    assert unzipped_bytes < 250_000_000  # Lambda's limit

    required = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    assert distributions(re.findall(r"^([^/]+)-[^-/]+\.dist-info/METADATA$", "\n".join(names), re.MULTILINE)) == (
        distributions(required)
    )
    sources = [*(PROJECT / "chalicelib").rglob("*.py"), PROJECT / "chalicelib" / "web" / "openapi.yaml"]
    assert {str(file.relative_to(PROJECT)) for file in sources} <= set(names)
    top_level_names = {name.partition("/")[0] for name in names}
    assert {"app.py", "chalicelib", "chalice", "PIL"} <= top_level_names
    assert {f"{folder}__pycache__/app.{sys.implementation.cache_tag}.pyc" for folder in ("", "chalice/")} <= set(names)
    assert not top_level_names & {folder.name for folder in PROJECT.iterdir() if folder.is_dir()} - {
        "chalicelib",
        "__pycache__",
    }

    machines = {start[18] for start in starts.values() if start.startswith(b"\x7fELF")}
    assert machines == {MACHINES[architecture]}
    assert {name for name in names if ".so" in name} <= {
        name for name, start in starts.items() if start.startswith(b"\x7fELF")
    }


def test_the_zip_alone_decodes_each_accepted_format_and_verifies_tokens(
    packaged: Callable[..., Path], tmp_path: Path
) -> None:
    with ZipFile(packaged() / "deployment.zip") as package:
        package.extractall(tmp_path / "code")
    kinds = ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "HEIF")
    for kind in kinds:
        (tmp_path / kind).write_bytes(picture(kind, width=400, height=300))
    command = [sys.executable, "-S", "-c", DECODE, *(str(tmp_path / kind) for kind in kinds)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "code")}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    types = {"HEIF": "image/heic"} | {kind: f"image/{kind.lower()}" for kind in kinds if kind != "HEIF"}
    # A WebP and a JPEG of each.
    assert json.loads(ended.stdout) == {kind: [types[kind], 400, 2] for kind in kinds}


def test_cfn_lint_accepts_the_template(packaged: Callable[..., Path]) -> None:
    command = [Path(sys.executable).with_name("cfn-lint"), packaged() / "sam.json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_the_template_has_the_properties_that_localstack_ignores(packaged: Callable[..., Path]) -> None:
    resources = json.loads((packaged() / "sam.json").read_text())["Resources"]
    api = resources["RestAPI"]["Properties"]
    (limits,) = api["MethodSettings"]
    assert (limits["HttpMethod"], limits["ResourcePath"]) == ("*", "/*")
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == (7, 11)
    assert limits["MetricsEnabled"] is True
    assert api["AccessLogSetting"]["Format"] == gateway.ACCESS_LOG
    assert api["AccessLogSetting"]["DestinationArn"]["Fn::Sub"].endswith(":log-group:${AccessLog}")
    reserved = {
        name: resources[name]["Properties"]["ReservedConcurrentExecutions"] for name in ("OnObjectCreated", "Sweep")
    }
    assert reserved == {"OnObjectCreated": 5, "Sweep": 1}
    permission = resources["OnObjectCreatedFromS3"]["Properties"]
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_a_stage_with_xray_traces_the_api_and_every_function(packaged: Callable[..., Path]) -> None:
    resources = json.loads((packaged() / "sam.json").read_text())["Resources"]
    assert resources["RestAPI"]["Properties"]["TracingEnabled"] is True
    for function in (r for r in resources.values() if r["Type"] == "AWS::Serverless::Function"):
        assert function["Properties"]["Tracing"] == "Active"
    of_roles = [r["Properties"].get("Policies") for r in resources.values() if r["Type"] == "AWS::IAM::Role"]
    roles = [json.dumps(policies) for policies in of_roles if policies]  # the role of AWS Backup has managed policies
    assert len(roles) == 8
    assert all("xray:PutTraceSegments" in policies for policies in roles)


@pytest.mark.parametrize(("form", "name"), [("cloudformation", "sam.json"), ("terraform", "chalice.tf.json")])
def test_a_package_has_no_secret_and_the_name_of_their_parameter(
    packaged: Callable[..., Path], form: str, name: str
) -> None:
    out = packaged(form)
    written = [path.read_bytes() for path in out.iterdir() if path.suffix != ".zip"]
    with ZipFile(out / "deployment.zip") as package:
        written += [package.read(entry) for entry in package.namelist() if not entry.endswith(".so")]
    assert not [content for content in written for secret in SECRETS.values() if secret.encode() in content]
    text = (out / name).read_text()
    assert text.count(f'"SECRETS_PARAMETER": "/images-api/{STAGE}/secrets"') == 8
    assert not [secret for secret in SECRETS if secret in text]


def test_the_terraform_document_has_every_resource_that_it_refers_to(packaged: Callable[..., Path]) -> None:
    out = packaged("terraform")
    text = (out / "chalice.tf.json").read_text()
    document = json.loads(text)
    defined = {f"{kind}.{name}" for kind, named in document["resource"].items() for name in named}
    references = set(re.findall(r"(?<![A-Za-z0-9_.])(aws_[a-z0-9_]+\.[A-Za-z0-9_-]+)", text))
    assert references - defined == set()
    assert {f"aws_lambda_function.{name}" for name in ("api_handler", "sweep")} < references
    assert (out / "resources.yaml").read_text() == compact((PROJECT / "resources.yaml").read_text())
    settings = document["resource"]["aws_api_gateway_method_settings"]["rest_api"]["settings"]
    of_stack = document["resource"]["aws_cloudformation_stack"]["resources"]
    assert of_stack["tags"] == TAGS
    assert of_stack["lifecycle"] == {"prevent_destroy": True}
    assert settings == {"throttling_rate_limit": 7, "throttling_burst_limit": 11, "metrics_enabled": True}
    logged = document["resource"]["aws_api_gateway_stage"]["rest_api"]["access_log_settings"]
    log_group = f"arn:aws:logs:eu-west-1:123456789012:log-group:{gateway.access_log(STAGE)}"
    assert logged == {"destination_arn": log_group, "format": gateway.ACCESS_LOG}
    taggable = ("lambda_function", "iam_role", "api_gateway_rest_api", "api_gateway_stage", "cloudwatch_event_rule")
    for kind in (*taggable, "cloudformation_stack"):
        for resource in document["resource"][f"aws_{kind}"].values():
            assert resource["tags"].items() >= {"service": "images-api", "stage": STAGE, "team": "photos"}.items()
    failure_destinations = document["resource"]["aws_lambda_function_event_invoke_config"]
    assert set(failure_destinations) == {"on_object_created", "on_upload_staged"}


def test_the_terraform_document_uses_each_of_its_providers(packaged: Callable[..., Path]) -> None:
    document = json.loads((packaged("terraform") / "chalice.tf.json").read_text())
    kinds = {kind for part in ("resource", "data") for kind in document[part]}
    assert set(document["terraform"]["required_providers"]) == {kind.partition("_")[0] for kind in kinds} == {"aws"}


def test_terraform_plans_the_document(packaged: Callable[..., Path], localstack: target.Target) -> None:
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if not terraform:
        pytest.skip("There is no Terraform on this machine.")
    out = packaged("terraform")

    def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
        secrets = {f"TF_VAR_{name.lower()}": value for name, value in SECRETS.items()}
        command = [terraform, *arguments, "-input=false", "-no-color"]
        return subprocess.run(
            command, cwd=out, env={**os.environ, **secrets}, capture_output=True, text=True, check=False
        )

    if (initialized := ended("init")).returncode:
        pytest.skip(f"Terraform cannot install its provider: {' '.join(initialized.stderr.split())[-200:]}")
    planned = ended("plan")
    assert planned.returncode == 0, planned.stderr
    assert "0 to destroy" in planned.stdout


@pytest.fixture(scope="module")
def localstack() -> target.Target:
    if not os.environ.get("AWS_ENDPOINT_URL"):
        pytest.skip("There is no LocalStack to deploy to: AWS_ENDPOINT_URL is not set.")
    try:
        return target.find(STAGE)
    except CannotRun as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def deployed(
    project: Path, localstack: target.Target, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Deploy the template like `aws cloudformation package` and `deploy`, and return the outputs of its stack."""
    out = tmp_path_factory.mktemp("out")
    configure(project)
    run(project, "-m", "deploy", "package", STAGE, "--out", str(out))
    run(project, "-m", "deploy", "secrets", STAGE)
    run(project, CHALICE, "package", "--stage", STAGE, str(out))
    s3, cloudformation = localstack.client("s3"), localstack.client("cloudformation")
    artifacts = f"artifacts-{STAGE}"
    s3.create_bucket(Bucket=artifacts)
    try:
        s3.upload_file(str(out / "deployment.zip"), artifacts, "deployment.zip")
        template = (out / "sam.json").read_text().replace("./deployment.zip", f"s3://{artifacts}/deployment.zip")
        s3.put_object(Bucket=artifacts, Key="sam.json", Body=template)
        values = dict(line.split("=", 1) for line in (out / "parameters").read_text().splitlines())
        tags = dict(line.split("=", 1) for line in (out / "tags").read_text().splitlines())
        changes = {"StackName": stack.name(STAGE), "ChangeSetName": "first"}
        cloudformation.create_change_set(
            **changes,
            ChangeSetType="CREATE",
            TemplateURL=f"{localstack.endpoint_url}/{artifacts}/sam.json",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
            Tags=[{"Key": name, "Value": value} for name, value in tags.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        cloudformation.get_waiter("change_set_create_complete").wait(**changes)
        cloudformation.execute_change_set(**changes)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack.name(STAGE))
        (description,) = cloudformation.describe_stacks(StackName=stack.name(STAGE))["Stacks"]
        yield {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}
    finally:
        data.delete(localstack, STAGE)
        stack.delete(localstack, STAGE)
        secrets.delete(localstack, f"/images-api/{STAGE}/secrets")
        for entry in s3.list_objects_v2(Bucket=artifacts).get("Contents", []):
            s3.delete_object(Bucket=artifacts, Key=entry["Key"])
        s3.delete_bucket(Bucket=artifacts)


@pytest.fixture(scope="module")
def service(localstack: target.Target, deployed: dict[str, str]) -> Service:
    return Service(localstack.address(deployed["RestAPIId"], STAGE))


@pytest.fixture(scope="module")
def alice() -> dict[str, str]:
    claims = {"sub": "alice", "exp": datetime.now(UTC) + timedelta(hours=1)}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRETS['JWT_SECRET'], 'HS256')}"}


def test_the_template_deploys_a_service_that_processes_uploads(service: Service, alice: dict[str, str]) -> None:
    assert service.get("/health")["status"] == "ok"
    body = {"user_id": "alice", "image_data": base64_picture(), "title": "Coffee"}
    uploaded = service.call("POST", "/images", json=body, headers=alice)
    assert uploaded.status_code == 201, uploaded.text
    image_id = uploaded.json()["metadata"]["image_id"]

    def view() -> Any:
        return service.call("GET", f"/images/{image_id}", headers=alice).json()

    deadline = time.monotonic() + 60
    while "analysis" not in (image := view()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert image["analysis"]["variants"], "The S3 event did not arrive."
    assert service.ids(user_id="alice", title="coffee") == [image_id]


def test_the_template_sets_the_properties_that_chalice_cannot(
    localstack: target.Target, deployed: dict[str, str]
) -> None:
    stages = localstack.client("apigateway").get_stages(restApiId=deployed["RestAPIId"])["item"]
    assert [api["stageName"] for api in stages] == [STAGE]  # SAM's default stage, named Stage, is not created

    (whole,) = localstack.client("cloudformation").describe_stacks(StackName=stack.name(STAGE))["Stacks"]
    assert {tag["Key"]: tag["Value"] for tag in whole["Tags"]} == TAGS

    functions = localstack.client("lambda")
    for function in "on_object_created", "on_upload_staged":
        name = f"images-api-{STAGE}-{function}"
        failures = functions.get_function_event_invoke_config(FunctionName=name)
        assert (failures["MaximumRetryAttempts"], failures["MaximumEventAgeInSeconds"]) == (2, 3_600)
        assert failures["DestinationConfig"]["OnFailure"]["Destination"] == deployed["DeadLetterQueueArn"]
        (permission,) = json.loads(functions.get_policy(FunctionName=name)["Policy"])["Statement"]
        assert permission["Principal"] == {"Service": "s3.amazonaws.com"}
        assert permission["Condition"]["ArnLike"]["AWS:SourceArn"].startswith(
            f"arn:{localstack.partition}:s3:::images-"
        )


def test_chalice_delete_does_not_delete_functions_that_a_pipeline_deploys(
    project: Path, localstack: target.Target, deployed: dict[str, str]
) -> None:
    command = [sys.executable, CHALICE, "delete", "--stage", STAGE]
    ended = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=60)
    line = f"A pipeline deploys the stage {STAGE}: delete its stack images-api-{STAGE} instead.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", line)
    functions = localstack.client("lambda").list_functions()["Functions"]
    assert len([each for each in functions if each["FunctionName"].startswith(f"images-api-{STAGE}")]) == 8


def test_an_error_of_api_gateway_has_the_common_shape(service: Service) -> None:
    answer = service.call("GET", "/nowhere")
    assert (answer.status_code, answer.json()) == (404, error("No route matches this path."))
