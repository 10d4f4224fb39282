"""Run the stack: engines, buckets and tables, and the workers, which answer requests and events.

This process supervises the others. It has no threads and no connections when it forks the workers.
"""

import errno
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3.session
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError
from chalice.cli.factory import CLIFactory
from chalice.config import Config

from chalicelib import logs
from chalicelib.config import Settings
from chalicelib.config import read as read_settings
from chalicelib.secrets import read as read_secrets
from chalicelib.stores import aws
from dev import provision, welcome
from dev.commits import Commits
from dev.completeness import check_complete
from dev.disk import MIN_FREE_MB, Disk
from dev.engines import dynamodb_local, ministack
from dev.folder import Debt, Folder, opened
from dev.install import installed
from dev.processes import LOOPBACK, Engine, end_on_signals, guarded, is_free, ports, signals_held
from dev.pump import Pump
from dev.server import Server, Site
from dev.workers import default_workers, forked
from project import PROJECT, CannotRun
from project.environment import enter
from project.files import write_privately

_CONNECTIONS = 64  # that a client of this module keeps
_DESCRIBE_SECONDS = 600  # that DynamoDB Local may take to count the items of a large table
_PROCESSING_NICENESS = 5  # a third of the weight of a request on a busy processor


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `python -m dev run`. A port of 0 is any free port. For S3, it is the port of the last start."""

    data: Path
    host: str = LOOPBACK
    port: int = 8000
    s3_port: int = 0
    dynamodb_port: int = 0
    allowed_hosts: tuple[str, ...] = ()
    min_free_mb: int = MIN_FREE_MB
    workers: int = field(default_factory=default_workers)  # processes that answer requests; images processed at once


def run(options: Options) -> None:
    """Run the stack until Ctrl-C or SIGTERM.

    Raises CannotRun, WrongSetting.
    """
    end_on_signals()
    config = CLIFactory(str(PROJECT), environ={}).create_config_obj("local")
    for name, value in config.environment_variables.items():
        os.environ.setdefault(name, value)
    settings = read_settings(os.environ)
    read_secrets(os.environ, settings)  # reports wrong ones
    logging.getLogger("dev").handlers = [logs.handler(settings.log_format, sys.stdout)]
    with _full_disk_reported(options.data), ExitStack() as stack:
        server = stack.enter_context(Server(options.host, options.port))
        s3_port, dynamodb_port = ports(options.host, options.s3_port, options.dynamodb_port)
        # After the ports: a start that fails for a busy port creates no folder.
        folder = stack.enter_context(opened(options.data))
        check_complete(folder, settings)
        programs = installed()
        print(f"Starting the service on the data folder {folder.path} ...", flush=True)
        if not options.s3_port:
            s3_port = _port_as_before(folder, options.host, s3_port)
        disk = folder.disk(options.min_free_mb)
        disk.make_room()  # a start writes a little
        folder.keep_s3_port(s3_port)
        debt = stack.enter_context(folder.events_at_risk())
        processes = stack.enter_context(guarded())
        emulator = ministack(programs, folder, options.host, s3_port, settings.aws_region, options.min_free_mb)
        s3 = processes.start(emulator, options.host, folder)
        dynamodb = processes.start(dynamodb_local(programs, folder, dynamodb_port, server.url), LOOPBACK, folder)
        environment = _environment(folder, server, s3, dynamodb, settings)
        connect_app(environment, folder, settings, disk)
        pump = _provisioned(config, environment, s3, dynamodb, settings, disk, debt, options.workers)
        site = Site(disk, folder.credentials, options.allowed_hosts)
        workers = stack.enter_context(forked(leave=processes.leave))
        gc.freeze()  # the memory that the forks share stays unchanged
        for number in range(1, options.workers + 1):
            workers.start(f"API {number}", partial(server.serving, config.chalice_app, config, site))
        workers.start("processing", partial(_in_background, pump))
        announcement = {"url": server.url, "environment": environment, "min_free_mb": options.min_free_mb}

        def announced() -> Sequence[int]:
            pids = [os.getpid(), *(engine.process.pid for engine in processes.engines), *workers.pids]
            write_privately(folder.announcement, {**announcement, "pids": pids})
            return workers.pids

        known = announced()
        stack.callback(folder.announcement.unlink)
        print(welcome.text(server.url, environment), flush=True)
        while True:
            with signals_held():
                for engine in processes.engines:
                    engine.check()
                workers.restart_ended()
                if workers.pids != known:
                    with suppress(OSError):  # a full disk does not end the stack; the next round tries again
                        known = announced()
            disk.watch()
            time.sleep(0.5)


def _in_background(pump: Pump) -> Pump:
    """Let requests have the processors first that they share with the processing of images."""
    os.nice(_PROCESSING_NICENESS)
    return pump


def _port_as_before(folder: Folder, host: str, other: int) -> int:
    """Return the port that S3 had in the last start on a folder, or `other` if there was none or it is in use.

    Presigned URLs contain the port, and stay valid while it is the same.
    """
    before = folder.s3_port
    if before in (0, other):
        return other
    if is_free(host, before):
        return before
    print(
        f"Another program uses port {before}; S3 gets port {other}, so earlier presigned URLs do not work.", flush=True
    )
    return other


@contextmanager
def _full_disk_reported(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise CannotRun(f"The disk of the data folder {data} is full; free some space, then start again.") from None


def _environment(folder: Folder, server: Server, s3: Engine, dynamodb: Engine, settings: Settings) -> dict[str, str]:
    """Return the variables that lead boto3 and `aws` to this stack."""
    return {
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ENDPOINT_URL_SQS": s3.url,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url,
        "AWS_ENDPOINT_URL_LAMBDA": server.url,
        "AWS_ACCESS_KEY_ID": folder.access_key_id,
        "AWS_SECRET_ACCESS_KEY": folder.secret_access_key,
        "AWS_REGION": settings.aws_region,
        "AWS_DEFAULT_REGION": settings.aws_region,
    }


def _provisioned(
    config: Config,
    environment: dict[str, str],
    s3: Engine,
    dynamodb: Engine,
    settings: Settings,
    disk: Disk,
    debt: Debt,
    handlers: int,
) -> Pump:
    """Create buckets, tables and notifications. Imports the app while the engines start.

    Leaves no thread and no connection in this process, which is forked later.
    """
    session = boto3.session.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    once = ClientConfig(
        retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, max_pool_connections=_CONNECTIONS
    )
    s3_client = session.client("s3", config=once)
    dynamodb_client = session.client("dynamodb", config=once.merge(ClientConfig(read_timeout=_DESCRIBE_SECONDS)))
    with ThreadPoolExecutor() as pool:
        made = [
            pool.submit(_when_it_listens, s3, lambda: provision.create_buckets(s3_client, settings)),
            pool.submit(_when_it_listens, dynamodb, lambda: provision.create_tables(dynamodb_client, settings)),
        ]
        app = config.chalice_app
        for each in made:
            each.result()
    sqs_client = session.client("sqs", config=once)
    pump = Pump(app, config, s3_client, sqs_client, debt=debt, disk=disk, handlers=handlers)
    aws.prepare()  # the forks share the clients, which have no connections yet
    for client in (s3_client, dynamodb_client, sqs_client):
        client.close()  # a fork must not use the connections of this process
    return pump


def connect_app(environment: dict[str, str], folder: Folder, settings: Settings, disk: Disk) -> None:
    """Lead the app in this process to the emulators, and watch its calls.

    The app signs presigned URLs with the key id of its environment. That id must not open the database, so requests to
    DynamoDB Local, which does not check signatures, get the other id.
    """
    enter(environment)
    # A client waits meanwhile, and botocore would wait for minutes for an engine that hangs.
    shortly = ClientConfig(
        connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1}, max_pool_connections=_CONNECTIONS
    )
    prover = boto3.session.Session().client("dynamodb", config=shortly)
    os.environ["AWS_ACCESS_KEY_ID"] = folder.url_key_id

    def use_private_id(request: Any, **_: Any) -> None:
        signed: bytes = request.headers["Authorization"]
        request.headers["Authorization"] = signed.replace(folder.url_key_id.encode(), folder.access_key_id.encode(), 1)

    events = aws.session().get_component("event_emitter")
    events.register("before-send.dynamodb", use_private_id)
    Commits(prover, settings.images_table_name, disk).register(events)


def _when_it_listens(engine: Engine, provide: Callable[[], None]) -> None:
    engine.wait_until_it_listens()
    try:
        provide()
    except (BotoCoreError, ClientError) as error:
        raise CannotRun(f"{engine.name} refuses what resources.yaml declares: {error}; see {engine.log}.") from None
