"""Export all images of all owners of a stage into a folder, or import such a folder into a stage. See docs/backup.md.

`make export` and `make import` run this in the repository's root: python -m scripts.archive COMMAND STAGE FOLDER

The client package exports and imports the images of one owner over HTTP. For all owners, this process serves the app
itself, with the operator's rights on the stage, at a port of this machine that only this process can use.
"""

import argparse
import hashlib
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import jwt
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.config import settings
from chalicelib.secrets import Secrets
from chalicelib.stores import aws
from dev.api import on_aws, on_stack, served
from dev.processes import LOOPBACK
from images_api_client import Client, ImagesError, NoExport
from images_api_client.archive import layout
from images_api_client.archive.report import ExportReport, ImportReport
from images_api_client.runs.progress import TransferProgress
from project import CannotRun
from project.command_line import one_line_errors
from project.environment import bypass_proxies, enter_stage

_TOKEN_LIFETIME = timedelta(minutes=5)
_NAME_CHARS = 40  # of an owner's name in a folder's name
_ERASE_LINE = "\r\x1b[K"  # of a terminal

# What this process serves the app with, whatever the stage has. The client reads contract B, in pages of up to 1,000.
_OWN_SETTINGS = {"AUTH": "jwt", "IMPORTS": "owners", "CONTRACT": "b", "MAX_PAGE_SIZE": "1000", "LOG_LEVEL": "ERROR"}

# Settings of the stage that do not fit to these.
_REMOVED = ("JWT_ISSUER", "JWT_JWKS_URL", "JWT_AUDIENCE", "OIDC_CLIENT_ID", "METRICS_NAMESPACE")

ClientOf = Callable[[str], Client]  # returns a client that acts for an owner
Progress = Callable[[TransferProgress], None] | None
Act = Callable[[Client, Path, Progress], ExportReport | ImportReport]


def export_all(client_of: ClientOf, folder: Path) -> bool:
    """Export the images of each owner into a folder of their own. Returns whether nothing failed.

    An owner of an earlier export who has no images now gets an export without images: the folder must not bring back
    what was deleted.
    Raises CannotRun: the owners cannot be read, or an earlier export in the folder cannot be.
    """
    found = {owner: folder / folder_name(owner) for owner in owners()} | exports_in(folder)
    return _each(client_of, found, lambda client, into, progress: client.export(into, progress=progress))


def import_all(client_of: ClientOf, folder: Path) -> bool:
    """Import the images of each owner whose export is in a folder. Returns whether nothing failed.

    Raises CannotRun: no export is in the folder, or one does not name its owner.
    """
    found = exports_in(folder)
    if not found:
        raise CannotRun(f"{folder} has no export: none of its folders has a file {layout.ABOUT}.")
    return _each(client_of, found, lambda client, source, progress: client.import_(source, progress=progress))


def owners() -> list[str]:
    """Return the owners of all images that are in lists, sorted: a scan of the records, as many calls as it has MB.

    Raises CannotRun: the records cannot be read.
    """
    # Only a record that is in lists has `created_at`.
    pages = (
        aws.dynamodb()
        .get_paginator("scan")
        .paginate(
            TableName=settings().images_table_name,
            ProjectionExpression="user_id",
            FilterExpression="attribute_exists(created_at)",
        )
    )
    try:
        return sorted({item["user_id"]["S"] for page in pages for item in page["Items"]})
    except (BotoCoreError, ClientError) as error:
        raise CannotRun(f"The owners cannot be read: {error}") from None


def folder_name(owner: str) -> str:
    """Return a name for an owner's folder that every file system accepts, also one that ignores case.

    It begins with what a person recognises. A part of the SHA-256 of the owner makes it unique.
    """
    readable = re.sub("[^a-z0-9]+", "-", owner.lower())[:_NAME_CHARS].strip("-")
    return f"{readable}-{hashlib.sha256(owner.encode()).hexdigest()[:16]}".lstrip("-")


def exports_in(folder: Path) -> dict[str, Path]:
    """Return the folder of each owner's export in a folder, by owner.

    Raises CannotRun: one cannot be read, or two are of the same owner.
    """
    found: dict[str, Path] = {}
    for export in sorted(folder.glob("*/")):
        try:
            about = layout.about(export)
        except (NoExport, OSError) as error:
            raise CannotRun(str(error)) from None
        if about is None:
            continue
        if about.owner in found:
            raise CannotRun(f"{found[about.owner]} and {export} are both of {about.owner}; remove one of them.")
        found[about.owner] = export
    return found


def _each(client_of: ClientOf, folders: dict[str, Path], act: Act) -> bool:
    """Act on the folder of each owner, and print the result. A failure does not stop the others."""
    succeeded = 0
    for number, (owner, folder) in enumerate(folders.items(), start=1):
        print(f"{owner} ({number} of {len(folders)}), {folder} ...", file=sys.stderr, flush=True)
        try:
            with client_of(owner) as client, _progress() as progress:
                report = act(client, folder, progress)
        except (ImagesError, OSError) as error:
            print(f"{owner}: {error}", flush=True)
        else:
            print(f"{owner}: {report}", flush=True)
            for problem in report.problems:
                print(f"{owner}: {problem.image_id} {problem.status}: {problem.reason}", flush=True)
            succeeded += report.ok
    print(f"{succeeded} of {len(folders)} owners are complete.")
    return succeeded == len(folders)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Yield what shows on a terminal how far the images of an owner are; None if stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return

    def show(progress: TransferProgress) -> None:
        counts = f"{progress.images:,} images, {progress.size / 1_000_000:,.1f} MB"
        print(f"{_ERASE_LINE}{counts}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print(_ERASE_LINE, end="", file=sys.stderr, flush=True)


@contextmanager
def serving(stage: str, data: Path | None) -> Iterator[ClientOf]:
    """Serve a stage for the length of the block, and yield what makes clients of it: each acts for one owner.

    Tokens are signed with a secret that only this process has, so no other program can use the port.
    Raises CannotRun, WrongSetting: see enter_stage and dev.api.
    """
    config = enter_stage(stage, data)
    for name in (*_REMOVED, *(name for spec in fields(Secrets) for name in spec.metadata["env"])):
        os.environ.pop(name, None)
    secret = secrets.token_urlsafe(48)
    os.environ.update(_OWN_SETTINGS, JWT_SECRET=secret, CURSOR_SECRET=secrets.token_urlsafe(48))
    bypass_proxies()
    site = partial(on_aws, stage) if data is None else partial(on_stack, data)
    with served(config, site, LOOPBACK, 0) as url:
        yield lambda owner: Client(url, token=partial(_token, owner, secret))


def _token(owner: str, secret: str) -> str:
    return jwt.encode({"sub": owner, "exp": datetime.now(UTC) + _TOKEN_LIFETIME}, secret, "HS256")


@one_line_errors()
def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(description="Export or import all images of all owners of a stage.")
    parser.add_argument("command", choices=("export", "import"))
    parser.add_argument("stage", help="a stage of .chalice/config.json; environment variables override its settings")
    parser.add_argument("folder", help="folder of the export, which has one folder for each owner")
    parser.add_argument(
        "--data", type=Path, help="data folder of a running stack; without it, boto3's environment leads to the stage"
    )
    asked = parser.parse_args()
    if not asked.folder:
        parser.error(f"name a folder: {'OUT' if asked.command == 'export' else 'FROM'}=<folder>")
    act = export_all if asked.command == "export" else import_all
    try:
        with serving(asked.stage, asked.data) as client_of:
            complete = act(client_of, Path(asked.folder).expanduser())
    except KeyboardInterrupt:
        raise CannotRun("Interrupted; the same command continues from here.") from None
    if not complete:
        raise CannotRun("Not every owner is complete: see the lines above. The same command tries again.")


if __name__ == "__main__":
    main()
