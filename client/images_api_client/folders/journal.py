"""What is noted on disk, so that a run goes on where another one stopped, or was killed."""

import os
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from platformdirs import user_state_path

from images_api_client.folders.scan import Found
from images_api_client.runs.database import Database

# The service keeps a rejected upload and the key of a request for one day, and so does the journal for refusals.
_REFUSAL_SECONDS = 86_400

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


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A direct upload that was announced, and that is not known to be in lists."""

    image_id: str
    sent: bool  # whether the storage has the whole file


class Journal:
    """The journal of one user at one service: an SQLite file. May be used by several threads, but by one process.

    Each change of a direct upload is written at once, because a repeated announcement would store a second image.
    Raises InUse: another run uses the journal. Raises JournalUnusable, OSError.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._database = Database(path, _TABLES, other="Another upload of this user on this machine")
        self._database.change("DELETE FROM refused WHERE refused_at < ?", int(time.time()) - _REFUSAL_SECONDS)

    def close(self) -> None:
        """Write what is not written yet."""
        self._database.close()

    def checksum(self, found: Found) -> str | None:
        """Return the checksum of a file, or None if the file is new or has changed."""
        row = self._database.row(
            "SELECT checksum FROM files WHERE path = ? AND size = ? AND mtime_ns = ?",
            _path(found),
            found.size,
            found.mtime_ns,
        )
        return row[0] if row else None

    def remember(self, found: Found, checksum: str) -> None:
        """Note the checksum of a file. Written within a second of the next change."""
        values = (_path(found), found.size, found.mtime_ns, checksum)
        self._database.change("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", *values)

    def unfinished(self, checksum: str) -> Unfinished | None:
        """Return the direct upload of a file that was begun, or None."""
        row = self._database.row("SELECT image_id, sent FROM unfinished WHERE checksum = ?", checksum)
        return Unfinished(row[0], bool(row[1])) if row else None

    def announced(self, checksum: str, image_id: str) -> None:
        """Note that a direct upload has begun."""
        self._write("INSERT OR REPLACE INTO unfinished VALUES (?, ?, 0)", checksum, image_id)

    def sent(self, checksum: str) -> None:
        """Note that the storage has the whole file of a direct upload."""
        self._write("UPDATE unfinished SET sent = 1 WHERE checksum = ?", checksum)

    def finished(self, checksum: str) -> None:
        """Note that a direct upload is in lists, or is gone."""
        self._write("DELETE FROM unfinished WHERE checksum = ?", checksum)

    def refusal(self, request: str) -> str | None:
        """Return why the service refused a request in the last day, or None."""
        row = self._database.row("SELECT reason FROM refused WHERE request = ?", request)
        return row[0] if row else None

    def refused(self, request: str, reason: str) -> None:
        """Note that the service refused a request, so that the next run does not repeat it."""
        self._write("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", request, reason, int(time.time()))

    def _write(self, statement: str, *values: object) -> None:
        self._database.change(statement, *values)
        self._database.commit()


def default_path(url: str, user: str) -> Path:
    """Return where the journal of a user at a service is: in the user's folder for state."""
    name = sha256(f"{url}\n{user}".encode()).hexdigest()[:20]
    return user_state_path("images-api", appauthor=False) / "uploads" / f"{name}.sqlite"


def _path(found: Found) -> bytes:
    """Return the path in the bytes of the file system: a name may be no valid text."""
    return os.fsencode(found.path.absolute())
