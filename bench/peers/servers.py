"""Start and fill each service of the comparison. Its processes end with the block."""

import csv
import io
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3.session
from boto3.dynamodb.types import TypeSerializer
from botocore.config import Config
from urllib3 import BaseHTTPResponse

from bench import tables
from bench.usage import Usage
from chalicelib.model import Image
from dev.processes import LOOPBACK, ports, url
from dev.stack import running
from project import PROJECT, CannotRun

BIN = PROJECT / ".venv-peers" / "bin"  # `make bench-peers` installs it
WORKERS = 2  # processes of a Python server, of THREADS each: one for each processor of the machine
THREADS = 4
_IDLE_SECONDS = 75  # after which gunicorn closes a connection; its default, 2, can do so while a request arrives
_START_SECONDS = 30
_STOP_SECONDS = 10

_SCAN_TABLE, _SCAN_BUCKET = "scan_images", "scan-images"  # of bench.peers.scan
_BUCKET = "images"  # of bench.peers.selfhosted
_KEY = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-peers", "AWS_DEFAULT_REGION": "us-east-1"}
_COLUMNS = ("image_id", "user_id", "title", "tags", "filename", "content_type", "size", "created_at")


@dataclass(frozen=True, slots=True)
class Peer:
    """A running service with the routes of this one that are measured."""

    url: str
    fill: Callable[[Sequence[Image]], None]  # adds images to what lists read, without their files
    usage: Callable[[BaseHTTPResponse], Usage]  # of the request that was answered; without AWS: nothing


@contextmanager
def ours(folder: Path) -> Iterator[Peer]:
    """Run this service as `make run` does."""
    with running(folder / "data", environment={"LOG_FORMAT": "json", "AUTH": "open"}) as stack:

        def usage(answer: BaseHTTPResponse) -> Usage:
            lines = (line for line in stack.log.read_text().splitlines() if answer.headers["X-Request-Id"] in line)
            (used,) = [line for line in map(json.loads, lines) if line["message"] == "request"]
            return Usage(used["aws_calls"], used["read_units"], used["write_units"])

        yield Peer(stack.url, partial(tables.write, stack), usage)


@contextmanager
def scanning(folder: Path) -> Iterator[Peer]:
    """Run bench.peers.scan. Its engines are those of an embedded stack, whose API nobody calls."""
    with running(folder / "data") as stack:
        stack.client("s3").create_bucket(Bucket=_SCAN_BUCKET)
        stack.client("dynamodb").create_table(
            TableName=_SCAN_TABLE,
            KeySchema=[{"AttributeName": "image_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "image_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

        def fill(images: Sequence[Image]) -> None:
            serialize = TypeSerializer().serialize
            items = [{**_fields(each), "title_lower": each.title.lower(), "tags": list(each.tags)} for each in images]
            puts = [{name: serialize(value) for name, value in item.items()} for item in items]
            tables.commit(stack, [{"Put": {"TableName": _SCAN_TABLE, "Item": item}} for item in puts])

        def usage(answer: BaseHTTPResponse) -> Usage:
            headers = answer.headers
            return Usage(int(headers["X-Aws-Calls"]), float(headers["X-Read-Units"]), float(headers["X-Write-Units"]))

        with _flask("scan", folder, stack.environment) as address:
            yield Peer(address, fill, usage)


@contextmanager
def self_hosted(folder: Path) -> Iterator[Peer]:
    """Run bench.peers.selfhosted on Postgres and SeaweedFS."""
    programs = postgres_programs()
    with _postgres(programs, folder) as database, _seaweedfs(folder) as s3_url:
        psql = [str(programs / "psql"), "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", database]
        _run([*psql, "--file", str(PROJECT / "bench" / "peers" / "schema.sql")])

        def fill(images: Sequence[Image]) -> None:
            rows = io.StringIO()
            writer = csv.DictWriter(rows, _COLUMNS)
            for image in images:
                writer.writerow({**_fields(image), "tags": f"{{{','.join(image.tags)}}}"})
            _run([*psql, "--command", f"COPY images ({', '.join(_COLUMNS)}) FROM STDIN CSV"], rows.getvalue())
            _run([*psql, "--command", "VACUUM ANALYZE images"])

        environment = {**_KEY, "AWS_ENDPOINT_URL_S3": s3_url, "DATABASE": database}
        with _flask("selfhosted", folder, environment) as address:
            yield Peer(address, fill, lambda answer: Usage())


def _fields(image: Image) -> dict[str, Any]:
    return {name: getattr(image, name) for name in _COLUMNS}


@contextmanager
def thumbor(folder: Path, photographs: Path) -> Iterator[str]:
    """Run thumbor on a folder of photographs, and yield its URL."""
    (port,) = ports(LOOPBACK, 0)
    conf = PROJECT / "bench" / "peers" / "thumbor.conf"
    command = [str(BIN / "thumbor"), "--ip", LOOPBACK, "--port", str(port), "--conf", str(conf)]
    environment = {"PHOTOGRAPHS": str(photographs), "PICTURES": str(folder / "pictures")}
    with _process([*command, "--processes", str(WORKERS)], folder / "thumbor.log", port, environment):
        yield url(LOOPBACK, port)


def postgres_programs() -> Path:
    """Return the folder of Postgres: that on PATH, or Debian's newest. Raises CannotRun: it is not installed."""
    if program := shutil.which("initdb"):
        return Path(program).resolve().parent
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found:
        raise CannotRun("Postgres is not installed; on Debian and Ubuntu: apt-get install postgresql")
    return max(found, key=lambda path: float(path.parent.name))


@contextmanager
def _flask(module: str, folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Run a module's Flask application, and yield its URL."""
    (port,) = ports(LOOPBACK, 0)
    size = ["--workers", str(WORKERS), "--threads", str(THREADS), "--keep-alive", str(_IDLE_SECONDS)]
    command = [str(BIN / "gunicorn"), *size, "--bind", f"{LOOPBACK}:{port}", f"bench.peers.{module}:app"]
    with _process(command, folder / f"{module}.log", port, environment):
        yield url(LOOPBACK, port)


@contextmanager
def _postgres(programs: Path, folder: Path) -> Iterator[str]:
    """Run Postgres with its default settings, and yield its connection string.

    It listens on a socket in a folder of its own. Postgres does not run as root, so root runs it as `nobody`.
    """
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="images-api-postgres-") as name:
        home = Path(name)
        if user:
            entry = pwd.getpwnam(user)
            os.chown(home, entry.pw_uid, entry.pw_gid)
        initdb = [str(programs / "initdb"), "--pgdata", str(home / "data"), "--username", "bench", "--auth", "trust"]
        _run([*initdb, "--locale", "C", "--encoding", "UTF8"], user=user, cwd=home)
        server = [str(programs / "postgres"), "-D", str(home / "data"), "-h", "", "-k", str(home)]
        with _process(server, folder / "postgres.log", home / ".s.PGSQL.5432", {}, user=user, cwd=home):
            yield f"host={home} user=bench dbname=postgres"


@contextmanager
def _seaweedfs(folder: Path) -> Iterator[str]:
    """Run SeaweedFS with one bucket, and yield the URL of its S3 API."""
    data, identities = folder / "seaweedfs", folder / "identities.json"
    data.mkdir()
    credentials = [{"accessKey": _KEY["AWS_ACCESS_KEY_ID"], "secretKey": _KEY["AWS_SECRET_ACCESS_KEY"]}]
    identities.write_text(json.dumps({"identities": [{"credentials": credentials, "actions": ["Admin"]}]}))
    parts = ["s3.port", "master.port", "volume.port", "filer.port"]
    parts += [f"{part}.grpc" for part in parts]
    found = dict(zip(parts, ports(LOOPBACK, *([0] * len(parts))), strict=True))
    command = [str(BIN / "weed"), "server", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-s3"]
    options = [f"-s3.config={identities}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=100"]
    numbers = [f"-{name}={port}" for name, port in found.items()]
    with _process([*command, *options, *numbers], folder / "seaweedfs.log", found["s3.port"], {}):
        address = url(LOOPBACK, found["s3.port"])
        key_id, secret, region = _KEY.values()
        # It listens before its parts have found each other.
        patient = Config(retries={"total_max_attempts": 10, "mode": "standard"})
        session = boto3.session.Session(key_id, secret, region_name=region)
        session.client("s3", endpoint_url=address, config=patient).create_bucket(Bucket=_BUCKET)
        yield address


@contextmanager
def _process(
    command: Sequence[str],
    log: Path,
    listens_on: int | Path,
    environment: Mapping[str, str],
    *,
    user: str | None = None,
    cwd: Path = PROJECT,
) -> Iterator[None]:
    """Run a program that listens on a port or a socket. Raises CannotRun: it ended, or does not listen."""
    with ExitStack() as stack:
        output = stack.enter_context(log.open("w"))
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            start_new_session=True,  # Ctrl-C reaches only this process, which then ends the program
        )
        stack.callback(_end, process)
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(listens_on):
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotRun(f"{Path(command[0]).name} does not run:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield


def _listens(on: int | Path) -> bool:
    family, address = (socket.AF_UNIX, str(on)) if isinstance(on, Path) else (socket.AF_INET, (LOOPBACK, on))
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with its children: those of thumbor would outlive it."""
    with suppress(subprocess.TimeoutExpired, ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _run(command: Sequence[str], text: str = "", *, user: str | None = None, cwd: Path = PROJECT) -> None:
    done = subprocess.run(command, cwd=cwd, input=text, user=user, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRun(f"{Path(command[0]).name} failed: {done.stderr.strip()}")
