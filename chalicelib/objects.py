"""Bytes in S3: put, get, presign, delete."""

from urllib.parse import quote

from chalicelib import aws, presign
from chalicelib.config import settings


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
    """The bytes of an object, or None where there is none: one call.

    Without the permission to list the bucket, S3 answers 403 for what is not there (GetObject, "permissions").
    """
    from botocore.exceptions import ClientError

    try:
        return aws.s3().get_object(Bucket=settings().s3_bucket_name, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("AccessDenied", "NoSuchKey"):
            return None
        raise


@aws.translated
def delete(key: str) -> None:
    """Delete an object, or nothing where there is none: one call."""
    aws.s3().delete_object(Bucket=settings().s3_bucket_name, Key=key)


@aws.translated
def exists(key: str) -> bool:
    """Whether there is an object: one call.

    Without the permission to list the bucket, S3 answers 403 for what is not there (HeadObject, "permissions").
    """
    from botocore.exceptions import ClientError

    try:
        aws.s3().head_object(Bucket=settings().s3_bucket_name, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("403", "404"):
            return False
        raise
    return True


def answers() -> bool:
    """Whether S3 answers and has the bucket: one call, tried once."""
    return aws.answers(lambda: aws.s3(tries=1).get_bucket_location(Bucket=settings().s3_bucket_name))


def presigned_url(key: str, expires_in: int, disposition: str | None = None) -> str:
    """A URL that opens an object for `expires_in` seconds, without an AWS call: see presign.

    `disposition` is the Content-Disposition that S3 will answer with, if any.
    """
    url = f"{settings().presigned_endpoint_url}/{settings().s3_bucket_name}/{quote(key)}"
    query = {"response-content-disposition": disposition} if disposition else {}
    return presign.presigned_url(url, query, aws.credentials(), settings().aws_region, expires_in)


def attachment(filename: str) -> str:
    """A Content-Disposition that saves an object under a name (RFC 6266 section 4.3; the encoding is RFC 8187's).

    Old clients read the ASCII form, so nothing in it may end the quoted string.
    """
    ascii_form = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return f"attachment; filename=\"{ascii_form}\"; filename*=UTF-8''{quote(filename, safe='')}"
