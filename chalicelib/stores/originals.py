"""The originals in S3: put, get, presign, delete; and how any object is brought to the disk."""

import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from chalicelib.config import settings
from chalicelib.model import LocalCopy
from chalicelib.stores import aws, cdn, presign

_ABSENT = ("AccessDenied", "NoSuchKey")  # without the permission to list the bucket, S3 says the first (GetObject)
_COPY = "images-api-copy-"  # what names of copies begin with
_COPY_SECONDS = 900  # that a copy is needed at most: Lambda's longest timeout
_CHUNK = 1024 * 1024  # bytes that are in memory at once


@aws.translated
def put(key: str, body: bytes, content_type: str, sha256: bytes) -> None:
    """Write an object: one call. S3 refuses bytes that don't match their checksum."""
    import pybase64

    aws.s3().put_object(
        Bucket=settings().s3_bucket_name,
        Key=key,
        Body=body,
        ContentType=content_type,
        ChecksumSHA256=pybase64.b64encode(sha256).decode(),
    )


@aws.translated
def get(key: str) -> bytes | None:
    """The bytes of an object, or None where there is none: one call."""
    from botocore.exceptions import ClientError

    try:
        return aws.s3().get_object(Bucket=settings().s3_bucket_name, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise


@contextmanager
def on_disk(bucket: str, key: str) -> Iterator[LocalCopy | None]:
    """A copy of an object in a file, while the `with` block runs, or None where there is no object: one call."""
    _remove_old_copies()
    with tempfile.NamedTemporaryFile(prefix=_COPY) as file:
        yield _copied(bucket, key, Path(file.name))


def _remove_old_copies() -> None:
    """Remove those whose process was killed: Lambda keeps /tmp, of 512 MB, for the next one of the function."""
    for path in Path(tempfile.gettempdir()).glob(f"{_COPY}*"):
        with suppress(FileNotFoundError):  # removed by another thread
            if path.stat().st_mtime < time.time() - _COPY_SECONDS:
                path.unlink()


@aws.translated
def _copied(bucket: str, key: str, path: Path) -> LocalCopy | None:
    from botocore.exceptions import ClientError

    try:
        answer = aws.s3().get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in answer["Body"].iter_chunks(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return LocalCopy(path, path.stat().st_size, digest.hexdigest(), answer["ETag"])


@aws.translated
def delete(key: str) -> None:
    """Delete an object, or nothing where there is none: one call."""
    aws.s3().delete_object(Bucket=settings().s3_bucket_name, Key=key)


@aws.translated
def exists(bucket: str, key: str) -> bool:
    """Whether there is an object: one call.

    Without the permission to list the bucket, S3 answers 403 for what is not there (HeadObject, "permissions").
    """
    from botocore.exceptions import ClientError

    try:
        aws.s3().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("403", "404"):
            return False
        raise
    return True


def answers() -> bool:
    """Whether S3 answers and has the bucket: one call, tried once."""
    return aws.answers(lambda: aws.s3(tries=1).get_bucket_location(Bucket=settings().s3_bucket_name))


def presigned_url(key: str, expires_in: int, disposition: str | None = None) -> str:
    """A URL that opens an original for `expires_in` seconds, without an AWS call.

    `disposition` is the Content-Disposition that S3 will answer with, if any.
    """
    query = {"response-content-disposition": disposition} if disposition else {}
    return opening(settings().s3_bucket_name, key, query, expires_in)


def opening(bucket: str, key: str, query: Mapping[str, str], expires_in: int) -> str:
    """A URL that opens an original or a derived image: by CloudFront, if that is in front of them, or by S3."""
    if settings().cdn_url:
        return cdn.signed_url(key, query, expires_in)
    return presigned("GET", bucket, key, query, expires_in)


def presigned(
    method: str, bucket: str, key: str, query: Mapping[str, str], expires_in: int, length: int | None = None
) -> str:
    """A URL of S3 that lets whoever has it do one thing to an object for `expires_in` seconds: see presign.

    Where a `length` is given, with just so many bytes.
    """
    url = f"{settings().presigned_endpoint_url}/{bucket}/{quote(key)}"
    return presign.presigned_url(method, url, query, aws.credentials(), settings().aws_region, expires_in, length)


def attachment(filename: str) -> str:
    """A Content-Disposition that saves an object under a name (RFC 6266 section 4.3; the encoding is RFC 8187's).

    Old clients read the ASCII form, so nothing in it may end the quoted string.
    """
    ascii_form = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return f"attachment; filename=\"{ascii_form}\"; filename*=UTF-8''{quote(filename, safe='')}"
