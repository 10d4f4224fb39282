"""Download many images to a folder: one outcome for each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from images_api_client.downloads import content, receiving
from images_api_client.downloads.failures import FailuresInARow, check_not_final, sentence
from images_api_client.downloads.journal import FolderJournal
from images_api_client.downloads.names import EXTENSIONS
from images_api_client.downloads.parallel import Stop, in_order
from images_api_client.downloads.receiving import Advance, NoPicture, Source
from images_api_client.errors import ImagesError
from images_api_client.model import Image
from images_api_client.transport import Transport

_VARIANT = "The service gives the original only to its owner. This is the largest variant."
_OTHER_CONTENT = "The folder has a file of this name with other content: rename or delete the file."


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
    def of(cls, image: Image, folder: Path, journal: FolderJournal) -> "FolderFile":
        """Return the file of an image that has a URL: as in earlier runs, or a new one. Raises NoPicture."""
        source = receiving.source(image)
        extension = source.variant_extension or EXTENSIONS.get(image.content_type, "")
        known = image.checksum if source.is_original else ""
        name = journal.name(image, extension, known)
        return cls(source, extension, folder / name, known or journal.checksum(image, extension))

    def fetch(self, transport: Transport, advance: Advance, *, dry_run: bool = False) -> tuple[DownloadOutcome, str]:
        """Download the file unless it is complete, and return the SHA-256 of what was downloaded, or an empty text.

        Raises ImagesError, OSError.
        """
        image_id = self.source.image.image_id
        reason = "" if self.source.is_original else _VARIANT
        if self.checksum and self.path.exists():
            if content.checksum(self.path) == self.checksum:
                return DownloadOutcome(image_id, DownloadStatus.PRESENT, self.path, reason), ""
            return DownloadOutcome(image_id, DownloadStatus.FAILED, self.path, _OTHER_CONTENT), ""
        saved = "" if dry_run else receiving.save(transport, self.source, self.path, advance)
        return DownloadOutcome(image_id, DownloadStatus.DOWNLOADED, self.path, reason), saved


@dataclass(frozen=True, slots=True)
class _Done:
    file: FolderFile | None
    outcome: DownloadOutcome
    saved: str = ""  # SHA-256
    error: ImagesError | OSError | None = None


def download_many(
    transport: Transport,
    images: Iterable[Image],
    folder: Path,
    *,
    parallel: int,
    advance: Advance,
    dry_run: bool = False,
) -> Iterator[DownloadOutcome]:
    """Download images that have URLs to a folder, and yield the outcome of each, in their order.

    An image has the same file in every run. A complete file is not fetched again. A file with other content is never
    replaced.
    Raises FolderInUse. Raises Unauthorized, Stopped, OSError: what makes the next images fail, too, such as a full
    disk.
    """
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)

    def plan(image: Image) -> FolderFile | _Done:
        try:
            return FolderFile.of(image, folder, journal)
        except NoPicture as error:
            return _Done(None, DownloadOutcome(image.image_id, DownloadStatus.FAILED, reason=str(error)))

    def work(planned: FolderFile | _Done, stop: Stop) -> _Done:
        if isinstance(planned, _Done):
            return planned
        try:
            outcome, saved = planned.fetch(transport, stop.checked(advance), dry_run=dry_run)
        except (ImagesError, OSError) as error:
            check_not_final(error)
            image_id = planned.source.image.image_id
            failed = DownloadOutcome(image_id, DownloadStatus.FAILED, planned.path, sentence(error))
            return _Done(planned, failed, error=error)
        return _Done(planned, outcome, saved)

    journal = FolderJournal(folder, dry_run=dry_run)
    failures = FailuresInARow()
    try:
        for done in in_order(transport, work, map(plan, images), parallel):
            if done.file and done.saved:
                journal.saved(done.file.source.image, done.file.extension, done.saved)
            yield done.outcome
            failures.note(done.error)
    finally:
        journal.close()
