"""Calls to S3 and presigned URLs that every bucket shares."""

import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from chalicelib import deadline
from chalicelib.config import settings
from chalicelib.stores import aws, cdn, presign
from chalicelib.stores.model import LocalCopy
from chalicelib.stores.secrets import secrets

if TYPE_CHECKING:
    from botocore.response import StreamingBody

# Error codes of an object that does not exist. Without the permission to list the bucket, S3 answers AccessDenied, or
# 403 to HEAD (S3 API Reference, GetObject and HeadObject, "Permissions").
ABSENT = ("AccessDenied", "NoSuchKey", "403", "404")

_COPY_PREFIX = "images-api-copy-"  # of the names of local copies
_COPY_SECONDS = 900  # the longest that a local copy is in use: Lambda's longest time-out
_CHUNK_BYTES = 1024 * 1024  # of an object in memory at once


class Absent(Exception):
    """The object does not exist."""


@contextmanager
def local_copy(bucket: str, key: str) -> Iterator[LocalCopy | None]:
    """Copy an object to a file that exists while the `with` block runs; None if there is no object. One call."""
    _remove_old_copies()
    with tempfile.NamedTemporaryFile(prefix=_COPY_PREFIX) as file:
        try:
            copy = _copied(bucket, key, Path(file.name))
        except Absent:
            copy = None
        yield copy


@aws.translated
def exists(bucket: str, key: str) -> bool:
    """Whether an object exists: one call."""
    try:
        with aws.raised_as(Absent, ABSENT):
            aws.s3().head_object(Bucket=bucket, Key=key)
    except Absent:
        return False
    return True


@aws.translated
def delete(bucket: str, key: str) -> None:
    """Delete an object if it exists: one call."""
    aws.s3().delete_object(Bucket=bucket, Key=key)


def content(bucket: str, key: str) -> bytes | None:
    """Return the bytes of an object, or None if it does not exist: one call."""
    try:
        with aws.raised_as(Absent, ABSENT):
            return b"".join(chunks(aws.s3().get_object(Bucket=bucket, Key=key)["Body"]))
    except Absent:
        return None


def view_url(bucket: str, key: str, expires_in: int, disposition: str | None) -> str:
    """Return a URL of an original or a variant that is valid for `expires_in` seconds: no call.

    The URL is CloudFront's if CDN_URL is set, else S3's. `disposition` is the answer's Content-Disposition, if any.
    """
    query = {"response-content-disposition": disposition} if disposition else {}
    if secrets().cdn_url:
        return cdn.signed_url(key, query, expires_in)
    return presigned_url("GET", bucket, key, query, expires_in)


def presigned_url(
    method: str, bucket: str, key: str, query: Mapping[str, str], expires_in: int, length: int | None = None
) -> str:
    """Return a presigned URL of S3 for one method on one object, valid for `expires_in` seconds: no call.

    With a `length`, the request's body must have exactly this many bytes. See presign.presigned_url.
    """
    url = f"{settings().presigned_endpoint_url}/{bucket}/{quote(key)}"
    return presign.presigned_url(method, url, query, aws.credentials(), settings().aws_region, expires_in, length)


def chunks(body: "StreamingBody") -> Iterator[bytes]:
    """Read the bytes of an object, piece by piece.

    Raises Unavailable: the deadline of the request has come.
    """
    for chunk in body.iter_chunks(_CHUNK_BYTES):
        deadline.check()
        yield chunk


@aws.translated
def _copied(bucket: str, key: str, path: Path) -> LocalCopy:
    with aws.raised_as(Absent, ABSENT):
        answer = aws.s3().get_object(Bucket=bucket, Key=key)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in chunks(answer["Body"]):
            digest.update(chunk)
            file.write(chunk)
    return LocalCopy(path, path.stat().st_size, digest.hexdigest(), answer["ETag"])


def _remove_old_copies() -> None:
    """Remove the copies of killed processes: Lambda keeps /tmp, 512 MB by default, for the function's next process."""
    for path in Path(tempfile.gettempdir()).glob(f"{_COPY_PREFIX}*"):
        with suppress(FileNotFoundError):  # another thread has removed it
            if path.stat().st_mtime < time.time() - _COPY_SECONDS:
                path.unlink()
