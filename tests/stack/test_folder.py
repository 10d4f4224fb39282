"""A data folder records that events may be lost, and is refused if a part of it is missing."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from chalicelib.config import read
from dev.completeness import check_complete
from dev.folder import Folder, opened
from project import CannotRun


def must_resend(path: Path, end: BaseException, *, resent: bool = False, saved: bool = True) -> bool:
    """Start a stack and end it by `end`; return whether events of earlier stacks were missing when it started.

    `resent` says whether this stack sends them again before it ends, and `saved` whether its queues are saved.
    """
    missing = False
    with suppress(type(end)), opened(path) as folder, folder.events_at_risk() as debt:
        missing = debt.since is not None
        if resent:
            debt.pay()
        if saved:
            (folder.s3_state / "sqs.json").write_text("{}")
        raise end
    return missing


def test_a_stack_that_stops_cleanly_loses_no_events(tmp_path: Path) -> None:
    assert not must_resend(tmp_path / "data", SystemExit(0))
    assert not must_resend(tmp_path / "data", SystemExit(0))


def test_any_other_end_may_lose_events_until_they_are_sent_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert not must_resend(data, SystemExit("ministack ended with status -9."))
    assert must_resend(data, SystemExit(0))  # Ctrl-C before it had sent them
    assert must_resend(data, RuntimeError("a bug"), resent=True)
    assert must_resend(data, SystemExit(0), resent=True)
    assert not must_resend(data, SystemExit(0))


def test_events_that_were_sent_again_are_lost_with_the_stack_that_sent_them(tmp_path: Path) -> None:
    since = []
    for _ in range(3):
        with suppress(RuntimeError), opened(tmp_path / "data") as folder, folder.events_at_risk() as debt:
            since.append(debt.since)
            debt.pay()
            raise RuntimeError("killed")
    first, second, third = since
    assert first is None
    assert second is not None
    assert second == third


def test_queues_that_could_not_be_saved_lose_events(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert not must_resend(data, SystemExit(0))
    assert not must_resend(data, SystemExit(0), saved=False)
    assert must_resend(data, SystemExit(0), resent=True)
    assert not must_resend(data, SystemExit(0))


CREATED = 1_700_000_000  # when the tables of `catalog` were created, in seconds


def catalog(path: Path, records: int = 0, region: str = "us-east-1") -> Path:
    """Write a database as DynamoDB Local does, with a table of image records. Returns its file."""
    with opened(path) as folder:
        file = folder.dynamodb / f"{folder.access_key_id}_{region}.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE dm (TableName TEXT, CreationDateTime INTEGER)")
        database.execute("INSERT INTO dm VALUES ('images', ?)", [CREATED * 1000])
        database.execute("CREATE TABLE images (hashKey TEXT)")
        database.executemany("INSERT INTO images VALUES (?)", [[str(number)] for number in range(records)])
    return file


def bucket(path: Path, *originals: str, since: int = CREATED + 60) -> None:
    """Write a bucket of originals as ministack does. `since` is when the originals were written, in seconds."""
    folder = path / "s3" / "000000000000" / "images-originals"
    folder.mkdir(parents=True, exist_ok=True)
    for original in originals:
        (folder / original).parent.mkdir(exist_ok=True)
        (folder / original).write_bytes(b"picture")
        os.utime(folder / original, (since, since))


@pytest.mark.parametrize("damage", [lambda file: file[:-4_096], lambda file: bytes(8_192) + file[8_192:]])
def test_of_a_large_database_the_schema_and_the_size_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr("dev.folder._MOST_CHECKED_BYTES", 0)
    file = catalog(tmp_path, records=10_000)
    with opened(tmp_path):
        file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CannotRun, match="is not a valid SQLite database"), opened(tmp_path):
        pass


def check(path: Path, **settings: str) -> None:
    with opened(path) as folder:
        check_complete(folder, read(settings))


def refusal(path: Path, **settings: str) -> str:
    with pytest.raises(CannotRun) as refused:
        check(path, **settings)
    return str(refused.value)


@pytest.mark.parametrize("records", [0, 2])
def test_a_complete_folder_is_used(tmp_path: Path, records: int) -> None:
    check(tmp_path / "new")
    catalog(tmp_path / "data", records)
    bucket(tmp_path / "data")
    check(tmp_path / "data")
    bucket(tmp_path / "data", "me/first")  # perhaps of an upload that a crash ended before its record
    check(tmp_path / "data")


def test_originals_without_a_database_are_refused(tmp_path: Path) -> None:
    file = catalog(tmp_path, records=1)
    bucket(tmp_path, "me/first")
    file.unlink()
    assert refusal(tmp_path) == (
        f"The data folder {tmp_path} has originals, but its database {file.name} is missing; restore "
        f"{tmp_path}/dynamodb from a backup, or move {tmp_path}/s3 away to start without images."
    )
    file.touch()
    assert f"its database {file.name} is empty; " in refusal(tmp_path)


def test_originals_with_the_database_of_another_region_or_table_are_refused(tmp_path: Path) -> None:
    catalog(tmp_path, records=1)
    bucket(tmp_path, "me/first")
    assert ", set AWS_REGION=us-east-1, or move " in refusal(tmp_path, AWS_REGION="eu-west-1")
    assert " is without the table pictures; " in refusal(tmp_path, IMAGES_TABLE_NAME="pictures")


def test_originals_that_are_older_than_an_empty_database_are_refused(tmp_path: Path) -> None:
    catalog(tmp_path)
    bucket(tmp_path, "me/new")
    check(tmp_path)
    bucket(tmp_path, "me/old", since=CREATED - 60)
    assert "its database is empty and younger than they are; " in refusal(tmp_path)


def test_records_without_buckets_are_refused(tmp_path: Path) -> None:
    catalog(tmp_path, records=2)
    assert refusal(tmp_path) == (
        f"The data folder {tmp_path} has 2 images in its database, but {tmp_path}/s3 has no bucket images-originals; "
        f"restore {tmp_path}/s3 from a backup, or move {tmp_path}/dynamodb away to start without images."
    )


def test_a_refused_folder_is_unchanged(tmp_path: Path) -> None:
    catalog(tmp_path, records=1).unlink()
    bucket(tmp_path, "me/first")
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    refusal(tmp_path)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_a_new_folder_has_one_key_id_for_urls_and_one_for_the_database(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        assert first.access_key_id != first.url_key_id
    with opened(tmp_path) as second:
        assert keys(second) == keys(first)


def test_the_database_of_an_earlier_version_gets_a_key_id_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps({"access_key_id": "OLD", "secret_access_key": "secret"}))
    (tmp_path / "dynamodb").mkdir()
    with closing(sqlite3.connect(tmp_path / "dynamodb" / "OLD_us-east-1.db")) as database, database:
        database.execute("CREATE TABLE kept (x)")
    for _ in range(2):
        with opened(tmp_path) as folder:
            assert (folder.url_key_id, folder.secret_access_key) == ("OLD", "secret")
            (file,) = folder.dynamodb.iterdir()
            assert file.name == f"{folder.access_key_id}_us-east-1.db"
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("kept",)]


def keys(folder: Folder) -> tuple[str, str, str]:
    return folder.access_key_id, folder.url_key_id, folder.secret_access_key
