"""What ends a run of many transfers, and what a run keeps on disk."""

from pathlib import Path

import pytest

from images_api_client import (
    ConnectionFailed,
    DamagedDownload,
    ImagesError,
    InUse,
    NoPicture,
    NotFound,
    ServiceError,
    Stopped,
    Unavailable,
)
from images_api_client.runs.database import Database
from images_api_client.runs.failures import MOST, FailuresInARow

TABLE = "CREATE TABLE IF NOT EXISTS notes (note TEXT)"


@pytest.mark.parametrize(
    "error", [ConnectionFailed("Down."), Unavailable(503, "Slow."), ServiceError(500, "Wrong.")], ids=repr
)
def test_a_run_ends_after_many_failures_of_the_service_in_a_row(error: ImagesError) -> None:
    failures = FailuresInARow()
    for _ in range(MOST - 1):
        failures.note(error)
    failures.note(None)
    for _ in range(MOST - 1):
        failures.note(error)
    failures.note(OSError("says nothing about the service"))
    with pytest.raises(Stopped, match=rf"^Stopped after {MOST} failures in a row\. The last one: "):
        failures.note(error)


@pytest.mark.parametrize("error", [DamagedDownload(), NoPicture(), NotFound(404, "Gone."), PermissionError()], ids=repr)
def test_failures_of_single_images_never_end_a_run(error: ImagesError | OSError) -> None:
    failures = FailuresInARow()
    for _ in range(2 * MOST):
        failures.note(error)


def test_notes_are_kept_once_they_are_written_and_only_one_run_has_them(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Database(path, TABLE) as first:
        assert first.change("INSERT INTO notes VALUES ('sea')") == 1
        first.commit()
        with pytest.raises(InUse, match=r"^Another run is not finished: wait until it ends\. "):
            Database(path, TABLE)
    with Database(path, TABLE, keep=False) as trial:
        trial.change("INSERT INTO notes VALUES ('sky')")
        assert trial.rows("SELECT note FROM notes") == [("sea",), ("sky",)]
    with Database(path, TABLE) as last:
        assert last.row("SELECT note FROM notes WHERE note = ?", "sky") is None
        assert last.rows("SELECT note FROM notes") == [("sea",)]
