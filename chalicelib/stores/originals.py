"""The bucket of the originals: put, get, delete, and presigned URLs to view them."""

from urllib.parse import quote

from chalicelib.config import settings
from chalicelib.stores import aws, s3


@aws.translated
def put(key: str, body: bytes, content_type: str, sha256: bytes) -> None:
    """Write an original: one call. S3 rejects bytes that do not match the checksum."""
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
    """Return the bytes of an original, or None if it does not exist: one call."""
    return s3.content(settings().s3_bucket_name, key)


def exists(key: str) -> bool:
    """Whether an original exists: one call."""
    return s3.exists(settings().s3_bucket_name, key)


def delete(key: str) -> None:
    """Delete an original if it exists: one call."""
    s3.delete(settings().s3_bucket_name, key)


def answers() -> bool:
    """Whether S3 answers and has the bucket: one call, one attempt."""
    return aws.answers(lambda: aws.s3(attempts=1).get_bucket_location(Bucket=settings().s3_bucket_name))


def view_url(key: str, expires_in: int, disposition: str | None = None) -> str:
    """Return a URL that opens an original for `expires_in` seconds: no call.

    `disposition` is the Content-Disposition of the answer, if any.
    """
    return s3.view_url(settings().s3_bucket_name, key, expires_in, disposition)


def attachment(filename: str) -> str:
    """Return a Content-Disposition that saves an object under a name (RFC 6266 section 4.3, encoded as in RFC 8187).

    Old clients read the ASCII form, so nothing in it may end the quoted string.
    """
    ascii_form = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return f"attachment; filename=\"{ascii_form}\"; filename*=UTF-8''{quote(filename, safe='')}"
