"""The data folder: everything that outlives a stack. One stack uses it at a time."""

import fcntl
import json
import mmap
import os
import secrets
import sqlite3
import string
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from botocore.credentials import Credentials

from dev.disk import Disk
from project import CannotRun
from project.files import write_privately

# The engines of a killed stack hold the lock a moment longer than the stack.
_LOCK_SECONDS = 2

# SQLite checks some hundred MB of a database in a second; from a disk, some ten.
_MOST_CHECKED_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Debt:
    """S3 events that killed stacks may have lost, and that must be sent again."""

    since: datetime | None  # None: no events are missing
    _paid: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 1))  # memory that the forks of the stack share

    def pay(self) -> None:
        """Note, for all processes of this stack, that it has sent the events. If it is killed, they are lost again."""
        self._paid[0] = True

    @property
    def unpaid_since(self) -> datetime | None:
        """From when on events must still be sent; None if none are missing, or a process of this stack sent them."""
        return None if self._paid[0] else self.since

    @property
    def is_paid(self) -> bool:
        """Whether no event of an earlier stack is missing."""
        return self.unpaid_since is None


@dataclass(frozen=True, slots=True)
class Folder:
    """A data folder. If it was opened, it belongs to this process until it and its engines have ended."""

    path: Path
    lock: int  # file descriptor; a child process that inherits it holds the lock too; -1: another process holds it
    access_key_id: str  # of all requests; it opens the database, so it is in no URL that the service hands out
    url_key_id: str  # in presigned URLs
    secret_access_key: str  # of both ids

    @property
    def credentials(self) -> Credentials:
        """The key of all requests."""
        return Credentials(self.access_key_id, self.secret_access_key)

    @property
    def s3(self) -> Path:
        """The folder of S3 objects, one file each."""
        return self.path / "s3"

    @property
    def s3_state(self) -> Path:
        """The folder of what else the S3 emulator keeps: bucket settings and queues."""
        return self.path / "s3-state"

    @property
    def s3_port(self) -> int:
        """The port of S3 in presigned URLs that were handed out before; 0 if there are none."""
        try:
            return int(self._s3_port.read_text())
        except (OSError, ValueError):
            return 0

    def keep_s3_port(self, port: int) -> None:
        """Keep the port of S3 for later starts."""
        self._s3_port.write_text(f"{port}\n")

    @property
    def _s3_port(self) -> Path:
        return self.path / "s3-port"

    @property
    def dynamodb(self) -> Path:
        """The folder of DynamoDB Local's SQLite database."""
        return self.path / "dynamodb"

    @property
    def logs(self) -> Path:
        """The folder of the engines' logs."""
        return self.path / "logs"

    def disk(self, margin_mb: int) -> Disk:
        """Return the file systems of the folder, of which `margin_mb` stay free."""
        return Disk((self.s3, self.s3_state, self.dynamodb), self.dynamodb / "reserve", margin_mb)

    @contextmanager
    def events_at_risk(self) -> Iterator[Debt]:
        """Yield the events that earlier stacks may have lost, and record that this one may lose them and its own.

        The time of the record is that of the first stack whose events may be lost. The record is removed when the block
        ends with a SystemExit of status 0 and the emulator has saved its queues, which a full disk can prevent.
        """
        started, record = time.time(), self.path / "events-at-risk"
        since = _modified(record) if record.exists() else None
        if since is None:
            record.touch()
        debt = Debt(since)
        try:
            yield debt
        except SystemExit as end:
            if not end.code and debt.is_paid and self._queues_are_saved(started):
                record.unlink()
            raise

    def _queues_are_saved(self, since: float) -> bool:
        file = self.s3_state / "sqs.json"
        return file.exists() and file.stat().st_mtime >= since

    @property
    def announcement(self) -> Path:
        """The file with the addresses of the stack that runs here. It exists while the stack is ready."""
        return self.path / "stack.json"


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """Lock the data folder at `path` for the length of the block. Creates it if needed.

    Raises CannotRun: the folder is in use, damaged or not writable, or contains other files.
    """
    try:
        folder = _open(path)
    except OSError as error:
        raise CannotRun(f"The data folder {path} cannot be used: {error.strerror} ({error.filename}).") from None
    try:
        yield folder
    finally:
        os.close(folder.lock)


def joined(path: Path) -> Folder:
    """Return the data folder of a stack that another process runs."""
    return Folder(path.resolve(), -1, *_credentials(path))


def _modified(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def _open(path: Path) -> Folder:
    if path.exists() and not path.is_dir():
        raise CannotRun(f"The data folder {path} cannot be used: it is a file.")
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = _locked(path)
    folder = Folder(path.resolve(), lock, *_credentials(path))
    for part in (folder.s3, folder.s3_state, folder.dynamodb, folder.logs):
        part.mkdir(exist_ok=True)
    folder.announcement.unlink(missing_ok=True)
    _check_databases(folder.dynamodb)
    _rename_databases(folder)
    return folder


def _locked(path: Path) -> int:
    if not (path / "credentials.json").exists() and {entry.name for entry in path.iterdir()} - {"lock"}:
        raise CannotRun(f"{path} contains other files and is not a data folder; choose an empty or a new folder.")
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


def _credentials(path: Path) -> tuple[str, str, str]:
    """Return the folder's two access key ids and its secret. They are generated for a new folder.

    A folder of an earlier version has one id, which is in presigned URLs. It also named the database.
    """
    file = path / "credentials.json"
    if not file.exists():
        new = {"access_key_id": _key_id(), "secret_access_key": secrets.token_hex(20)}
        write_privately(file, {**new, "private_access_key_id": _key_id()})
    try:
        known = json.loads(file.read_text())
        if "private_access_key_id" not in known:
            known = {**known, "private_access_key_id": _key_id()}
            write_privately(file, known)
        return known["private_access_key_id"], known["access_key_id"], known["secret_access_key"]
    except (ValueError, KeyError, TypeError):
        raise CannotRun(f"The data folder {path} is damaged: {file.name} cannot be read.") from None


def _key_id() -> str:
    # DynamoDB Local accepts letters and digits only.
    return "LOCAL" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(16))


def _rename_databases(folder: Folder) -> None:
    """Give the databases of an earlier version their new name. They have no journals: their check applied those."""
    for file in folder.dynamodb.glob(f"{folder.url_key_id}_*.db"):
        renamed = file.with_name(file.name.replace(folder.url_key_id, folder.access_key_id))
        if not renamed.exists():
            file.rename(renamed)


def _check_databases(folder: Path) -> None:
    """Raise CannotRun if a database is damaged. DynamoDB Local would start, and fail at every call."""
    for file in folder.glob("*.db"):
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(file)) as database:
            if _is_sound(database, file.stat().st_size):
                continue
        raise CannotRun(f"The data folder is damaged: {file} is not a valid SQLite database.")


def _is_sound(database: sqlite3.Connection, size: int) -> bool:
    """Whether a database of `size` bytes is whole. Of a large one, only the schema and the size are checked."""
    if size <= _MOST_CHECKED_BYTES:
        checked: tuple[str] = database.execute("PRAGMA quick_check(1)").fetchone()
        return checked == ("ok",)
    ((pages,),), ((page_bytes,),) = database.execute("PRAGMA page_count"), database.execute("PRAGMA page_size")
    database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(size >= pages * page_bytes)
