"""Download many images to a folder: one outcome for each."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from images_api_client.downloads import content, receiving
from images_api_client.downloads.journal import FolderJournal
from images_api_client.downloads.receiving import Source
from images_api_client.errors import ImagesError, NoPicture, OtherContent
from images_api_client.formats import EXTENSIONS
from images_api_client.model import Image
from images_api_client.runs.failures import FailuresInARow, check_not_final, sentence
from images_api_client.runs.parallel import Stop, in_order
from images_api_client.runs.progress import Meter
from images_api_client.transport import Transport

VARIANT = "The service gives the original only to its owner. This is the largest variant."


class DownloadStatus(StrEnum):
    """What became of an image."""

    DOWNLOADED = "downloaded"  # in a dry run: would be downloaded
    PRESENT = "already there"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DownloadOutcome:
    """What became of an image."""

    image_id: str
    status: DownloadStatus
    path: Path | None = None  # None: it failed before its file had a name
    reason: str = ""  # why it failed, or why the file is not the original: one sentence


@dataclass(frozen=True, slots=True)
class FolderFile:
    """The file that an image has in a folder."""

    source: Source
    extension: str
    path: Path
    checksum: str  # SHA-256 of the complete file; empty: not known

    @classmethod
    def of(cls, source: Source, folder: Path, journal: FolderJournal) -> "FolderFile":
        """Return the file of an image: that of earlier runs, or a new one."""
        image = source.image
        extension = source.variant_extension or EXTENSIONS.get(image.content_type, "")
        known = image.checksum if source.is_original else ""
        name = journal.name(image, extension, known)
        return cls(source, extension, folder / name, known or journal.checksum(image, extension))

    def is_complete(self) -> bool:
        """Whether the file is there. Raises OtherContent: there is another one. Raises OSError."""
        if not (self.checksum and self.path.exists()):
            return False
        if content.checksum(self.path) != self.checksum:
            raise OtherContent("The folder has a file of this name with other content: rename or delete that file.")
        return True


@dataclass(frozen=True, slots=True)
class _Done:
    outcome: DownloadOutcome
    file: FolderFile | None = None
    saved: str = ""  # SHA-256 of what was downloaded
    error: ImagesError | OSError | None = None


def download_many(
    transport: Transport,
    images: Iterable[Image],
    folder: Path,
    *,
    parallel: int,
    dry_run: bool,
    meter: Meter,
) -> Iterator[DownloadOutcome]:
    """Download images that have URLs to a folder, and yield the outcome of each, in their order.

    An image has the same file in every run. A complete file is not fetched again. A file with other content is never
    replaced.
    Raises InUse, JournalUnusable. Raises Unauthorized, ClientClosed, Stopped, OSError: the next images would fail, too,
    as on a full disk.
    """
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)

    def plan(image: Image) -> FolderFile | _Done:
        try:
            return FolderFile.of(receiving.source(image), folder, journal)
        except NoPicture as error:
            return _Done(DownloadOutcome(image.image_id, DownloadStatus.FAILED, reason=str(error)))

    def work(planned: FolderFile | _Done, stop: Stop) -> _Done:
        if isinstance(planned, _Done):
            return planned
        image_id, path = planned.source.image.image_id, planned.path
        reason = "" if planned.source.is_original else VARIANT
        try:
            is_complete = planned.is_complete()
            is_due = not (is_complete or dry_run)
            saved = receiving.save(transport, planned.source, path, stop.checked(meter.advance)) if is_due else ""
        except (ImagesError, OSError) as error:
            check_not_final(error)
            return _Done(DownloadOutcome(image_id, DownloadStatus.FAILED, path, sentence(error)), error=error)
        status = DownloadStatus.PRESENT if is_complete else DownloadStatus.DOWNLOADED
        return _Done(DownloadOutcome(image_id, status, path, reason), planned, saved)

    failures = FailuresInARow()
    with (
        FolderJournal(folder, dry_run=dry_run) as journal,
        closing(in_order(transport, work, map(plan, images), parallel)) as results,
    ):
        for done in results:
            if done.file and done.saved:
                journal.saved(done.file.source.image, done.file.extension, done.saved)
            meter.done()
            yield done.outcome
            failures.note(done.error)
