"""Import: give the images of an export to a service, under their ids, with their times and versions.

What the service has is listed first. Only the other images are sent, several at the same time, while the service
processes those before. At the end the list of the service is compared with the records.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from json import dumps, loads
from pathlib import Path
from time import monotonic

from requests import codes

from images_api_client import uploads
from images_api_client.archive import layout
from images_api_client.archive.layout import InvalidRecord
from images_api_client.archive.report import ArchiveOutcome, ArchiveStatus, ImportReport
from images_api_client.downloads import content, receiving
from images_api_client.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    ImagesError,
    ImportsRefused,
    NoExport,
    NotFound,
    ServiceError,
    TooLarge,
    UnsupportedType,
)
from images_api_client.model import Document, State
from images_api_client.runs.database import Database
from images_api_client.runs.failures import FailuresInARow, check_not_final, sentence
from images_api_client.runs.parallel import Stop, in_order
from images_api_client.runs.progress import Meter
from images_api_client.transport import Transport
from images_api_client.uploads import DirectUpload, File

_PAGE_SIZE = 1_000
_MOST_VIEWS = 100  # of images that are not in the list yet, between two looks at the list
_MOST_RESUMES = 5  # of one upload in parts whose URLs have expired
_PATIENCE_SECONDS = 600.0  # without any image becoming processed
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 10.0

# The bucket of another deployment has another name.
_NOT_COMPARED = {"file", "s3_key", "s3_url"}

_SENT_FIELDS = (
    "image_id",
    "version",
    "updated_at",
    "user_id",
    "title",
    "description",
    "tags",
    "filename",
    "visibility",
    "content_type",
    "size",
    "checksum",
)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of an image that the service did not have: it is awaited in its list, or has an outcome."""

    image_id: str
    status: ArchiveStatus  # IMPORTED or PRESENT, once it is in the list; else its outcome
    reason: str = ""
    error: ImagesError | OSError | None = None

    @property
    def is_awaited(self) -> bool:
        return self.status in (ArchiveStatus.IMPORTED, ArchiveStatus.PRESENT)


class Import:
    """One run of an import.

    Raises NoExport: the folder has no export, or that of another owner. Raises OSError.
    """

    def __init__(self, transport: Transport, owner: str, folder: Path, *, parallel: int, meter: Meter) -> None:
        self._transport = transport
        self._folder = folder
        self._about = layout.complete(folder)
        if self._about.owner != owner:
            raise NoExport(
                f"{folder} has the images of {self._about.owner!r}: {owner!r} cannot import them, only their owner."
            )
        self._parallel = parallel
        self._meter = meter
        self._report = ImportReport()

    def run(self) -> ImportReport:
        """Import, wait until the images are in the list of the service, and compare them with their records.

        Raises ImportsRefused, Unauthorized, Stopped, ServiceError, ConnectionFailed, OSError: the import ends early.
        """
        with closing(_Records()) as records:
            self._read(records)
            others = self._compare_list(records)
            self._send(records)
            if records.awaited_count():
                others = self._await(records)
        if others:
            self._report.notes.append(f"Other images of {self._about.owner} that the service has: {others:,}.")
        return self._report

    def _add(self, outcome: ArchiveOutcome) -> None:
        self._report.add(outcome)
        self._meter.done()

    def _read(self, records: "_Records") -> None:
        count = 0
        for number, line in layout.lines(self._folder):
            count += 1
            try:
                document = layout.parsed(line, self._about.owner)
                if not records.add(document):
                    raise InvalidRecord("The image is in the records twice.")
            except InvalidRecord as error:
                self._add(ArchiveOutcome("", ArchiveStatus.FAILED, f"{layout.RECORDS}, line {number}: {error}"))
        if self._about.images is not None and count != self._about.images:
            self._report.ok = False
            self._report.notes.append(
                f"{layout.RECORDS} has {count:,} lines, but {layout.ABOUT} says {self._about.images:,}."
            )

    def _compare_list(self, records: "_Records") -> int:
        """Give the images that the service has their outcome, and return how many others it has of the owner."""
        others = 0
        pages = self._transport.pages("/images", {"user_id": self._about.owner, "limit": _PAGE_SIZE})
        for document in (each for page in pages for each in page["images"]):
            found = records.find(document["image_id"])
            if found is None:
                others += 1
            elif not found.is_done:
                records.conclude(document["image_id"])
                self._add(found.compared(document))
        return others

    def _send(self, records: "_Records") -> None:
        failures = FailuresInARow()
        with closing(in_order(self._transport, self._sent, records.open(), self._parallel)) as results:
            for sent in results:
                if sent.is_awaited:
                    records.awaits(sent.image_id, sent.status)
                else:
                    records.conclude(sent.image_id)
                    self._add(ArchiveOutcome(sent.image_id, sent.status, sent.reason))
                failures.note(sent.error)

    def _sent(self, record: Document, stop: Stop) -> _Sent:
        """Send an image that the service does not have in its list. Raises ImportsRefused."""
        image_id = record["image_id"]
        path = self._folder / record["file"]
        try:
            if not path.is_file():
                return _Sent(image_id, ArchiveStatus.FAILED, f"The file {record['file']} is missing.")
            if not content.is_complete(path, record["size"], record["checksum"]):
                reason = f"The file {record['file']} is damaged: it does not have the checksum of its record."
                return _Sent(image_id, ArchiveStatus.FAILED, reason)
            was_sent = self._sent_bytes(record, File.of(path), stop)
        except _Refused as error:
            return _Sent(image_id, ArchiveStatus.REFUSED, str(error))
        except ImportsRefused:
            raise
        except (ImagesError, OSError) as error:
            check_not_final(error)
            return _Sent(image_id, ArchiveStatus.FAILED, sentence(error), error)
        return _Sent(image_id, ArchiveStatus.IMPORTED if was_sent else ArchiveStatus.PRESENT)

    def _sent_bytes(self, record: Document, file: File, stop: Stop) -> bool:
        """Announce an image, and send what the storage does not have. Returns whether anything was sent."""
        advance = _Differences(stop.checked(self._meter.advance))
        for attempt in range(_MOST_RESUMES):
            answer = self._announced(record)
            if "url" not in answer and "parts" not in answer:
                return attempt > 0
            try:
                uploads.send_direct(self._transport, DirectUpload.of(answer), file, advance)
            except (Forbidden, NotFound):  # the URLs of the parts have expired, or the parts were completed before
                if attempt + 1 == _MOST_RESUMES:
                    raise
            else:
                break
        return True

    def _announced(self, record: Document) -> Document:
        """Begin the import of an image, or find the one that was begun. Raises _Refused, ImportsRefused."""
        body = {name: record[name] for name in _SENT_FIELDS}
        try:
            return self._transport.json("POST", "/images/import", json=body)
        except Forbidden as error:
            raise ImportsRefused(str(error)) from error
        except (BadRequest, Conflict, TooLarge, UnsupportedType) as error:
            raise _Refused(str(error)) from error
        except ServiceError as error:
            if error.status in (codes.not_found, codes.method_not_allowed):
                raise ImportsRefused("The service cannot import: its version is too old.") from error
            raise

    def _await(self, records: "_Records") -> int:
        """Wait until all images that were sent are in the list, or cannot come there."""
        pause, until = _FIRST_PAUSE_SECONDS, monotonic() + _PATIENCE_SECONDS
        while True:
            before = records.awaited_count()
            others = self._compare_list(records)
            self._conclude_rejected(records)
            awaited = records.awaited_count()
            if not awaited:
                return others
            if awaited < before:
                pause, until = _FIRST_PAUSE_SECONDS, monotonic() + _PATIENCE_SECONDS
            elif monotonic() > until:
                self._give_up(records)
                return others
            self._transport.pause(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE_SECONDS)

    def _conclude_rejected(self, records: "_Records") -> None:
        """Give those of the awaited images an outcome that will not come to the list."""

        def viewed(image_id: str, _: Stop) -> ArchiveOutcome | None:
            try:
                image = receiving.view(self._transport, image_id)
            except NotFound:
                return ArchiveOutcome(image_id, ArchiveStatus.FAILED, "The image was deleted during the import.")
            # The view of an image that is in lists has a URL, which may be null.
            if image.state is State.REJECTED or (image.state is State.FAILED and "presigned_url" not in image.document):
                status = ArchiveStatus.REFUSED if image.state is State.REJECTED else ArchiveStatus.FAILED
                return ArchiveOutcome(image_id, status, image.reason)
            return None

        with closing(in_order(self._transport, viewed, records.awaited(_MOST_VIEWS), self._parallel)) as results:
            for outcome in filter(None, results):
                records.conclude(outcome.image_id)
                self._add(outcome)

    def _give_up(self, records: "_Records") -> None:
        minutes = round(_PATIENCE_SECONDS / 60)
        reason = f"The service has not processed the image, and none of the others for {minutes} minutes."
        while awaited := records.awaited(_MOST_VIEWS):
            for image_id in awaited:
                records.conclude(image_id)
                self._add(ArchiveOutcome(image_id, ArchiveStatus.FAILED, reason))


class _Refused(Exception):
    """The service does not accept an image."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A record, and what its image is if the service has it in its list."""

    document: Document
    status: ArchiveStatus
    is_done: bool  # whether it has an outcome

    def compared(self, listed: Document) -> ArchiveOutcome:
        """Return the outcome of an image that the service lists."""
        image_id = self.document["image_id"]
        compared = [name for name in self.document if name not in _NOT_COMPARED]
        different = [name for name in compared if self.document[name] != listed.get(name)]
        if different:
            reason = f"The service has another value of: {', '.join(different)}."
            return ArchiveOutcome(image_id, ArchiveStatus.DIFFERENT, reason)
        return ArchiveOutcome(image_id, self.status)


class _Records:
    """The records of an export, and how far each is. They are in a temporary file."""

    _OPEN, _AWAITED_SENT, _AWAITED, _DONE = range(4)

    def __init__(self) -> None:
        self._database = Database(
            None,
            """
            CREATE TABLE records (number INTEGER PRIMARY KEY, image_id TEXT UNIQUE, document TEXT, step INTEGER);
            CREATE INDEX steps ON records (step, number)
            """,
        )

    def add(self, document: Document) -> bool:
        """Add a record, and return whether it is the first of its image."""
        added = self._database.change(
            "INSERT OR IGNORE INTO records (image_id, document, step) VALUES (?, ?, ?)",
            document["image_id"],
            dumps(document),
            self._OPEN,
        )
        return added == 1

    def find(self, image_id: str) -> _Known | None:
        """Return the record of an image, if it has one."""
        row = self._database.row("SELECT document, step FROM records WHERE image_id = ?", image_id)
        if row is None:
            return None
        status = ArchiveStatus.IMPORTED if row[1] == self._AWAITED_SENT else ArchiveStatus.PRESENT
        return _Known(loads(row[0]), status, row[1] == self._DONE)

    def open(self) -> Iterator[Document]:
        """Iterate over the records that were neither found in the list nor sent. They may change meanwhile."""
        last = 0
        query = "SELECT number, document FROM records WHERE step = ? AND number > ? ORDER BY number LIMIT 1"
        while row := self._database.row(query, self._OPEN, last):
            last = row[0]
            yield loads(row[1])

    def awaits(self, image_id: str, status: ArchiveStatus) -> None:
        """Note that an image will come to the list, and what it is then."""
        self._step(image_id, self._AWAITED_SENT if status is ArchiveStatus.IMPORTED else self._AWAITED)

    def conclude(self, image_id: str) -> None:
        """Note that an image has its outcome."""
        self._step(image_id, self._DONE)

    def awaited(self, most: int) -> list[str]:
        """Return the ids of awaited images, those first that were sent first."""
        query = "SELECT image_id FROM records WHERE step IN (?, ?) ORDER BY number LIMIT ?"
        return [row[0] for row in self._database.rows(query, self._AWAITED_SENT, self._AWAITED, most)]

    def awaited_count(self) -> int:
        """Return the number of awaited images."""
        query = "SELECT count(*) FROM records WHERE step IN (?, ?)"
        ((count,),) = self._database.rows(query, self._AWAITED_SENT, self._AWAITED)
        return int(count)

    def close(self) -> None:
        """Delete what was noted."""
        self._database.close()

    def _step(self, image_id: str, step: int) -> None:
        self._database.change("UPDATE records SET step = ? WHERE image_id = ?", step, image_id)


class _Differences:
    """Turns how many bytes of a file were sent so far into how many more they are."""

    def __init__(self, advance: receiving.Advance) -> None:
        self._advance = advance
        self._last = 0

    def __call__(self, sent: int) -> None:
        self._advance(sent - self._last)
        self._last = sent
