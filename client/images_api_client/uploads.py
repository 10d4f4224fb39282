"""Send one image: in a form to the service, or directly to S3, also in parts.

The functions are steps. `Client.upload` takes them one after the other; a folder upload notes in its journal where it
is between them, so that it can go on after a crash.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from io import BufferedReader, BytesIO
from json import dumps
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, cast

from requests_toolbelt import MultipartEncoder, MultipartEncoderMonitor

from images_api_client.errors import (
    BadRequest,
    Conflict,
    DamagedUpload,
    FileChanged,
    Forbidden,
    ImagesError,
    Rejected,
    TooLarge,
    Unaccepted,
)
from images_api_client.formats import ACCEPTED_NAMES, content_type
from images_api_client.model import Document, Image, State, Visibility
from images_api_client.transport import Progress, Transport

# Above this, a file is sent directly to S3: the service's default of MAX_FORM_IMAGE_BYTES.
FORM_BYTES = 4_500_000

_FIRST_POLL_SECONDS = 0.2  # small images are processed in less than a second
_LONGEST_POLL_SECONDS = 2.0

# What the name of a file can have, and a text of the service cannot. Surrogates stand for bytes that are not UTF-8.
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a client says about a new image."""

    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    filename: str = ""
    visibility: Visibility = Visibility.PUBLIC

    def fields(self, user: str | None) -> dict[str, Any]:
        """Return the fields of a request. Without a user, the image belongs to the caller."""
        return {
            **({"user_id": user} if user else {}),
            "title": self.title,
            "description": self.description,
            "tags": list(self.tags),
            "filename": self.filename,
            "visibility": str(self.visibility),
        }


@dataclass(frozen=True, slots=True)
class File:
    """A file to upload: a path, bytes, or an open file that can seek, from its present position."""

    source: Path | bytes | BinaryIO
    size: int  # bytes
    content_type: str
    start: int = 0  # the position in an open file
    modified_ns: int = 0  # of a path

    @classmethod
    def of(cls, source: Path | bytes | BinaryIO) -> "File":
        """Look at a file. Raises OSError: it cannot be read. Raises Unaccepted: it is not an image."""
        start = 0 if isinstance(source, Path | bytes) else source.tell()
        with _opened(source, start) as file:
            kind = content_type(file)
            modified_ns = _modified_ns(source, file)
            size = file.seek(0, os.SEEK_END) - start
        if kind is None:
            raise Unaccepted(f"The file is not an image of an accepted type: {ACCEPTED_NAMES}.")
        return cls(source, size, kind, start, modified_ns)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file at its start. Raises OSError."""
        with _opened(self.source, self.start) as file:
            yield file

    def read(self) -> bytes:
        """Return the whole file. Raises FileChanged: it changed after `of` looked at it. Raises OSError."""
        with self.open() as file:
            content = file.read(self.size + 1)
            modified_ns = _modified_ns(self.source, file)
        if (len(content), modified_ns) != (self.size, self.modified_ns):
            raise FileChanged("The file was changed before it was sent.")
        return content

    def checksum(self) -> str:
        """Return the SHA-256 of the file, in hexadecimal digits. Raises OSError."""
        with self.open() as file:
            return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class DirectUpload:
    """A direct upload that the service awaits: a form, or parts."""

    image_id: str
    url: str = ""  # of the form
    form: dict[str, str] = field(default_factory=dict)  # its fields; empty: the file is sent in parts
    part_size: int = 0  # bytes; 0: the file is sent in one form
    parts: tuple[tuple[int, int, str], ...] = ()  # that S3 does not have: number, bytes, presigned URL
    checksum: str = ""  # that was announced; empty: none was

    @classmethod
    def of(cls, document: Document) -> "DirectUpload":
        """Read how to send the file from the answer to an announcement."""
        parts = tuple((part["part_number"], part["size"], part["url"]) for part in document.get("parts", ()))
        return cls(
            image_id=document["image_id"],
            url=document.get("url", ""),
            form=document.get("fields", {}),
            part_size=document.get("part_size", 0),
            parts=parts,
            checksum=document["metadata"].get("checksum", ""),
        )


def plain_text(name: str) -> str:
    """Return the name of a file as a text that the service accepts: other characters become underscores."""
    return _NO_TEXT.sub("_", name)


def send_form(
    transport: Transport, user: str | None, file: File, metadata: Metadata, key: str, progress: Progress | None = None
) -> Image:
    """Upload a file of up to FORM_BYTES through the service. The same `key` never stores a second image.

    The file is read once, so that each attempt sends the same bytes.
    Raises FileChanged: the file changed after `File.of` looked at it; nothing was sent. Raises DamagedUpload.
    Raises ServiceError, ConnectionFailed, OSError.
    """
    content = file.read()
    fields = metadata.fields(user)
    # Without empty fields: LocalStack's API Gateway joins them with the next one.
    texts = [(name, dumps(value) if name == "tags" else value) for name, value in fields.items() if value]

    def body() -> MultipartEncoderMonitor:
        # A part without a filename is no file. The service takes what follows the last slash: nothing.
        part = (metadata.filename or "/", _Range(BytesIO(content), 0, file.size), file.content_type)
        return _monitored(MultipartEncoder([*texts, ("file", part)]), file.size, progress)

    image = Image.of(transport.json("POST", "/images", body=body, headers={"Idempotency-Key": key}))
    if image.checksum != hashlib.sha256(content).hexdigest():
        raise DamagedUpload(
            f"The image {image.image_id} of the service has other bytes than the file: delete it, and upload it again."
        )
    return image


def is_form_limit(error: TooLarge) -> bool:
    """Whether a form was refused that can be sent directly to S3: the limit is of forms, or of a proxy.

    Every answer of the service itself has a request id. Its other limits hold for direct uploads, too.
    """
    return "MAX_FORM_IMAGE_BYTES" in error.message or not error.request_id


def announce(transport: Transport, user: str | None, file: File, metadata: Metadata, checksum: str) -> DirectUpload:
    """Begin a direct upload. The service then accepts only these bytes. Raises ServiceError, ConnectionFailed."""
    announced = {"content_type": file.content_type, "size": file.size, "checksum": checksum}
    return DirectUpload.of(transport.json("POST", "/images/direct-upload", json={**metadata.fields(user), **announced}))


def resume(transport: Transport, image_id: str) -> DirectUpload:
    """Return which parts S3 does not have yet, with new URLs.

    Raises Conflict: the image does not await parts. Raises NotFound: the upload was abandoned.
    """
    return DirectUpload.of(transport.json("POST", f"/images/{image_id}/parts"))


def send_direct(transport: Transport, upload: DirectUpload, file: File, progress: Progress | None = None) -> None:
    """Send the bytes of a direct upload to S3: the form, or the missing parts, which are then completed.

    Raises FileChanged: the file is not the one that was announced; the upload is then deleted. Raises Rejected: the
    service rejected the file already. Raises ServiceError, ConnectionFailed, OSError.
    """
    try:
        try:
            if upload.part_size:
                _send_parts(transport, upload, file, progress)
            else:
                _send_form_to_storage(transport, upload, file, progress)
        except BadRequest:  # as S3 answers to bytes that have another checksum
            _check_unchanged(file, upload)
            raise
        _check_unchanged(file, upload)
        if upload.part_size:
            _complete(transport, upload.image_id)
    except FileChanged:
        with suppress(ImagesError):  # what is left is deleted after a day
            abandon(transport, upload.image_id)
        raise


def abandon(transport: Transport, image_id: str) -> None:
    """Delete a direct upload that is not finished. Raises ServiceError, ConnectionFailed."""
    transport.json("POST", f"/images/{image_id}/abort")


def wait(transport: Transport, image_id: str, seconds: float) -> Image:
    """Return an image once it is processed, or as it is after `seconds`.

    If processing failed, the image has a `reason`.
    Raises Rejected: the service rejected the file. Raises ServiceError, ConnectionFailed.
    """
    until = monotonic() + seconds
    pause = _FIRST_POLL_SECONDS
    while True:
        image = Image.of(transport.json("GET", f"/images/{image_id}"))
        if image.state is State.REJECTED:
            raise Rejected(image.reason)
        if image.state not in (State.AWAITING_UPLOAD, State.PROCESSING) or monotonic() >= until:
            return image
        transport.pause(pause)
        pause = min(1.25 * pause, _LONGEST_POLL_SECONDS)


class _Range:
    """Bytes of an open file, as the body of a request or the file of a form.

    It has exactly `size` bytes: a file that grew or shrank would break the request off, or never end it.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        file.seek(start)
        self._file = file
        self.len = size  # that are left to read

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(self.len if size < 0 else min(size, self.len))
        if not content and size and self.len:
            raise FileChanged("The file became shorter while it was sent.")
        self.len -= len(content)
        return content


def _send_form_to_storage(transport: Transport, upload: DirectUpload, file: File, progress: Progress | None) -> None:
    with file.open() as opened:

        def body() -> MultipartEncoderMonitor:
            part = ("image", _Range(opened, file.start, file.size), file.content_type)
            return _monitored(MultipartEncoder([*upload.form.items(), ("file", part)]), file.size, progress)

        transport.store("POST", upload.url, body=body)


def _send_parts(transport: Transport, upload: DirectUpload, file: File, progress: Progress | None) -> None:
    urls = {number: url for number, _, url in upload.parts}
    sent = file.size - sum(size for _, size, _ in upload.parts)
    with file.open() as opened:
        for number, size, _ in upload.parts:
            start = file.start + (number - 1) * upload.part_size
            body = partial(_part, opened, start, size, sent, progress)
            try:
                transport.store("PUT", urls[number], body=body)
            except Forbidden:  # the URLs have expired
                urls = {renewed: url for renewed, _, url in resume(transport, upload.image_id).parts}
                if number in urls:  # otherwise S3 has the part, and only its answer was lost
                    transport.store("PUT", urls[number], body=body)
            sent += size


def _part(file: BinaryIO, start: int, size: int, before: int, progress: Progress | None) -> MultipartEncoderMonitor:
    return _monitored(_Range(file, start, size), size, progress, before)


def _monitored(
    body: MultipartEncoder | _Range, size: int, progress: Progress | None, before: int = 0
) -> MultipartEncoderMonitor:
    """Report how much of a file was sent: `before`, and what is read of its `size` bytes in a body.

    What a form has besides the file is counted as sent first.
    """
    around = body.len - size

    def report(monitor: MultipartEncoderMonitor) -> None:
        if progress:
            progress(before + max(0, monitor.bytes_read - around))

    return MultipartEncoderMonitor(body, report)


def _check_unchanged(file: File, upload: DirectUpload) -> None:
    if upload.checksum and file.checksum() != upload.checksum:
        raise FileChanged("The file was changed while it was sent.")


def _complete(transport: Transport, image_id: str) -> None:
    try:
        transport.json("POST", f"/images/{image_id}/complete")
    except Conflict:
        # A repeated request may find that the image was processed since, and failed.
        if wait(transport, image_id, 0).state is State.AWAITING_UPLOAD:
            raise


@contextmanager
def _opened(source: Path | bytes | BinaryIO, start: int) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield BytesIO(source)
    elif isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        source.seek(start)
        yield source


def _modified_ns(source: Path | bytes | BinaryIO, file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_mtime_ns if isinstance(source, Path) else 0
