"""What clients of the contracts have: a shell with curl, a photo, and for A's functions boto3."""

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
    """A small PNG."""
    return picture("PNG", width=64, height=48)


@pytest.fixture
def shell(service: Service, alice: User, photo: bytes, tmp_path: Path) -> Shell:
    """Runs a line as someone types it, beside photo.png, with $URL and $ALICE set; the JSON that it prints."""
    if shutil.which("curl") is None:
        pytest.skip("There is no curl on this machine.")
    (tmp_path / "photo.png").write_bytes(photo)
    environment = {**os.environ, "URL": service.url, "ALICE": alice.user_id}

    def run(line: str) -> Any:
        ran = subprocess.run(
            ["/bin/sh", "-ec", line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run


@pytest.fixture
def invoke(request: pytest.FixtureRequest, stack: Stack | None) -> Iterator[Invoke]:
    """Invokes a Lambda function by boto3: its status, and what its body says."""
    endpoint = request.config.getoption("--lambda-endpoint")
    if stack is None and endpoint is None:
        pytest.skip("The functions' endpoint is not known: give --lambda-endpoint beside --url.")
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
