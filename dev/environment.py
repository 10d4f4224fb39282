"""What leads boto3 in this process to a stack."""

import json
import os
from pathlib import Path

from dev import CannotRun

# What could lead to, or away from here by, a developer's own AWS account.
_NOT_OURS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")


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
