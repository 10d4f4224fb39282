"""Notes of a run on disk, in SQLite: journals for the next run, and what does not fit into memory."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Self

from images_api_client.errors import InUse, JournalUnusable

_COMMIT_SECONDS = 1.0

Row = tuple[Any, ...]


class Database:
    """A database that no other process can open until it is closed. May be used by several threads.

    Without a path, it is a temporary file, which SQLite deletes at the end: memory does not grow with what it has.
    Changes are on disk after `commit`, or with a change one second later. SQLite then keeps them, also if the process
    is killed or the power fails. The system ends the lock of a killed process. With `keep=False`, nothing is changed on
    disk.

    Raises InUse: another process still has the database after `wait_seconds`; `other` says what uses it. Raises
    JournalUnusable: the database is damaged, or the disk is full.
    """

    def __init__(
        self, path: Path | None, tables: str, *, other: str = "Another run", wait_seconds: float = 0, keep: bool = True
    ) -> None:
        self._path = path
        self._other = other
        self._keep = keep
        self._lock = Lock()
        self._committed_at = time.monotonic()
        with self._usable():
            self._connection = sqlite3.connect(
                path or "", timeout=wait_seconds, isolation_level=None, check_same_thread=False
            )
            try:
                # Also between two transactions, no other process gets the lock.
                self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
                self._connection.execute("BEGIN EXCLUSIVE")
                for statement in filter(str.strip, tables.split(";")):
                    self._connection.execute(statement)
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            self.close()
        except JournalUnusable:
            if error is None:  # else, the first error says more: on a full disk, both fail
                raise

    def close(self) -> None:
        """Write what is not written yet, and end the lock."""
        with self._usable():
            try:
                self._connection.execute("COMMIT" if self._keep else "ROLLBACK")
            finally:
                self._connection.close()

    def row(self, query: str, *values: object) -> Row | None:
        """Return the first row of a query, or None."""
        with self._usable():
            row: Row | None = self._connection.execute(query, values).fetchone()
            return row

    def rows(self, query: str, *values: object) -> list[Row]:
        """Return all rows of a query."""
        with self._usable():
            return self._connection.execute(query, values).fetchall()

    def change(self, statement: str, *values: object) -> int:
        """Change rows, and return how many were changed."""
        with self._usable():
            changed = self._connection.execute(statement, values).rowcount
            if time.monotonic() - self._committed_at > _COMMIT_SECONDS:
                self._commit()
            return changed

    def commit(self) -> None:
        """Write all changes."""
        with self._usable():
            self._commit()

    def _commit(self) -> None:
        if self._keep:
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN EXCLUSIVE")
        self._committed_at = time.monotonic()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                raise InUse(f"{self._other} is not finished: wait until it ends. ({self._path})") from None
            if self._path is None:
                raise JournalUnusable(f"A temporary file cannot be written: {error}.") from error
            if getattr(error, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
                raise JournalUnusable(
                    f"The journal {self._path} is damaged: delete it. What is complete is not transferred again."
                ) from error
            raise JournalUnusable(
                f"The journal {self._path} cannot be written ({error}): check its folder and the free space."
            ) from error
