"""What leads boto3 and the app in this process to a stack, or to a stage on AWS."""

import json
import os
from pathlib import Path
from typing import Any

from chalice.cli.factory import CLIFactory
from chalice.config import Config

from dev import PROJECT, CannotRun

# What could lead to, or away from here by, a developer's own AWS account.
_NOT_OURS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")


LOCAL = "local"  # the one stage whose callers may name themselves: for one machine and LocalStack alone
_LOCALSTACK = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
_ACCOUNT = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", *_LOCALSTACK)


def project_config() -> dict[str, Any]:
    """What .chalice/config.json holds.

    Raises CannotRun: it can't be read, or stages and their variables are not what they must be.
    """
    try:
        config = json.loads((PROJECT / ".chalice" / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise CannotRun(f".chalice/config.json can't be read: {error}.") from None
    stages = config.get("stages") if isinstance(config, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise CannotRun(".chalice/config.json must have an object `stages`, of objects.")
    for variables in (part.get("environment_variables", {}) for part in (config, *stages.values())):
        if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
            raise CannotRun(".chalice/config.json: environment_variables must be an object of strings.")
    found: dict[str, Any] = config
    return found


def stage_config(stage: str) -> Config:
    """A stage of .chalice/config.json.

    Raises CannotRun: there is no such stage.
    """
    if stage not in project_config()["stages"]:
        raise CannotRun(f".chalice/config.json has no stage {stage!r}.")
    return CLIFactory(str(PROJECT)).create_config_obj(stage)


def enter_stage(stage: str, data: Path | None) -> Config:
    """Let this process have a stage's settings, and reach the stack that runs on a data folder, if one is named.

    The stage `local` without a data folder is on LocalStack, others are where boto3's environment says.
    Raises CannotRun: there is no such stage, or no such stack, or the stage's tables have no names yet.
    """
    config = stage_config(stage)
    for name, value in config.environment_variables.items():
        os.environ.setdefault(name, value)
    if data is not None:
        enter(announced(data))
    elif stage == LOCAL:
        enter_localstack()
    elif not {"IMAGES_TABLE_NAME", "DYNAMODB_TABLE_NAME"} & os.environ.keys():
        raise CannotRun(f"The stage {stage} has no names in .chalice/config.json; a deployment writes them.")
    return config


def enter_localstack() -> None:
    """Let this process reach LocalStack: that of AWS_ENDPOINT_URL, else the one that `make up` starts."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        for name in _ACCOUNT:  # of a developer's own
            os.environ.pop(name, None)
        os.environ["AWS_ENDPOINT_URL"] = "http://localhost:4566"
    for name, value in _LOCALSTACK.items():
        os.environ.setdefault(name, value)


def announced(data: Path) -> dict[str, str]:
    """What leads to the stack that runs on a data folder.

    Raises CannotRun: none does.
    """
    try:
        environment: dict[str, str] = json.loads((data.expanduser() / "stack.json").read_text())["environment"]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):  # RuntimeError: no such user
        raise CannotRun(f"No service runs on the data folder {data}; `make run` starts one.") from None
    return environment


def enter(environment: dict[str, str]) -> None:
    """Let this process, and the app in it, reach this stack and nothing else."""
    for name in _NOT_OURS:
        os.environ.pop(name, None)
    not_proxied = ",".join(filter(None, [os.environ.get("no_proxy"), os.environ.get("NO_PROXY"), "127.0.0.1"]))
    os.environ.update(
        environment,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        no_proxy=not_proxied,
        NO_PROXY=not_proxied,
    )
