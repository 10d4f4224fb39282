"""Which file of a folder has which image, so that an image has the same file in every run."""

import sqlite3
import time
from pathlib import Path
from typing import Self

from images_api_client.downloads import content, names
from images_api_client.errors import ImagesError
from images_api_client.model import Image

FILE = ".images-download.sqlite"

_COMMIT_SECONDS = 1.0

# `numbers` has the highest number that was given to a name, so that a thousand images of one name are quick to number.
_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    image_id TEXT, extension TEXT, name TEXT NOT NULL, key TEXT NOT NULL UNIQUE, checksum TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (image_id, extension)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS numbers (key TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
"""


class FolderInUse(ImagesError):
    """Another run uses the folder, or its journal cannot be read or written."""


def exclusive(path: Path | None, wait_seconds: float = 0) -> sqlite3.Connection:
    """Open a database that no other process can open until it is closed; None: one that is on no disk.

    The system ends the lock of a killed process. Raises FolderInUse: also if another process still has the database
    after `wait_seconds`.
    """
    try:
        database = sqlite3.connect(
            path or ":memory:", timeout=wait_seconds, isolation_level=None, check_same_thread=False
        )
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            raise FolderInUse(f"Another run uses this folder; wait until it ends. ({path})") from None
        raise _unusable(path, error) from error
    return database


def _unusable(path: Path | None, error: sqlite3.Error) -> FolderInUse:
    return FolderInUse(
        f"The file {path} cannot be used: {error}. If the file is damaged, delete it: complete files are not "
        "fetched again."
    )


class FolderJournal:
    """The journal of a folder. Used by one process at a time.

    A killed run loses what it noted in the last second. The next run then finds the files by their content.
    `dry_run` writes nothing. Raises FolderInUse, also when it is written: the disk may be full.
    """

    def __init__(self, folder: Path, *, dry_run: bool = False, wait_seconds: float = 0) -> None:
        path = folder / FILE
        self._folder = folder
        self._dry_run = dry_run
        self._database = exclusive(None if dry_run and not path.exists() else path, wait_seconds)
        for statement in filter(str.strip, _TABLES.split(";")):
            self._database.execute(statement)
        self._committed_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            self.close()
        except FolderInUse:
            if error is None:  # else, the first error says more: on a full disk, both fail
                raise

    def close(self) -> None:
        """Write what is not written yet."""
        try:
            if self._dry_run:
                self._database.rollback()
            else:
                self._database.commit()
        except sqlite3.Error as error:
            raise _unusable(self._folder / FILE, error) from error
        finally:
            self._database.close()

    def name(self, image: Image, extension: str, checksum: str) -> str:
        """Return the name of an image's file with an extension: as before or else a new one.

        A new name is that of no other image, and of no file unless it has the SHA-256 `checksum`.
        """
        row = self._database.execute(
            "SELECT name FROM files WHERE image_id = ? AND extension = ?", (image.image_id, extension)
        ).fetchone()
        return str(row[0]) if row else self._new_name(image, extension, checksum)

    def checksum(self, image: Image, extension: str) -> str:
        """Return the SHA-256 of the file that was saved for an image, or an empty text."""
        row = self._database.execute(
            "SELECT checksum FROM files WHERE image_id = ? AND extension = ?", (image.image_id, extension)
        ).fetchone()
        return str(row[0]) if row else ""

    def saved(self, image: Image, extension: str, checksum: str) -> None:
        """Note the SHA-256 of the file that was saved for an image."""
        self._database.execute(
            "UPDATE files SET checksum = ? WHERE image_id = ? AND extension = ?", (checksum, image.image_id, extension)
        )
        self._commit()

    def _new_name(self, image: Image, extension: str, checksum: str) -> str:
        name = names.name(image, extension)
        row = self._database.execute("SELECT last FROM numbers WHERE key = ?", (names.key(name),)).fetchone()
        number = row[0] if row else 0
        while True:
            number += 1
            candidate = names.numbered(name, number)
            key = names.key(candidate)
            is_taken = self._database.execute("SELECT 1 FROM files WHERE key = ?", (key,)).fetchone()
            file = self._folder / candidate
            if not is_taken and (not file.exists() or content.is_complete(file, image.size, checksum)):
                break
        self._database.execute("INSERT OR REPLACE INTO numbers VALUES (?, ?)", (names.key(name), number))
        self._database.execute(
            "INSERT INTO files (image_id, extension, name, key) VALUES (?, ?, ?, ?)",
            (image.image_id, extension, candidate, key),
        )
        self._commit()
        return candidate

    def _commit(self) -> None:
        if not self._dry_run and time.monotonic() - self._committed_at > _COMMIT_SECONDS:
            try:
                self._database.commit()
                self._database.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as error:
                raise _unusable(self._folder / FILE, error) from error
            self._committed_at = time.monotonic()
