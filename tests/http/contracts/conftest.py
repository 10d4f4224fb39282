"""Fixtures for the contracts: a photo, a shell with curl, and boto3 for the functions of contract A."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from dev.stack import Stack
from tests.http.client import Service, User
from tests.pictures import picture

Shell = Callable[[str], Any]
Invoke = Callable[[str, object], Any]


@pytest.fixture(scope="session")
def photo() -> bytes:
    """Return a small PNG."""
    return picture("PNG", width=64, height=48)


@pytest.fixture
def shell(service: Service, alice: User, photo: bytes, tmp_path: Path) -> Shell:
    """Return a function that runs a shell command and returns the JSON that it prints.

    The folder has photo.png, and the variables URL and ALICE are set.
    """
    if shutil.which("curl") is None:
        pytest.skip("There is no curl on this machine.")
    (tmp_path / "photo.png").write_bytes(photo)
    environment = {**os.environ, "URL": service.url, "ALICE": alice.user_id}

    def run(line: str) -> Any:
        ended = subprocess.run(
            ["/bin/sh", "-ec", line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run


@pytest.fixture
def invoke(request: pytest.FixtureRequest, stack: Stack | None) -> Iterator[Invoke]:
    """Return a function that invokes a Lambda function by boto3 and returns the status and body of its response."""
    endpoint = request.config.getoption("--lambda-endpoint")
    if stack is None and endpoint is None:
        pytest.skip("The endpoint of the functions is unknown: --url needs --lambda-endpoint as well.")
    client: Any = (
        stack.client("lambda")
        if stack
        else boto3.client(
            "lambda",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
    )
    prefix = "" if stack else request.config.getoption("--function-prefix")

    def run(function: str, event: object) -> Any:
        answer = client.invoke(FunctionName=prefix + function, Payload=json.dumps(event))
        assert "FunctionError" not in answer
        proxy = json.loads(answer["Payload"].read())
        assert isinstance(proxy["headers"], dict)
        return proxy["statusCode"], json.loads(proxy["body"])

    yield run
    client.close()
