"""Each row of docs/chalice.md that can be tested without a deployed stage. The others: tests/stack, tests/deployed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from chalice.cli import cli

from project import PROJECT, CannotRun, chalice_commands

pytestmark = pytest.mark.long

CHALICE = Path(sys.executable).with_name("chalice")
NO_CREDENTIALS = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
RECORD = PROJECT / ".chalice" / "deployed"


def parsed(*arguments: str) -> dict[str, Any]:
    """Return the options as Chalice reads them from its command line."""
    group: Any = cli
    for name in arguments:
        group = group.commands.get(name) if isinstance(group, click.Group) else group
    names = [name for name in arguments if not name.startswith("-")]
    depth = 2 if names[0] == "dev" else 1
    context: click.Context = group.make_context(arguments[depth - 1], list(arguments[depth:]))
    return context.params


def instead(*arguments: str) -> list[str]:
    """Return what takes the place of a command."""
    name = arguments[1] if arguments[0] == "dev" else arguments[0]
    return chalice_commands.command(name, parsed(*arguments))


def chalice(*arguments: str, folder: Path = PROJECT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Chalice's command line without an AWS account."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [CHALICE, *arguments],
        cwd=folder,
        env={**environment, **NO_CREDENTIALS, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a fresh clone, as far as commands that do not load app.py read it."""
    (tmp_path / ".chalice").mkdir()
    shutil.copy(PROJECT / ".chalice" / "config.json", tmp_path / ".chalice")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("deploy", "deploy deploy dev"),
        ("deploy --stage prod --no-autogen-policy --api-gateway-stage prod", "deploy deploy prod"),
        ("delete --stage prod", "deploy delete prod"),
        ("package out", "deploy package dev --format cloudformation --out out"),
        ("package --stage prod --pkg-format terraform out", "deploy package prod --format terraform --out out"),
        ("local --port 9 --stage local --no-autoreload", "dev local --stage=local --host=127.0.0.1 --port=9"),
        ("generate-models", ""),
        ("dev appgraph", ""),
    ],
)
def test_a_command_is_replaced_by_the_projects_own(arguments: str, expected: str) -> None:
    assert instead(*arguments.split()) == expected.split()


@pytest.mark.parametrize(
    ("arguments", "beginning", "named"),
    [
        ("deploy --autogen-policy", "--autogen-policy contradicts", "`make deploy STAGE=dev`"),
        ("deploy --api-gateway-stage api", "--api-gateway-stage must be", "`make deploy STAGE=dev`"),
        ("deploy --connection-timeout 5", "--connection-timeout is not supported", "`make deploy STAGE=dev`"),
        ("package --single-file out", "--single-file is not supported", "`make package STAGE=dev`"),
        ("package --merge-template more.json out", "--merge-template is not", "`make package STAGE=dev`"),
        ("package --template-format yaml out", "--template-format must be json", "`make package STAGE=dev`"),
        ("dev plan --stage prod", "`chalice dev plan`", "`make package STAGE=prod`"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_run_instead(arguments: str, beginning: str, named: str) -> None:
    with pytest.raises(CannotRun) as refused:
        instead(*arguments.split())
    assert str(refused.value).startswith(beginning)
    assert named in str(refused.value)


def test_a_profile_wins_over_keys_in_the_environment() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", "AWS_PROFILE": "other"}
    variables = {"HOME": "/home/me", "AWS_CHALICE_CLI_MODE": "true", **keys}
    assert chalice_commands.environment(variables, "mine") == {"HOME": "/home/me", "AWS_PROFILE": "mine"}
    assert chalice_commands.environment(variables, None) == {"HOME": "/home/me", **keys}


def test_other_programs_that_load_the_app_are_not_replaced() -> None:
    chalice_commands.hand_over()  # no command line
    with click.Context(click.Command("deploy"), info_name="deploy"):
        chalice_commands.hand_over()  # not Chalice's


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("deploy", "No region is configured."),
        ("deploy --profile nobody", "The config profile (nobody) could not be found."),
        ("deploy --stage nowhere", ".chalice/config.json has no stage 'nowhere'."),
        ("deploy --autogen-policy", "--autogen-policy contradicts app.py"),
        ("delete", "No region is configured."),
        ("package out", "No region is configured."),
        ("package --single-file out", "--single-file is not supported"),
        ("dev plan", "`chalice dev plan` would plan"),
        ("local --no-autoreload --stage nowhere --port 0", ".chalice/config.json has no stage 'nowhere'."),
    ],
)
def test_a_refusal_is_one_line_with_status_1_and_touches_nothing(arguments: str, line: str) -> None:
    before = sorted((PROJECT / ".chalice").iterdir())
    ended = chalice(*arguments.split())
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1
    assert sorted((PROJECT / ".chalice").iterdir()) == before
    assert not (PROJECT / "out").exists()


def test_a_missing_package_is_named_in_one_line(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("chalicelib", "project"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=ignored)
    for name in ("app.py", ".chalice/config.json", "dev/run.in"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    with (tmp_path / "dev" / "run.in").open("a") as needed:
        needed.write("nosuchpackage\n")
    ended = chalice("deploy", folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("nosuchpackage is not installed: run `")
    assert ended.stderr.endswith(" -m pip install -r dev/run.txt`.\n")
    assert ended.stderr.count("\n") == 1


def test_gen_policy_prints_a_policy_that_allows_nothing() -> None:
    ended = chalice("gen-policy")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {"Version": "2012-10-17", "Statement": []}


def test_generate_models_prints_every_path() -> None:
    ended = chalice("generate-models")
    assert ended.returncode == 0, ended.stderr
    assert {"/images", "/images/{image_id}", "/health"} <= set(json.loads(ended.stdout)["paths"])


def test_appgraph_prints_every_function() -> None:
    ended = chalice("dev", "appgraph")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("LambdaFunction(") == 8


@pytest.mark.parametrize(
    ("arguments", "status", "output"),
    [
        ("url", 2, "Error: Could not find a record of a Rest API in chalice stage: 'dev'\n"),
        ("invoke -n sweep", 2, "Error: could not find a lambda function named sweep.\n"),
        ("logs", 0, ""),
    ],
)
def test_in_a_clone_that_has_not_deployed_commands_that_read_the_record_do_nothing(
    clone: Path, arguments: str, status: int, output: str
) -> None:
    ended = chalice(*arguments.split(), folder=clone, AWS_DEFAULT_REGION="us-east-1")
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "", output)


def test_generate_pipeline_writes_a_build_that_runs_chalice_package(clone: Path) -> None:
    ended = chalice("generate-pipeline", "--pipeline-version", "v2", "pipeline.json", folder=clone)
    assert ended.returncode == 0, ended.stderr
    assert "chalice package" in (clone / "pipeline.json").read_text()


def test_generate_sdk_needs_a_deployment(clone: Path) -> None:
    ended = chalice("generate-sdk", "out", folder=clone, AWS_DEFAULT_REGION="us-east-1")
    assert ended.returncode == 1
    assert ended.stderr == "Could not find API ID, has this application been deployed?\nAborted!\n"
