"""What is noted on disk, so that a run goes on where another one stopped, or was killed."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock

from platformdirs import user_state_path

from images_api_client.errors import ImagesError
from images_api_client.folders.scan import Found

# The service keeps a rejected upload and the key of a request for one day, and so does the journal for refusals.
_REFUSAL_SECONDS = 86_400

_COMMIT_SECONDS = 1.0  # at most this much hashing is lost

_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, checksum TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unfinished (
    checksum TEXT PRIMARY KEY, image_id TEXT NOT NULL, sent INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (
    request TEXT PRIMARY KEY, reason TEXT NOT NULL, refused_at INTEGER NOT NULL
) WITHOUT ROWID;
"""


class JournalUnusable(ImagesError):
    """The journal is in use by another run, or cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A direct upload that was announced, and that is not known to be in lists."""

    image_id: str
    sent: bool  # whether the storage has the whole file


class Journal:
    """The journal of one user at one service: an SQLite file. May be used by several threads, but by one process.

    SQLite keeps what was committed, also if the process is killed or the power fails (synchronous=FULL). Each change of
    a direct upload is committed at once, because a repeated announcement would store a second image.
    Raises JournalUnusable: also if another run uses the journal. The system ends the lock of a killed process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._committed_at = time.monotonic()
        with self._usable():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(path, timeout=0, check_same_thread=False)
            # Before the first access: the lock is then held until the journal is closed.
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.executescript(_TABLES)
            outdated = (int(time.time()) - _REFUSAL_SECONDS,)
            self._database.execute("DELETE FROM refused WHERE refused_at < ?", outdated)
            self._database.commit()

    def close(self) -> None:
        """Write what is not written yet."""
        with self._usable():
            self._database.commit()
            self._database.close()

    def checksum(self, found: Found) -> str | None:
        """Return the checksum of a file, or None if the file is new or has changed."""
        row = self._row(
            "SELECT checksum FROM files WHERE path = ? AND size = ? AND mtime_ns = ?",
            _path(found),
            found.size,
            found.mtime_ns,
        )
        return row[0] if row else None

    def remember(self, found: Found, checksum: str) -> None:
        """Note the checksum of a file. Written within a second, or with the next direct upload."""
        values = (_path(found), found.size, found.mtime_ns, checksum)
        with self._usable():
            self._database.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", values)
            if time.monotonic() - self._committed_at > _COMMIT_SECONDS:
                self._database.commit()
                self._committed_at = time.monotonic()

    def unfinished(self, checksum: str) -> Unfinished | None:
        """Return the direct upload of a file that was begun, or None."""
        row = self._row("SELECT image_id, sent FROM unfinished WHERE checksum = ?", checksum)
        return Unfinished(row[0], bool(row[1])) if row else None

    def announced(self, checksum: str, image_id: str) -> None:
        """Note that a direct upload has begun."""
        self._change("INSERT OR REPLACE INTO unfinished VALUES (?, ?, 0)", checksum, image_id)

    def sent(self, checksum: str) -> None:
        """Note that the storage has the whole file of a direct upload."""
        self._change("UPDATE unfinished SET sent = 1 WHERE checksum = ?", checksum)

    def finished(self, checksum: str) -> None:
        """Note that a direct upload is in lists, or is gone."""
        self._change("DELETE FROM unfinished WHERE checksum = ?", checksum)

    def refusal(self, request: str) -> str | None:
        """Return why the service refused a request in the last day, or None."""
        row = self._row("SELECT reason FROM refused WHERE request = ?", request)
        return row[0] if row else None

    def refused(self, request: str, reason: str) -> None:
        """Note that the service refused a request, so that the next run does not repeat it."""
        self._change("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", request, reason, int(time.time()))

    def _row(self, query: str, *values: object) -> tuple[str, ...] | None:
        with self._usable():
            row: tuple[str, ...] | None = self._database.execute(query, values).fetchone()
            return row

    def _change(self, statement: str, *values: object) -> None:
        with self._usable():
            self._database.execute(statement, values)
            self._database.commit()
            self._committed_at = time.monotonic()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise JournalUnusable(
                    f"Another upload of this user is running on this machine; wait until it ends. ({self._path})"
                ) from None
            raise self._unusable(error) from error
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> JournalUnusable:
        return JournalUnusable(
            f"The journal {self._path} cannot be used: {error}. If the file is damaged, delete it: what the service "
            "has is not sent again."
        )


def default_path(url: str, user: str) -> Path:
    """Return where the journal of a user at a service is: in the user's folder for state."""
    name = sha256(f"{url}\n{user}".encode()).hexdigest()[:20]
    return user_state_path("images-api", appauthor=False) / "uploads" / f"{name}.sqlite"


def _path(found: Found) -> bytes:
    """Return the path in the bytes of the file system: a name may be no valid text."""
    return os.fsencode(found.path.absolute())
