"""Fixtures for the tests of the embedded stack."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from chalice.app import Chalice
from chalice.config import Config as ChaliceConfig

from dev.engines import ministack
from dev.folder import opened
from dev.install import installed
from dev.processes import LOOPBACK, guarded, ports
from dev.server import Server


@dataclass(frozen=True)
class Emulator:
    """The S3 and SQS emulator, without the rest of the stack."""

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


class Store:
    """A store whose `settle` a request calls before its writes are acknowledged."""

    def __init__(self) -> None:
        self.settled = 0
        self.reached = True

    def settle(self) -> None:
        if not self.reached:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
        self.settled += 1


@contextmanager
def serving(app: Chalice, store: Store) -> Iterator[Server]:
    """Run the embedded stack's HTTP server with a small app."""
    with Server(LOOPBACK, 0) as server:
        config = ChaliceConfig.create(chalice_app=app, app_name=app.app_name)
        threading.Thread(target=server.serve, args=(app, config, store.settle), daemon=True).start()
        yield server
        server.shutdown()
