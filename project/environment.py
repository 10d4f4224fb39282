"""The environment variables through which boto3 and the app in this process reach a stack or a stage."""

import json
import os
from collections.abc import Container
from pathlib import Path
from typing import Any

from chalice.config import Config

from project import CannotRun
from project.stages import LOCAL, stage_config

# Variables that could lead boto3 away from the embedded stack, for example to a developer's own AWS account.
_REMOVED = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
_LOCALSTACK = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
_ACCOUNT = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", *_LOCALSTACK)


def enter_stage(stage: str, data: Path | None) -> Config:
    """Give this process the settings of a stage, and let it reach the stack that runs on `data`, if given.

    Without `data`, the stage `local` is on LocalStack, and any other stage is where boto3's environment leads.
    Raises CannotRun: there is no such stage, no stack runs on `data`, or the stage's tables have no names yet.
    """
    config = stage_config(stage)
    for name, value in config.environment_variables.items():
        os.environ.setdefault(name, value)
    if data is not None:
        enter(announced(data))
    elif stage == LOCAL:
        enter_localstack()
    elif not has_tables(os.environ):
        raise CannotRun(f".chalice/config.json has no table names for the stage {stage}; a deployment writes them.")
    return config


def enter_localstack() -> None:
    """Let this process reach LocalStack: at AWS_ENDPOINT_URL if set, else the one that `make up` starts."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        for name in _ACCOUNT:  # a developer's own
            os.environ.pop(name, None)
        os.environ["AWS_ENDPOINT_URL"] = "http://localhost:4566"
    for name, value in _LOCALSTACK.items():
        os.environ.setdefault(name, value)


def has_tables(variables: Container[str]) -> bool:
    """Whether variables name a stage's tables. A deployment to AWS writes the names into .chalice/config.json."""
    return "IMAGES_TABLE_NAME" in variables or "DYNAMODB_TABLE_NAME" in variables


def announced(data: Path) -> dict[str, str]:
    """Return the variables that lead to the stack that runs on a data folder.

    Raises CannotRun: no stack runs there.
    """
    environment: dict[str, str] = announcement(data)["environment"]
    return environment


def announcement(data: Path) -> dict[str, Any]:
    """Return what the stack that runs on a data folder has written about itself: its `environment`, and more.

    Raises CannotRun: no stack runs there.
    """
    try:
        found = json.loads((data.expanduser() / "stack.json").read_text())
        return {**found, "environment": dict(found["environment"])}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):  # RuntimeError: no such user
        raise CannotRun(f"No service runs on the data folder {data}; `make run` starts one.") from None


def enter(environment: dict[str, str]) -> None:
    """Let this process, and the app in it, reach the embedded stack of these variables and nothing else."""
    for name in _REMOVED:
        os.environ.pop(name, None)
    os.environ.update(
        environment,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )
    bypass_proxies()


def bypass_proxies() -> None:
    """Let this process reach 127.0.0.1 without the proxy that its environment may name."""
    not_proxied = ",".join(filter(None, [os.environ.get("no_proxy"), os.environ.get("NO_PROXY"), "127.0.0.1"]))
    os.environ.update(no_proxy=not_proxied, NO_PROXY=not_proxied)
