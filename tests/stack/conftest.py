"""Fixtures for the tests of the embedded stack."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from chalice.app import Chalice
from chalice.config import Config as ChaliceConfig

from dev.disk import Disk
from dev.engines import ministack
from dev.folder import opened
from dev.install import installed
from dev.processes import LOOPBACK, guarded, ports
from dev.server import Server, Site


@dataclass(frozen=True)
class Emulator:
    """The S3 and SQS emulator, without the rest of the stack."""

    url: str
    access_key_id: str
    url_key_id: str
    secret_access_key: str
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
        keys = (folder.access_key_id, folder.url_key_id, folder.secret_access_key)
        yield Emulator(engine.url, *keys, s3, session.client("sqs", endpoint_url=engine.url))


KEY = Credentials("LOCALTEST", "secret")


@contextmanager
def serving(app: Chalice, folder: Path, *hosts: str, margin_mb: int = 0) -> Iterator[Server]:
    """Run the embedded stack's HTTP server with a small app, on a data folder that keeps `margin_mb` free."""
    with Server(LOOPBACK, 0) as server:
        config = ChaliceConfig.create(chalice_app=app, app_name=app.app_name)
        site = Site(Disk((folder,), folder / "reserve", margin_mb), KEY, hosts)
        with server.serving(app, config, site):
            yield server
