"""Upload what is in folders: one outcome for each file, whatever happens.

One thread takes the files from the scan and decides about each. Other threads read files, and send them. A file has one
outcome, and files with the same bytes are sent once: the others wait for the first.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

from images_api_client.errors import (
    ClientClosed,
    Forbidden,
    ImagesError,
    JournalUnusable,
    Rejected,
    Unaccepted,
    Unauthorized,
)
from images_api_client.folders.inventory import FILES_PER_PAGE, Inventory
from images_api_client.folders.journal import Journal
from images_api_client.folders.model import Options, Upload, UploadOutcome, UploadProgress, UploadStatus
from images_api_client.folders.scan import Count, Found, Scan
from images_api_client.folders.sending import Sender
from images_api_client.runs.failures import FailuresInARow
from images_api_client.transport import Transport
from images_api_client.uploads import File

_MANY_FILES = 1_000  # more are not counted before the list of the service is read
_READERS = 2  # threads that read and hash files
_MOST_OPEN = 500  # files that are taken from the scan and have no outcome yet
_CHECK_AFTER_SECONDS = 1.0  # from the end of a direct upload to the first look at its state
_CHECK_AGAIN_SECONDS = 0.5  # between two looks, while nothing is processed
_PROGRESS_SECONDS = 0.1


class FolderUpload:
    """One run of an upload of folders."""

    def __init__(
        self,
        transport: Transport,
        user: str,
        paths: Iterable[Path | str],
        options: Options,
        journal: Path,
        progress: Callable[[UploadProgress], None] | None = None,
    ) -> None:
        given = [*paths]
        self._transport = transport
        self._user = user
        self._options = options
        self._journal_path = journal
        self._progress = progress
        self._scan = Scan(given, include=options.include, exclude=options.exclude)
        self._count = Count(Scan(given, include=options.include, exclude=options.exclude, in_order=False))
        self._running: dict[Future[object], Callable[[Future[object]], Iterator[UploadOutcome]]] = {}
        self._reading = 0
        self._ready: deque[Upload] = deque()
        self._sending: set[Upload] = set()
        self._unchecked: deque[Upload] = deque()  # direct uploads that the service processes
        self._checking = False
        self._next_check = 0.0
        self._claims: dict[str, Upload] = {}  # by checksum: each file that is sent and has no outcome yet
        self._open = 0
        self._failures = FailuresInARow()
        self._taken = self._taken_size = 0
        self._files = self._size = 0  # that have an outcome
        self._reported_at = 0.0

    def outcomes(self) -> Generator[UploadOutcome, None, None]:
        """Upload the files, and yield the outcome of each as soon as it is known.

        Raises Unauthorized, Forbidden: the service accepts nothing of this user. Raises Stopped: nothing can be sent.
        Raises ServiceError, ConnectionFailed: the service does not say what it has. Raises InUse, JournalUnusable.
        """
        with (
            closing(Journal(self._journal_path)) as self._journal,
            closing(Inventory(self._transport, self._user)) as self._inventory,
        ):
            dry_run = self._options.dry_run
            self._sender = Sender(self._transport, self._user, self._journal, self._inventory, dry_run=dry_run)
            if self._progress:
                self._count.start()
            self._readers = ThreadPoolExecutor(_READERS, "read")
            self._senders = ThreadPoolExecutor(self._options.parallel + 1, "send")  # one checks what was sent
            try:
                yield from self._outcomes()
            except KeyboardInterrupt:
                self._transport.close()  # also ends the pauses before repeated requests
                raise
            finally:
                self._count.stop()
                self._sender.stop()
                for pool in (self._readers, self._senders):
                    pool.shutdown(wait=True, cancel_futures=True)
                self._report(last=True)

    def _outcomes(self) -> Iterator[UploadOutcome]:
        scan = iter(self._scan)
        first = [*islice(scan, _MANY_FILES)]
        if first:
            pages = len(first) // FILES_PER_PAGE if len(first) < _MANY_FILES else None
            self._inventory.read(pages, self._report)
        files: Iterator[Found] = chain(first, scan)
        del first
        more = True
        while more or self._running or self._unchecked or self._ready:
            while more and self._has_room():
                found = next(files, None)
                if found is None:
                    more = False
                else:
                    yield from self._begin(found)
            self._send_ready()
            self._check_sent()
            for future in self._done():
                yield from self._running.pop(future)(future)
            self._report()

    def _has_room(self) -> bool:
        return self._open < _MOST_OPEN and self._reading < 2 * _READERS and len(self._ready) < self._options.parallel

    def _done(self) -> Iterable[Future[object]]:
        """Wait until a thread is done, or the next check or report is due."""
        pauses = [_PROGRESS_SECONDS] if self._progress else []
        if self._unchecked and not self._checking:
            pauses.append(max(0.0, self._check_at() - time.monotonic()))
        if not self._running:
            time.sleep(min(pauses, default=0.0))
        return wait(self._running, min(pauses, default=None), FIRST_COMPLETED).done

    def _begin(self, found: Found) -> Iterator[UploadOutcome]:
        self._taken += 1
        self._taken_size += found.size
        self._open += 1
        if found.fault:
            yield self._ended(found, UploadStatus.FAILED, found.fault)
        elif not found.regular:
            yield self._ended(found, UploadStatus.REFUSED, "It is a pipe, a socket or a device, not a file.")
        elif checksum := self._journal.checksum(found):
            yield from self._decide(found, checksum)
        else:
            self._reading += 1

            def read(future: Future[object]) -> Iterator[UploadOutcome]:
                self._reading -= 1
                try:
                    checksum = str(future.result())
                except Unaccepted as error:
                    yield self._ended(found, UploadStatus.REFUSED, str(error))
                except OSError as error:
                    yield self._ended(found, UploadStatus.FAILED, _sentence(error))
                else:
                    self._journal.remember(found, checksum)
                    yield from self._decide(found, checksum)

            self._running[self._readers.submit(_checksum, found)] = read

    def _decide(self, found: Found, checksum: str) -> Iterator[UploadOutcome]:
        """Decide about a file whose checksum is known."""
        upload = Upload(found, checksum, self._options.metadata(found))
        if claimed := self._claims.get(checksum):
            claimed.same.append(found)
        elif (image_id := self._inventory.find(checksum)) is not None:
            if self._journal.unfinished(checksum):
                self._journal.finished(checksum)
            yield self._ended(found, UploadStatus.PRESENT, image_id=image_id or None)
        elif reason := self._journal.refusal(upload.request(self._user)):
            yield self._ended(found, UploadStatus.REFUSED, reason)
        else:
            self._claims[checksum] = upload
            self._ready.append(upload)

    def _send_ready(self) -> None:
        while self._ready and len(self._sending) < self._options.parallel:
            upload = self._ready.popleft()
            self._sending.add(upload)

            def sent(future: Future[object], upload: Upload = upload) -> Iterator[UploadOutcome]:
                self._sending.discard(upload)
                yield from self._concluded(upload, future)

            self._running[self._senders.submit(self._sender.send, upload)] = sent

    def _check_sent(self) -> None:
        """Look at the state of one direct upload, the oldest: images are processed one after the other."""
        if self._unchecked and not self._checking and time.monotonic() >= self._check_at():
            upload = self._unchecked.popleft()
            self._checking = True

            def checked(future: Future[object]) -> Iterator[UploadOutcome]:
                self._checking = False
                unchanged = future.exception() is None and future.result() is None
                self._next_check = time.monotonic() + _CHECK_AGAIN_SECONDS if unchanged else 0.0
                yield from self._concluded(upload, future)

            self._running[self._senders.submit(self._sender.check, upload)] = checked

    def _check_at(self) -> float:
        return max(self._next_check, self._unchecked[0].sent_at + _CHECK_AFTER_SECONDS)

    def _concluded(self, upload: Upload, future: Future[object]) -> Iterator[UploadOutcome]:
        """Yield the outcome of a file that was sent or checked, or await its processing."""
        error: ImagesError | OSError | None = None
        try:
            status = future.result()
        except (Unauthorized, Forbidden, ClientClosed, JournalUnusable):
            raise
        except (Unaccepted, Rejected) as refusal:
            status, error = UploadStatus.REFUSED, refusal
        except (ImagesError, OSError) as failure:
            status, error = UploadStatus.FAILED, failure
        if status is None:
            self._unchecked.append(upload)
            return
        yield from self._finished(upload, UploadStatus(str(status)), error)

    def _finished(
        self, upload: Upload, status: UploadStatus, error: ImagesError | OSError | None
    ) -> Iterator[UploadOutcome]:
        reason = _sentence(error) if error else ""
        del self._claims[upload.checksum]
        yield self._ended(upload.found, status, reason, upload.image_id or None)
        if status is UploadStatus.FAILED:
            if error and not upload.sent_at:  # what was sent, and is not processed, does not stop the others
                self._failures.note(error)
            for found in upload.same:  # the next one is sent
                yield from self._decide(found, upload.checksum)
            return
        self._failures.note(None)
        if status in (UploadStatus.UPLOADED, UploadStatus.PRESENT):
            self._inventory.add(upload.checksum, upload.image_id)
        for found in upload.same:
            same = UploadStatus.REFUSED if status is UploadStatus.REFUSED else UploadStatus.PRESENT
            yield self._ended(found, same, reason, upload.image_id or None)

    def _ended(
        self, found: Found, status: UploadStatus, reason: str = "", image_id: str | None = None
    ) -> UploadOutcome:
        self._open -= 1
        self._files += 1
        self._size += found.size
        self._report()
        return UploadOutcome(found.path, status, reason, image_id)

    def _report(self, *, last: bool = False) -> None:
        if self._progress and (last or time.monotonic() - self._reported_at > _PROGRESS_SECONDS):
            self._reported_at = time.monotonic()
            sent = sum(min(upload.sent_bytes, upload.found.size) for upload in (*self._sending, *self._unchecked))
            self._progress(
                UploadProgress(
                    files=self._files,
                    size=self._size + sent,
                    all_files=max(self._taken, self._count.files),
                    all_size=max(self._taken_size, self._count.size),
                    processing=len(self._unchecked) + self._checking,
                    counted=self._count.complete,
                    left_out=max(self._scan.left_out, self._count.left_out),
                )
            )


def _checksum(found: Found) -> str:
    return File.of(found.path).checksum()


def _sentence(error: ImagesError | OSError) -> str:
    return f"The file cannot be read: {error.strerror or error}." if isinstance(error, OSError) else str(error)
