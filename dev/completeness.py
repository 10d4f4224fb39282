"""Refuse a data folder of which a part is missing: its database, or its objects.

Without its database, a stack would start as an empty catalog and take every original for the rest of an upload that
did not finish, which is deleted.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from chalicelib.config import Settings
from dev.folder import Folder
from project import CannotRun


def check_complete(folder: Folder, settings: Settings) -> None:
    """Raise CannotRun if there are originals without the table of their records, or records without buckets."""
    database = folder.dynamodb / f"{folder.access_key_id}_{settings.aws_region}.db"
    records, since = _records(database, settings.images_table_name)
    originals = _files(folder.s3, settings.s3_bucket_name)
    original = next(originals, None)
    if original is not None and (records is None or (records == 0 and _is_older(originals, original, since))):
        raise CannotRun(
            f"The data folder {folder.path} has originals, but {_missing(database, records, settings)}; restore "
            f"{folder.dynamodb} from a backup{_other_regions(folder, database)}, or move {folder.s3} away to start "
            "without images."
        )
    if records and not any(folder.s3.glob(f"*/{settings.s3_bucket_name}")):
        raise CannotRun(
            f"The data folder {folder.path} has {records} images in its database, but {folder.s3} has no bucket "
            f"{settings.s3_bucket_name}; restore {folder.s3} from a backup, or move {folder.dynamodb} away to start "
            "without images."
        )


def _records(database: Path, table: str) -> tuple[int | None, float]:
    """Return the number of items in a table and when it was created, in seconds; None if the table does not exist.

    The tables `dm` and those of items are DynamoDB Local's own schema.
    """
    if not database.exists():
        return None, 0
    with closing(sqlite3.connect(database)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {table, "dm"} <= tables:
            return None, 0
        quoted = table.replace('"', '""')
        (count,) = connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()  # noqa: S608
        created = connection.execute("SELECT CreationDateTime FROM dm WHERE TableName = ?", [table]).fetchone()
    return count, created[0] / 1000 if created else 0


def _files(s3: Path, bucket: str) -> Iterator[Path]:
    return (path for path in s3.glob(f"*/{bucket}/**/*") if path.is_file())


def _is_older(files: Iterator[Path], first: Path, since: float) -> bool:
    return any(path.stat().st_mtime < since for path in (first, *files))


def _missing(database: Path, records: int | None, settings: Settings) -> str:
    if records is not None:
        return "its database is empty and younger than they are"
    if not database.exists() or not database.stat().st_size:
        return f"its database {database.name} is {'empty' if database.exists() else 'missing'}"
    return f"its database {database.name} is without the table {settings.images_table_name}"


def _other_regions(folder: Folder, database: Path) -> str:
    """Return the advice to start in the region that has a database."""
    prefix = f"{folder.access_key_id}_"
    others = [file.stem.removeprefix(prefix) for file in folder.dynamodb.glob(f"{prefix}*.db") if file != database]
    return f", set AWS_REGION={others[0]}" if others else ""
