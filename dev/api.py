"""The API without the rest of the stack: for a stack that runs already, for LocalStack, or for a stage on AWS."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3.session
from botocore.exceptions import BotoCoreError
from chalice.config import Config

from chalicelib.config import read
from chalicelib.secrets import read as read_secrets
from dev.folder import joined
from dev.run import connect_app
from dev.server import Server, Site
from project import CannotRun
from project.environment import announcement, has_tables
from project.stages import stage_config


@contextmanager
def serving(stage: str, host: str, port: int) -> Iterator[str]:
    """Serve a stage with the server of `make run` for the length of the block. Yields the URL.

    Raises CannotRun, WrongSetting.
    """
    config = stage_config(stage)
    os.environ.update(config.environment_variables)  # they win over this process's environment, as in Chalice
    with served(config, lambda: _site(stage), host, port) as url:
        yield url


@contextmanager
def served(config: Config, site: Callable[[], Site], host: str, port: int) -> Iterator[str]:
    """Serve the app of a stage for the length of the block. `site` leads it to its stores. Yields the URL.

    Raises CannotRun: the port is in use. Raises whatever `site` raises, after the port is known to be free.
    """
    with Server(host, port) as server:
        ready = site()  # before the app is imported, which reads the settings
        with server.serving(config.chalice_app, config, ready):
            yield server.url


def on_stack(data: Path) -> Site:
    """Lead the app in this process to the stack that runs on a data folder.

    Raises CannotRun: no stack runs there. Raises WrongSetting: a setting cannot be used.
    """
    found = announcement(data)
    folder = joined(data.expanduser())
    disk = folder.disk(found.get("min_free_mb", 0))
    connect_app(found["environment"], folder, read(os.environ), disk)
    return Site(disk, folder.credentials)


def on_aws(stage: str) -> Site:
    """Check that this process has credentials for a stage on AWS or LocalStack.

    Raises CannotRun: there are none. Raises WrongSetting: a setting cannot be used.
    """
    read_secrets(os.environ, read(os.environ))
    try:
        credentials = boto3.session.Session().get_credentials()
    except BotoCoreError as error:
        raise CannotRun(f"{error}.") from None
    if credentials is None:
        raise CannotRun(f"The stage {stage} is on AWS, and there are no credentials; set AWS_PROFILE, for example.")
    return Site(None, credentials)


def _site(stage: str) -> Site:
    """Lead the app in this process to its stores, and return what the server needs besides.

    A stage without tables of its own is served from the stack that runs on the folder DATA, unless AWS_ENDPOINT_URL or
    AWS_ENDPOINT_URL_* lead elsewhere. Data on AWS is shown only to callers with tokens, as by the deployed functions,
    unless AUTH says otherwise.
    Raises CannotRun: no stack runs, or there are no credentials. Raises WrongSetting: a setting cannot be used.
    """
    leads_elsewhere = any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ)
    if not leads_elsewhere and not has_tables(os.environ):
        return on_stack(Path(os.environ.get("DATA") or ".data"))
    if not leads_elsewhere and not os.environ.get("AUTH"):
        os.environ["AUTH"] = "jwt"
    return on_aws(stage)
