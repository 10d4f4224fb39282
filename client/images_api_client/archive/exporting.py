"""Export: write the records and the originals of an owner to a folder, or bring the folder up to date."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from images_api_client.archive import layout
from images_api_client.archive.layout import About
from images_api_client.archive.report import ArchiveOutcome, ArchiveStatus, ExportReport
from images_api_client.downloads import content, receiving
from images_api_client.errors import ImagesError, NoExport, NoPicture, NotFound
from images_api_client.model import Image
from images_api_client.runs.database import Database
from images_api_client.runs.failures import FailuresInARow, check_not_final, sentence
from images_api_client.runs.parallel import Stop, in_order
from images_api_client.runs.progress import Meter
from images_api_client.transport import Transport

_LOCK = ".images-export.sqlite"  # while an export runs


@dataclass(frozen=True, slots=True)
class _Done:
    outcome: ArchiveOutcome
    record: dict[str, Any] | None = None  # of an image whose original is in the folder
    error: ImagesError | OSError | None = None


def export(
    transport: Transport, owner: str, images: Iterable[Image], folder: Path, *, parallel: int, prune: bool, meter: Meter
) -> ExportReport:
    """Export an owner's images, which have URLs. Files that are in the folder already are checked, and not fetched.

    The records are replaced at the end, in one step. So an interrupted export leaves those of the export before it.
    The records are of the images whose originals are in the folder. Originals of images that do not exist any more stay
    in the folder; `prune` deletes them if nothing failed.
    Raises NoExport: the folder has something else, or the export of another owner. Raises InUse, Unauthorized,
    Stopped, ServiceError, ConnectionFailed, OSError: the export ends early.
    """
    _prepare(transport, owner, folder)
    report, failures = ExportReport(), FailuresInARow()
    part = folder / f"{layout.RECORDS}.part"

    def work(image: Image, stop: Stop) -> _Done:
        try:
            return _fetched(transport, image, folder, stop.checked(meter.advance))
        except NotFound:
            return _Done(ArchiveOutcome(image.image_id, ArchiveStatus.DELETED))
        except (ImagesError, OSError) as error:
            check_not_final(error)
            return _Done(ArchiveOutcome(image.image_id, ArchiveStatus.FAILED, sentence(error)), error=error)

    with _locked(folder), closing(_Files()) as files:
        count = 0
        with (
            part.open("w", encoding="utf-8", newline="\n") as records,
            closing(in_order(transport, work, images, parallel)) as results,
        ):
            for done in results:
                if done.record:
                    records.write(json.dumps(done.record, ensure_ascii=False) + "\n")
                    count += 1
                    if prune:
                        files.add(done.record["file"])
                report.add(done.outcome)
                meter.done()
                failures.note(done.error)
            records.flush()
            os.fsync(records.fileno())
        part.replace(folder / layout.RECORDS)
        About(owner, transport.url, _now(), count).write(folder)
        if prune and report.ok and (folder / layout.ORIGINALS).is_dir():
            pruned = _prune(folder, files)
            report.notes.append(f"Files of deleted images that were removed: {pruned:,}.")
    return report


def _prepare(transport: Transport, owner: str, folder: Path) -> None:
    """Check that an export of an owner can go to a folder, and create the folder. Raises NoExport, OSError."""
    found = layout.about(folder)
    if found is None:
        if folder.exists() and any(folder.iterdir()):
            raise NoExport(f"{folder} is not empty, and is not an export: choose an empty folder.")
        folder.mkdir(parents=True, exist_ok=True)
        About(owner, transport.url).write(folder)
    elif found.owner != owner:
        raise NoExport(f"{folder} has the images of {found.owner!r}: choose another folder for those of {owner!r}.")


def _fetched(transport: Transport, image: Image, folder: Path, advance: receiving.Advance) -> _Done:
    record = layout.record(image)
    target = folder / record["file"]
    if target.exists() and content.is_complete(target, image.size, image.checksum):
        return _Done(ArchiveOutcome(image.image_id, ArchiveStatus.PRESENT), record)
    source = receiving.source(image)
    if not source.is_original:
        raise NoPicture("The service gives the original only to its owner: export as the owner.")
    target.parent.mkdir(parents=True, exist_ok=True)
    receiving.save(transport, source, target, advance)
    return _Done(ArchiveOutcome(image.image_id, ArchiveStatus.EXPORTED), record)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let no other export use the folder. Raises InUse, JournalUnusable."""
    path = folder / _LOCK
    with Database(path, "", other="Another export to this folder"):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows does not delete an open file
                path.unlink()


class _Files:
    """The files of the records, in a temporary file."""

    def __init__(self) -> None:
        self._database = Database(None, "CREATE TABLE files (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, name: str) -> None:
        self._database.change("INSERT OR IGNORE INTO files VALUES (?)", name)

    def __contains__(self, name: str) -> bool:
        return self._database.row("SELECT 1 FROM files WHERE name = ?", name) is not None

    def close(self) -> None:
        self._database.close()


def _prune(folder: Path, files: _Files) -> int:
    """Delete the originals that no record has, and return their number. Other files stay. Raises OSError."""
    count = 0
    for path in _walk(folder / layout.ORIGINALS):
        if path.relative_to(folder).as_posix() not in files and layout.is_of_export(path, folder):
            path.unlink()
            count += 1
    return count


def _walk(folder: Path) -> Iterator[Path]:
    """Iterate over the files below a folder. Path.walk and Path.rglob make a list of each folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry))
            else:
                yield Path(entry)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
