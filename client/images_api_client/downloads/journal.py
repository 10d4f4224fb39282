"""Which file of a folder has which image, so that an image has the same file in every run."""

from pathlib import Path
from typing import Self

from images_api_client.downloads import content, names
from images_api_client.model import Image
from images_api_client.runs.database import Database

FILE = ".images-download.sqlite"

# `numbers` has the highest number that was given to a name, so that a thousand images of one name are quick to number.
_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    image_id TEXT, extension TEXT, name TEXT NOT NULL, key TEXT NOT NULL UNIQUE, checksum TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (image_id, extension)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS numbers (key TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
"""


class FolderJournal:
    """The journal of a folder. Used by one process at a time.

    A killed run loses what it noted in the last second. The next run then finds the files by their content.
    `dry_run` writes nothing. Raises InUse: another process still has the journal after `wait_seconds`. Raises
    JournalUnusable.
    """

    def __init__(self, folder: Path, *, dry_run: bool = False, wait_seconds: float = 0) -> None:
        path = folder / FILE
        self._folder = folder
        self._database = Database(
            None if dry_run and not path.exists() else path,
            _TABLES,
            other="Another download to this folder",
            wait_seconds=wait_seconds,
            keep=not dry_run,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._database.__exit__(*error)

    def name(self, image: Image, extension: str, checksum: str) -> str:
        """Return the name of an image's file with an extension: as before or else a new one.

        A new name is that of no other image, and of no file unless it has the SHA-256 `checksum`.
        """
        row = self._database.row(
            "SELECT name FROM files WHERE image_id = ? AND extension = ?", image.image_id, extension
        )
        return str(row[0]) if row else self._new_name(image, extension, checksum)

    def checksum(self, image: Image, extension: str) -> str:
        """Return the SHA-256 of the file that was saved for an image, or an empty text."""
        row = self._database.row(
            "SELECT checksum FROM files WHERE image_id = ? AND extension = ?", image.image_id, extension
        )
        return str(row[0]) if row else ""

    def saved(self, image: Image, extension: str, checksum: str) -> None:
        """Note the SHA-256 of the file that was saved for an image."""
        self._database.change(
            "UPDATE files SET checksum = ? WHERE image_id = ? AND extension = ?", checksum, image.image_id, extension
        )

    def _new_name(self, image: Image, extension: str, checksum: str) -> str:
        name = names.name(image, extension)
        row = self._database.row("SELECT last FROM numbers WHERE key = ?", names.key(name))
        number = row[0] if row else 0
        while True:
            number += 1
            candidate = names.numbered(name, number)
            key = names.key(candidate)
            is_taken = self._database.row("SELECT 1 FROM files WHERE key = ?", key)
            file = self._folder / candidate
            if not is_taken and (not file.exists() or content.is_complete(file, image.size, checksum)):
                break
        self._database.change("INSERT OR REPLACE INTO numbers VALUES (?, ?)", names.key(name), number)
        self._database.change(
            "INSERT INTO files (image_id, extension, name, key) VALUES (?, ?, ?, ?)",
            image.image_id,
            extension,
            candidate,
            key,
        )
        return candidate
