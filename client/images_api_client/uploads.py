"""Send one image: in a form to the service, or directly to S3, also in parts.

The functions are steps. `Client.upload` takes them one after the other; a folder upload notes in its journal where it
is between them, so that it can go on after a crash.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from requests_toolbelt import MultipartEncoder, MultipartEncoderMonitor
from requests_toolbelt.streaming_iterator import StreamingIterator

from images_api_client.errors import ImagesError, Rejected
from images_api_client.formats import ACCEPTED_NAMES, content_type
from images_api_client.model import Image, State, Visibility
from images_api_client.transport import Transport

# Above this, a file is sent directly to S3: the service's default of MAX_FORM_IMAGE_BYTES.
FORM_BYTES = 4_500_000

_CHUNK_BYTES = 64 * 1024
_POLL_SECONDS = 1.0

Progress = Callable[[int], None]  # gets the bytes of the file that were sent; fewer than before when it begins again


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a client says about a new image."""

    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    filename: str = ""
    visibility: Visibility = Visibility.PUBLIC

    def fields(self, user: str | None) -> dict[str, Any]:
        """Return the fields of a request. Without a user, the image belongs to the subject of the token."""
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
    """A file to upload: a path, or bytes. Each `open` begins at its start."""

    source: Path | bytes
    size: int  # bytes
    content_type: str

    @classmethod
    def of(cls, source: Path | bytes) -> "File":
        """Look at a file. Raises OSError: it cannot be read. Raises Unaccepted: it is not an image."""
        with _opened(source) as file:
            kind = content_type(file)
            size = file.seek(0, 2)
        if kind is None:
            raise Unaccepted(f"The file is not an image of an accepted type: {ACCEPTED_NAMES}.")
        return cls(source, size, kind)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file at its start."""
        with _opened(self.source) as file:
            yield file

    def checksum(self) -> str:
        """Return the SHA-256 of the file, in hexadecimal digits. Raises OSError."""
        with self.open() as file:
            return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()


class Unaccepted(ImagesError):
    """A file is not an image of an accepted type, as its first bytes say. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class DirectUpload:
    """A direct upload that the service awaits: a form, or parts."""

    image_id: str
    url: str = ""  # of the form
    form: dict[str, str] = field(default_factory=dict)  # its fields; empty: the file is sent in parts
    part_size: int = 0  # bytes; 0: the file is sent in one form
    parts: tuple[tuple[int, int, str], ...] = ()  # that S3 does not have: number, bytes, presigned URL

    @classmethod
    def of(cls, document: dict[str, Any]) -> "DirectUpload":
        """Read how to send the file from the answer to an announcement."""
        parts = tuple((part["part_number"], part["size"], part["url"]) for part in document.get("parts", ()))
        return cls(
            image_id=document["image_id"],
            url=document.get("url", ""),
            form=document.get("fields", {}),
            part_size=document.get("part_size", 0),
            parts=parts,
        )


def send_form(
    transport: Transport, user: str | None, file: File, metadata: Metadata, key: str, progress: Progress | None = None
) -> Image:
    """Upload a file of up to FORM_BYTES through the service. The same `key` never stores a second image.

    Raises ServiceError, ConnectionFailed, OSError.
    """
    with file.open() as opened:
        content = opened.read()
    fields = metadata.fields(user)
    # As a JSON array, because the service splits any other text at its commas.
    texts = [(name, json.dumps(value) if name == "tags" else value) for name, value in fields.items()]

    def body() -> MultipartEncoderMonitor:
        part = (metadata.filename or "image", BytesIO(content), file.content_type)
        return _monitored(MultipartEncoder([*texts, ("file", part)]), len(content), progress)

    return Image.of(transport.json("POST", "/images", body=body, headers={"Idempotency-Key": key}))


def announce(transport: Transport, user: str | None, file: File, metadata: Metadata, checksum: str) -> DirectUpload:
    """Begin a direct upload. S3 then accepts only these bytes. Raises ServiceError, ConnectionFailed."""
    announced = {"content_type": file.content_type, "size": file.size, "checksum": checksum}
    return DirectUpload.of(transport.json("POST", "/images/direct-upload", json={**metadata.fields(user), **announced}))


def resume(transport: Transport, image_id: str) -> DirectUpload:
    """Return which parts S3 does not have yet.

    Raises Conflict: the image does not await parts. Raises NotFound: the upload was abandoned.
    """
    return DirectUpload.of(transport.json("POST", f"/images/{image_id}/parts"))


def send_direct(transport: Transport, upload: DirectUpload, file: File, progress: Progress | None = None) -> None:
    """Send the bytes of a direct upload to S3: the form, or the missing parts, which are then completed.

    Raises ServiceError: also if S3 refuses bytes that have another checksum. Raises ConnectionFailed, OSError.
    """
    if upload.part_size:
        missing = sum(size for _, size, _ in upload.parts)
        sent = file.size - missing
        for number, size, url in upload.parts:
            _send_part(transport, file, url, (number - 1) * upload.part_size, size, sent, progress)
            sent += size
        transport.json("POST", f"/images/{upload.image_id}/complete")
    else:
        with file.open() as opened:

            def body() -> MultipartEncoderMonitor:
                opened.seek(0)
                part = ("image", opened, file.content_type)
                return _monitored(MultipartEncoder([*upload.form.items(), ("file", part)]), file.size, progress)

            transport.store("POST", upload.url, body=body)


def wait(transport: Transport, image_id: str, seconds: float) -> Image:
    """Return an image once it is processed, or as it is after `seconds`.

    Raises Rejected: the service rejected the file. Raises ServiceError, ConnectionFailed.
    """
    until = time.monotonic() + seconds
    while True:
        image = Image.of(transport.json("GET", f"/images/{image_id}"))
        if image.state is State.REJECTED:
            raise Rejected(image.reason)
        if image.state not in (State.AWAITING_UPLOAD, State.PROCESSING) or time.monotonic() >= until:
            return image
        time.sleep(_POLL_SECONDS)


def _send_part(
    transport: Transport, file: File, url: str, start: int, size: int, sent: int, progress: Progress | None
) -> None:
    with file.open() as opened:

        def chunks() -> Iterator[bytes]:
            opened.seek(start)
            left = size
            while left and (chunk := opened.read(min(_CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk
                if progress:
                    progress(sent + size - left)

        transport.store("PUT", url, body=lambda: StreamingIterator(size, chunks()))


def _monitored(encoder: MultipartEncoder, size: int, progress: Progress | None) -> MultipartEncoderMonitor:
    """Report how much of a form was sent. What the form has besides the file is counted as sent first."""
    around = encoder.len - size

    def report(monitor: MultipartEncoderMonitor) -> None:
        if progress:
            progress(max(0, monitor.bytes_read - around))

    return MultipartEncoderMonitor(encoder, report)


@contextmanager
def _opened(source: Path | bytes) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield BytesIO(source)
    else:
        with source.open("rb") as file:
            yield file
