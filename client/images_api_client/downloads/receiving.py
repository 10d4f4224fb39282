"""Receive what a presigned URL leads to: go on after an interruption, and check what was received."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

import requests

from images_api_client.downloads import content, names
from images_api_client.errors import BadRequest, ConnectionFailed, DamagedDownload, Forbidden, NoPicture, NotFound
from images_api_client.model import Image
from images_api_client.transport import Transport

_CHUNK_BYTES = 64 * 1024  # what is lost of a connection that breaks is less than this
_MOST_INTERRUPTIONS = 5  # one after the other, without a byte in between

Advance = Callable[[int], None]  # gets the bytes that have come since the last call; negative if some are dropped


class _Sink(Protocol):
    def write(self, content: bytes, /) -> object: ...

    def tell(self) -> int: ...


class _Hashed:
    """Passes bytes on to a stream, and computes their SHA-256. A stream may have no position, as a pipe has none."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._position = 0

    def write(self, content: bytes, /) -> None:
        self._stream.write(content)
        self._digest.update(content)
        self._position += len(content)

    def tell(self) -> int:
        return self._position

    def checksum(self) -> str:
        return self._digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Source:
    """What the service gives a caller of an image: the original or, to others than its owner, the largest variant."""

    image: Image
    url: str  # presigned

    @property
    def is_original(self) -> bool:
        """Whether the URL leads to the original. The last part of its path is then the id of the image."""
        return self._object_name == self.image.image_id

    @property
    def variant_extension(self) -> str:
        """The extension of a variant, such as `.webp`. Empty: it is the original."""
        return "" if self.is_original else PurePosixPath(self._object_name).suffix

    @property
    def _object_name(self) -> str:
        return PurePosixPath(unquote(urlsplit(self.url).path)).name


def source(image: Image) -> Source:
    """Return what a list or a view gives of an image. Raises NoPicture."""
    if image.url is None:
        state = f" The image is {image.state}." if image.state else ""
        raise NoPicture(f"The service has no picture of the image for you.{state}")
    return Source(image, image.url)


def view(transport: Transport, image_id: str) -> Image:
    """Return an image as it is now, with a new URL. Raises NotFound, ServiceError, ConnectionFailed."""
    return Image.of(transport.json("GET", f"/images/{image_id}"))


def save(transport: Transport, source: Source, target: Path, advance: Advance) -> str:
    """Write a file, and return its SHA-256. The file has the date of the picture.

    An interrupted download leaves the beginning of an original in `<name>.part`, and the next one goes on with it. A
    variant has no known checksum, so it is always fetched from its start. The file gets its name when it is complete,
    and then replaces another file of the name.
    Raises DamagedDownload: the bytes do not have the checksum of the image. Raises NoPicture: the storage does not have
    the file. Raises NotFound: the image was deleted. Raises ServiceError, ConnectionFailed, OSError.
    """
    image, part = source.image, names.part(target)
    start = _size(part) if source.is_original else 0
    while True:
        start = start if start <= image.size else 0
        with _unless_empty(part), part.open("r+b" if start else "wb") as file:
            file.seek(start)
            advance(start)
            if not (source.is_original and start == image.size):
                _receive(transport, source, file, advance)
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        # What is on disk is checked, not what has come: another process may write to the same file.
        checksum = content.checksum(part)
        if not source.is_original or checksum == image.checksum:
            break
        part.unlink()
        advance(-size)
        if not start:
            raise damaged(image)
        start = 0  # what was there before was not the beginning of this file
    _date(part, image)
    part.replace(target)
    return checksum


def copy(transport: Transport, source: Source, stream: BinaryIO, advance: Advance) -> None:
    """Write the bytes to a stream. What is damaged is only known at the end, when all bytes are written.

    Raises as `save` does.
    """
    hashed = _Hashed(stream)
    _receive(transport, source, hashed, advance)
    if source.is_original and hashed.checksum() != source.image.checksum:
        raise damaged(source.image)


def damaged(image: Image) -> DamagedDownload:
    """Return the error that the bytes of an image are not those that its record describes."""
    return DamagedDownload(f"What the storage sent of image {image.image_id} does not have the checksum of the image.")


def _receive(transport: Transport, source: Source, sink: _Sink, advance: Advance) -> None:
    """Write the bytes from the position of a sink on, however often the connection breaks or the URL expires."""
    url, position, interruptions = source.url, sink.tell(), 0
    is_renewed = False
    while True:
        before = position
        # A compressed answer would have other positions.
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={position}-"} if position else {})}
        try:
            with transport.store("GET", url, headers=headers) as answer:
                # A storage may ignore Range (RFC 9110 section 14.2).
                skipped = 0 if answer.status_code == requests.codes.partial_content else position
                for chunk in answer.iter_content(_CHUNK_BYTES):
                    new = chunk[skipped:]
                    skipped -= len(chunk) - len(new)
                    sink.write(new)
                    position += len(new)
                    advance(len(new))
            return
        except (BadRequest, Forbidden):  # as S3 answers once a URL, or the credentials that signed it, have expired
            if is_renewed and position == before:
                raise
            url, is_renewed = _renewed(transport, source), True
        except NotFound:
            view(transport, source.image.image_id)  # raises NotFound with the service's sentence if the image is gone
            raise NoPicture("The storage does not have the file of the image.") from None
        except requests.RequestException:  # the connection broke while the answer was read
            interruptions = 0 if position > before else interruptions + 1
            if interruptions == _MOST_INTERRUPTIONS:
                host = urlsplit(url).netloc
                raise ConnectionFailed(f"{host} ended the connection before the end of the file.") from None


def _renewed(transport: Transport, old: Source) -> str:
    new = source(view(transport, old.image.image_id))
    if urlsplit(new.url).path != urlsplit(old.url).path:
        raise NoPicture("The picture that the service gives of the image has changed: download it again.")
    return new.url


@contextmanager
def _unless_empty(part: Path) -> Iterator[None]:
    """Keep the beginning of a file after an error, but not an empty file."""
    try:
        yield
    except BaseException:
        if _size(part) == 0:
            part.unlink(missing_ok=True)
        raise


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _date(file: Path, image: Image) -> None:
    """Set the time of a file: when the picture was taken or, if that is not known, when the image was created."""
    taken_at = image.analysis.taken_at if image.analysis else None
    with suppress(ValueError, OverflowError, OSError):  # years that a file system does not have
        # A time without an offset is the local time of the camera, and is shown as such on this computer.
        time = datetime.fromisoformat(taken_at).timestamp() if taken_at else image.created_at.timestamp()
        os.utime(file, (time, time))
