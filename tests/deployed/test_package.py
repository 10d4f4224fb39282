"""What `make package` writes: by what is in it, and by what LocalStack makes of it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import jwt
import pytest

from deploy import data, stack, target
from project import PROJECT, CannotRun
from tests.http.client import Service
from tests.pictures import base64_picture

STAGE = "packaged"
SECRETS = {"CURSOR_SECRET": "c" * 40, "JWT_SECRET": "j" * 40}
MACHINES = {"x86_64": 62, "arm64": 183}  # of an ELF header, e_machine
WITHOUT_CREDENTIALS = """
import sys
from pathlib import Path
from deploy import package, target
package.write(target.Target(None, "aws", "eu-west-1", "123456789012", ""), sys.argv[1], sys.argv[2], Path(sys.argv[3]))
"""

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, with a stage of its own, whose callers need tokens."""
    copy = tmp_path_factory.mktemp("project") / "images-api"
    ignored = shutil.ignore_patterns(
        ".git", ".venv*", ".data", "build", "deploy*ed", "deployments", "*cache*", ".hypothesis", ".coverage*"
    )
    shutil.copytree(PROJECT, copy, ignore=ignored)
    configure(copy)
    return copy


def configure(project: Path, architecture: str = "x86_64") -> None:
    """Give the stage its configuration, without the names that an earlier test has had written."""
    config = json.loads((PROJECT / ".chalice" / "config.json").read_text().replace("policy-local-", f"policy-{STAGE}-"))
    config["lambda_architecture"] = architecture
    config["stages"][STAGE] = config["stages"]["local"] | {
        "api_gateway_stage": STAGE,
        "xray": True,
        "environment_variables": {"METRICS_NAMESPACE": f"images-api/{STAGE}"},
        "deployment": {"api_requests_per_second": 7, "api_burst": 11, "event_age_seconds": 3_600},
    }
    (project / ".chalice" / "config.json").write_text(json.dumps(config))


def run(project: Path, *arguments: str) -> None:
    environment = {**os.environ, **SECRETS, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, *arguments], cwd=project, env=environment, check=True, timeout=200)


@pytest.fixture(scope="module")
def packaged(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Packages the stage for AWS; the folder."""

    def package(form: str = "cloudformation", architecture: str = "x86_64") -> Path:
        configure(project, architecture)
        out = tmp_path_factory.mktemp("out")
        run(project, "-c", WITHOUT_CREDENTIALS, STAGE, form, str(out))
        return out

    return package


def distributions(names: list[str]) -> set[str]:
    return {re.sub("[-_.]+", "-", name).lower() for name in names}


@pytest.mark.parametrize("architecture", MACHINES)
def test_the_zip_has_what_is_required_for_its_architecture_and_no_more(
    packaged: Callable[..., Path], architecture: str
) -> None:
    path = packaged(architecture=architecture) / "deployment.zip"
    assert path.stat().st_size < 30_000_000
    with ZipFile(path) as package:
        names = package.namelist()
        starts = {name: package.open(name).read(20) for name in names}
        unzipped = sum(entry.file_size for entry in package.infolist())
    print(f"{architecture}: {path.stat().st_size:,} bytes, {unzipped:,} unzipped")
    assert unzipped < 250_000_000  # Lambda's most

    wanted = re.findall("^([A-Za-z0-9._-]+)==", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    assert distributions(re.findall(r"^([^/]+)-[^-/]+\.dist-info/METADATA$", "\n".join(names), re.MULTILINE)) == (
        distributions(wanted)
    )
    sources = [*(PROJECT / "chalicelib").rglob("*.py"), PROJECT / "chalicelib" / "web" / "openapi.yaml"]
    assert {str(file.relative_to(PROJECT)) for file in sources} <= set(names)
    tops = {name.partition("/")[0] for name in names}
    assert {"app.py", "chalicelib", "chalice", "PIL"} <= tops
    assert not tops & {folder.name for folder in PROJECT.iterdir() if folder.is_dir()} - {"chalicelib"}

    machines = {start[18] for start in starts.values() if start.startswith(b"\x7fELF")}
    assert machines == {MACHINES[architecture]}
    assert {name for name in names if ".so" in name} <= {
        name for name, start in starts.items() if start.startswith(b"\x7fELF")
    }


def test_cfn_lint_accepts_the_template(packaged: Callable[..., Path]) -> None:
    command = [Path(sys.executable).with_name("cfn-lint"), packaged() / "sam.json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_the_template_has_what_localstack_leaves_out(packaged: Callable[..., Path]) -> None:
    resources = json.loads((packaged() / "sam.json").read_text())["Resources"]
    (limits,) = resources["RestAPI"]["Properties"]["MethodSettings"]
    assert (limits["HttpMethod"], limits["ResourcePath"]) == ("*", "/*")
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == (7, 11)
    reserved = {
        name: resources[name]["Properties"]["ReservedConcurrentExecutions"] for name in ("OnObjectCreated", "Sweep")
    }
    assert reserved == {"OnObjectCreated": 5, "Sweep": 1}
    granted = resources["OnObjectCreatedFromS3"]["Properties"]
    assert granted["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_a_stage_with_xray_is_traced_from_the_api_on(packaged: Callable[..., Path]) -> None:
    resources = json.loads((packaged() / "sam.json").read_text())["Resources"]
    assert resources["RestAPI"]["Properties"]["TracingEnabled"] is True
    for function in (r for r in resources.values() if r["Type"] == "AWS::Serverless::Function"):
        assert function["Properties"]["Tracing"] == "Active"
    roles = [json.dumps(r["Properties"]["Policies"]) for r in resources.values() if r["Type"] == "AWS::IAM::Role"]
    assert len(roles) == 8
    assert all("xray:PutTraceSegments" in policies for policies in roles)


@pytest.mark.parametrize(("form", "name"), [("cloudformation", "sam.json"), ("terraform", "chalice.tf.json")])
def test_secrets_are_asked_for_and_never_written(packaged: Callable[..., Path], form: str, name: str) -> None:
    out = packaged(form)
    written = "".join(path.read_text() for path in out.iterdir() if path.suffix != ".zip")
    assert not [secret for secret in SECRETS.values() if secret in written]
    document = json.loads((out / name).read_text())
    if form == "terraform":
        assert {key: value["sensitive"] for key, value in document["variable"].items()} == {
            "cursor_secret": True,
            "jwt_secret": True,
        }
    else:
        hidden = {key for key, value in document["Parameters"].items() if value.get("NoEcho")}
        assert hidden == {"CursorSecret", "JwtSecret"}


def test_all_that_the_terraform_document_refers_to_is_in_it(packaged: Callable[..., Path]) -> None:
    out = packaged("terraform")
    text = (out / "chalice.tf.json").read_text()
    document = json.loads(text)
    there = {f"{kind}.{name}" for kind, named in document["resource"].items() for name in named}
    referred = set(re.findall(r"(?<![A-Za-z0-9_.])(aws_[a-z0-9_]+\.[A-Za-z0-9_-]+)", text))
    assert referred - there == set()
    assert {f"aws_lambda_function.{name}" for name in ("api_handler", "sweep")} < referred
    assert (out / "resources.yaml").read_text() == (PROJECT / "resources.yaml").read_text()
    settings = document["resource"]["aws_api_gateway_method_settings"]["rest_api"]["settings"]
    assert settings == {"throttling_rate_limit": 7, "throttling_burst_limit": 11}
    given_up = document["resource"]["aws_lambda_function_event_invoke_config"]
    assert set(given_up) == {"on_object_created", "on_upload_staged"}


@pytest.fixture(scope="module")
def place() -> target.Target:
    if not os.environ.get("AWS_ENDPOINT_URL"):
        pytest.skip("AWS_ENDPOINT_URL names no LocalStack")
    try:
        return target.find(STAGE)
    except CannotRun as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def deployed(project: Path, place: target.Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The outputs of the template's stack, deployed as `aws cloudformation package` and `deploy` do it."""
    out = tmp_path_factory.mktemp("out")
    configure(project)
    run(project, "-m", "deploy", "package", STAGE, "--out", str(out))
    s3, cloudformation = place.client("s3"), place.client("cloudformation")
    artifacts = f"artifacts-{STAGE}"
    s3.create_bucket(Bucket=artifacts)
    try:
        s3.upload_file(str(out / "deployment.zip"), artifacts, "deployment.zip")
        template = (out / "sam.json").read_text().replace("./deployment.zip", f"s3://{artifacts}/deployment.zip")
        s3.put_object(Bucket=artifacts, Key="sam.json", Body=template)
        values = dict(line.split("=", 1) for line in (out / "parameters").read_text().splitlines())
        values |= {"CursorSecret": SECRETS["CURSOR_SECRET"], "JwtSecret": SECRETS["JWT_SECRET"]}
        changes = {"StackName": stack.name(STAGE), "ChangeSetName": "first"}
        cloudformation.create_change_set(
            **changes,
            ChangeSetType="CREATE",
            TemplateURL=f"{place.endpoint_url}/{artifacts}/sam.json",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        cloudformation.get_waiter("change_set_create_complete").wait(**changes)
        cloudformation.execute_change_set(**changes)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack.name(STAGE))
        (made,) = cloudformation.describe_stacks(StackName=stack.name(STAGE))["Stacks"]
        yield {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}
    finally:
        data.delete(place, STAGE)
        stack.delete(place, STAGE)
        for entry in s3.list_objects_v2(Bucket=artifacts).get("Contents", []):
            s3.delete_object(Bucket=artifacts, Key=entry["Key"])
        s3.delete_bucket(Bucket=artifacts)


@pytest.fixture(scope="module")
def service(place: target.Target, deployed: dict[str, str]) -> Service:
    return Service(place.address(deployed["RestAPIId"], STAGE))


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
    while "analysis" not in (viewed := view()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert viewed["analysis"]["variants"], "the event of S3 didn't arrive"
    assert service.ids(user_id="alice", title="coffee") == [image_id]


def test_the_template_sets_what_chalice_can_not(place: target.Target, deployed: dict[str, str]) -> None:
    stages = place.client("apigateway").get_stages(restApiId=deployed["RestAPIId"])["item"]
    assert [api["stageName"] for api in stages] == [STAGE]  # SAM's own besides, called Stage, is not made

    functions = place.client("lambda")
    for function in "on_object_created", "on_upload_staged":
        name = f"images-api-{STAGE}-{function}"
        given_up = functions.get_function_event_invoke_config(FunctionName=name)
        assert (given_up["MaximumRetryAttempts"], given_up["MaximumEventAgeInSeconds"]) == (2, 3_600)
        assert given_up["DestinationConfig"]["OnFailure"]["Destination"] == deployed["DeadLetterQueueArn"]
        (granted,) = json.loads(functions.get_policy(FunctionName=name)["Policy"])["Statement"]
        assert granted["Principal"] == {"Service": "s3.amazonaws.com"}
        assert granted["Condition"]["ArnLike"]["AWS:SourceArn"].startswith(f"arn:{place.partition}:s3:::images-")


def test_api_gateway_answers_in_our_shape_where_no_function_does(service: Service) -> None:
    answer = service.call("GET", "/nowhere")
    assert (answer.status_code, answer.json()) == (404, {"error": "No route matches this path."})
