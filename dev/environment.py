"""What leads boto3 and the app in this process to a stack, or to a stage on AWS."""

import json
import os
from pathlib import Path

from chalice.cli.factory import CLIFactory
from chalice.config import Config

from dev import PROJECT, CannotRun

# What could lead to, or away from here by, a developer's own AWS account.
_NOT_OURS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")


def stage_config(stage: str) -> Config:
    """A stage of .chalice/config.json.

    Raises CannotRun: there is no such stage.
    """
    factory = CLIFactory(str(PROJECT))
    if stage not in factory.load_project_config()["stages"]:
        raise CannotRun(f".chalice/config.json has no stage {stage!r}.")
    return factory.create_config_obj(stage)


def enter_stage(stage: str, data: Path | None) -> Config:
    """Let this process have a stage's settings, and reach the stack that runs on a data folder, if one is named.

    Raises CannotRun: there is no such stage, or no such stack.
    """
    config = stage_config(stage)
    for name, value in config.environment_variables.items():
        os.environ.setdefault(name, value)
    if data is not None:
        enter(announced(data))
    return config


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
