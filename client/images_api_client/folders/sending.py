"""Send one file, or go on where an earlier run stopped, and note in the journal where it is."""

import time
from threading import Event
from uuid import uuid4

from images_api_client import uploads
from images_api_client.errors import (
    BadRequest,
    Conflict,
    FileChanged,
    Gone,
    ImagesError,
    NotFound,
    Rejected,
    ServiceError,
    TooLarge,
    UnsupportedType,
)
from images_api_client.folders.inventory import Inventory
from images_api_client.folders.journal import Journal, Unfinished
from images_api_client.folders.model import Upload, UploadStatus
from images_api_client.folders.scan import Found
from images_api_client.model import Image, State
from images_api_client.transport import Progress, Transport
from images_api_client.uploads import DirectUpload, File

_PATIENCE_SECONDS = 900.0  # without any direct upload becoming processed: others may be before it
_CHANGED = "The file was changed during the upload. Upload it again."


class NotStored(ImagesError):
    """A file was sent, and is no image of the service."""


class _Interrupted(Exception):
    """The run ends while a file is sent."""


class Sender:
    """Sends the files of one run. May be used by several threads."""

    def __init__(
        self, transport: Transport, user: str, journal: Journal, inventory: Inventory, *, dry_run: bool
    ) -> None:
        self._transport = transport
        self._user = user
        self._journal = journal
        self._inventory = inventory
        self._dry_run = dry_run
        self._stopping = Event()
        self._processed_at = 0.0

    def stop(self) -> None:
        """Interrupt the threads that send."""
        self._stopping.set()

    def send(self, upload: Upload) -> UploadStatus | None:
        """Send a file. Returns None if the service has yet to process it.

        Raises Rejected, Unaccepted: the service does not accept it. Raises FileChanged, OSError: it cannot be read.
        Raises other ImagesErrors: it cannot be sent.
        """
        if not self._inventory.complete and (image_id := self._inventory.ask(upload.checksum)):
            upload.image_id = image_id
            return UploadStatus.PRESENT
        if self._dry_run:
            return UploadStatus.UPLOADED
        file = File.of(upload.found.path)
        if (file.size, file.modified_ns) != (upload.found.size, upload.found.mtime_ns):
            raise FileChanged(_CHANGED)
        unfinished = self._journal.unfinished(upload.checksum)
        try:
            if unfinished is None and file.size <= uploads.FORM_BYTES and self._send_form(upload, file):
                return UploadStatus.UPLOADED
            upload.image_id = unfinished.image_id if unfinished else ""
            if not (unfinished and self._resumed(upload, file, unfinished)):
                self._send_new(upload, file)
        except (BadRequest, TooLarge, UnsupportedType) as error:
            # A 400 is about the file only if it is cut off. Others are about its tags, for example.
            if isinstance(error, BadRequest) and not str(error).startswith("The file"):
                raise
            self._journal.refused(upload.request(self._user), str(error))
            raise Rejected(str(error)) from error
        except FileChanged:
            self._journal.finished(upload.checksum)  # what was sent of it is deleted
            raise
        self._journal.sent(upload.checksum)
        upload.sent_at = time.monotonic()
        return None

    def _send_form(self, upload: Upload, file: File) -> bool:
        """Send a file through the service. Returns False if the service accepts only smaller ones in this way."""
        key = upload.request(self._user)
        try:
            try:
                image = self._form_answer(upload, file, key)
            except Gone:  # the same file was uploaded and deleted today
                image = self._form_answer(upload, file, f"folder-{uuid4()}")
        except TooLarge as error:
            if not uploads.is_form_limit(error):
                raise
            return False
        upload.image_id = image.image_id
        return True

    def _form_answer(self, upload: Upload, file: File, key: str) -> Image:
        progress = self._progress_of(upload)
        return uploads.send_form(self._transport, self._user, file, upload.metadata, key, progress)

    def _send_new(self, upload: Upload, file: File) -> None:
        """Announce a direct upload, note it, and send its bytes to the storage."""
        direct = uploads.announce(self._transport, self._user, file, upload.metadata, upload.checksum)
        upload.image_id = direct.image_id
        self._journal.announced(upload.checksum, direct.image_id)
        self._send_bytes(upload, direct, file)

    def _resumed(self, upload: Upload, file: File, unfinished: Unfinished) -> bool:
        """Go on with a direct upload of an earlier run. Returns False if it must begin again."""
        path = f"/images/{upload.image_id}"
        try:
            state = Image.of(self._transport.json("GET", path)).state
            if unfinished.sent or state is not State.AWAITING_UPLOAD:
                return True
            try:
                self._send_bytes(upload, uploads.resume(self._transport, upload.image_id), file)
            except Conflict:  # it has no parts that can be sent: all were, or the file is sent in a form
                try:
                    self._transport.json("POST", f"{path}/complete")
                except Conflict:  # the form was not noted, because it is a secret and expires
                    uploads.abandon(self._transport, upload.image_id)
                    return False
        except NotFound:  # the service has given it up
            return False
        except Conflict:  # it was not aborted, because it has arrived
            return True
        return True

    def _send_bytes(self, upload: Upload, direct: DirectUpload, file: File) -> None:
        """Send a direct upload to the storage.

        Raises NotStored: the storage answers with an error status, which says nothing about the rights of the user.
        Raises Rejected, ConnectionFailed, FileChanged, OSError.
        """
        try:
            uploads.send_direct(self._transport, direct, file, self._progress_of(upload))
        except ServiceError as error:
            raise NotStored(f"The file could not be sent to the storage. {error}") from error

    def _progress_of(self, upload: Upload) -> Progress:
        def note(sent_bytes: int) -> None:
            upload.sent_bytes = sent_bytes
            if self._stopping.is_set():
                raise _Interrupted

        return note

    def check(self, upload: Upload) -> UploadStatus | None:
        """Return the status of a direct upload, or None if it is not processed yet."""
        try:
            image = Image.of(self._transport.json("GET", f"/images/{upload.image_id}"))
        except NotFound:
            self._journal.finished(upload.checksum)
            raise NotStored("The image was deleted before it was processed. Upload it again.") from None
        if image.state in (State.AWAITING_UPLOAD, State.PROCESSING):
            waited = time.monotonic() - max(upload.sent_at, self._processed_at)
            if waited < _PATIENCE_SECONDS:
                return None
            raise NotStored("The service has the file, and has not processed it yet. Run the upload again later.")
        self._processed_at = time.monotonic()
        if image.state is State.REJECTED:
            if _has_changed(upload.found):
                self._journal.finished(upload.checksum)
                raise FileChanged(_CHANGED)
            raise Rejected(image.reason)  # the service keeps it for a day, and the journal its id
        # A damaged file is kept and listed as failed. An image that failed otherwise is not in lists.
        if image.state is State.FAILED and not self._inventory.ask(upload.checksum):
            raise NotStored(f"The service could not process the file. {image.reason}")
        self._journal.finished(upload.checksum)
        return UploadStatus.UPLOADED


def _has_changed(found: Found) -> bool:
    try:
        status = found.path.stat()
    except OSError:
        return True
    return (status.st_size, status.st_mtime_ns) != (found.size, found.mtime_ns)
