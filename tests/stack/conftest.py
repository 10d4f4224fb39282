"""Fixtures of the embedded stack's tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.config import Config

from dev.engines import ministack
from dev.folder import opened
from dev.install import installed
from dev.processes import LOOPBACK, guarded, ports


@dataclass(frozen=True)
class Emulator:
    """A running S3 emulator without the rest of the stack."""

    url: str
    access_key_id: str
    s3: Any
    sqs: Any


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with opened(Path(tmp_path_factory.mktemp("emulator"))) as folder, guarded() as processes:
        (port,) = ports(LOOPBACK, 0)
        program = ministack(installed(), folder, LOOPBACK, port, "us-east-1")
        engine = processes.start(program, LOOPBACK, folder)
        engine.wait_until_it_listens()
        session: Any = boto3.session.Session(folder.access_key_id, folder.secret_access_key, region_name="us-east-1")
        s3 = session.client("s3", endpoint_url=engine.url, config=Config(signature_version="s3v4"))
        yield Emulator(engine.url, folder.access_key_id, s3, session.client("sqs", endpoint_url=engine.url))
