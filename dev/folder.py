"""The data folder: everything that outlives the stack, for one stack at a time."""

import fcntl
import json
import os
import secrets
import sqlite3
import string
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from project import CannotRun
from project.files import write_privately

# A killed stack's engines hold the lock for a moment longer.
_LOCK_SECONDS = 2


@dataclass(slots=True)
class Debt:
    """S3 events that killed stacks may have lost."""

    since: datetime | None  # None: all are paid


@dataclass(frozen=True, slots=True)
class Folder:
    """A data folder that is this process's own until it and its engines have ended."""

    path: Path
    lock: int  # file descriptor; whoever inherits it holds the lock too
    access_key_id: str  # DynamoDB Local shows data only to the id that wrote it
    secret_access_key: str  # presigned URLs are signed with it

    @property
    def s3(self) -> Path:
        """Objects, one file each."""
        return self.path / "s3"

    @property
    def s3_state(self) -> Path:
        """What the S3 emulator keeps beside objects: bucket settings, queues."""
        return self.path / "s3-state"

    @property
    def dynamodb(self) -> Path:
        """DynamoDB Local's SQLite database."""
        return self.path / "dynamodb"

    @property
    def logs(self) -> Path:
        """One log for each engine."""
        return self.path / "logs"

    @contextmanager
    def events_at_risk(self) -> Iterator[Debt]:
        """What is owed from before; the block's own events are owed too, unless it and the engines end in order.

        An end in order is a SystemExit with status 0: the engines have saved their queues.
        """
        risk = self.path / "events-at-risk"
        debt = Debt(datetime.fromtimestamp(risk.stat().st_mtime, UTC) if risk.exists() else None)
        if debt.since is None:
            risk.touch()
        try:
            yield debt
        except SystemExit as end:
            if not end.code and debt.since is None:
                risk.unlink()
            raise

    @property
    def announcement(self) -> Path:
        """Where the stack that runs here is reached; exists while it is ready."""
        return self.path / "stack.json"


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """The folder at `path`, made where there is none, locked.

    Raises CannotRun: it is in use, no data folder, not writable or damaged.
    """
    try:
        folder = _open(path)
    except OSError as error:
        raise CannotRun(f"The data folder {path} can't be used: {error.strerror} ({error.filename}).") from None
    try:
        yield folder
    finally:
        os.close(folder.lock)


def _open(path: Path) -> Folder:
    if path.exists() and not path.is_dir():
        raise CannotRun(f"The data folder {path} can't be used: it is a file.")
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = _locked(path)
    folder = Folder(path.resolve(), lock, *_credentials(path))
    for part in (folder.s3, folder.s3_state, folder.dynamodb, folder.logs):
        part.mkdir(exist_ok=True)
    folder.announcement.unlink(missing_ok=True)
    _check_databases(folder.dynamodb)
    return folder


def _locked(path: Path) -> int:
    if not (path / "credentials.json").exists() and {entry.name for entry in path.iterdir()} - {"lock"}:
        raise CannotRun(f"{path} holds other files and is no data folder of this stack; name an empty or a new one.")
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise CannotRun(f"The data folder {path} is in use by another stack.") from None
            time.sleep(0.05)


def _credentials(path: Path) -> tuple[str, str]:
    """The folder's own access key; anew for a new folder."""
    file = path / "credentials.json"
    if not file.exists():
        # DynamoDB Local takes letters and digits only.
        token = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(16))
        write_privately(file, {"access_key_id": f"LOCAL{token}", "secret_access_key": secrets.token_hex(20)})
    try:
        found = json.loads(file.read_text())
        return found["access_key_id"], found["secret_access_key"]
    except (ValueError, KeyError, TypeError):
        raise CannotRun(f"The data folder {path} is damaged: {file.name} can't be read.") from None


def _check_databases(folder: Path) -> None:
    """DynamoDB Local itself starts over a damaged database, then answers every call with an internal error."""
    for file in folder.glob("*.db"):
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(file)) as database:
            if database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                continue
        raise CannotRun(f"The data folder is damaged: {file} is no sound SQLite database.")
