"""The bucket that direct uploads go to: what lets clients send them, whole or in parts; and on to the originals."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.config import settings
from chalicelib.errors import Conflict
from chalicelib.model import Form, Image, LocalCopy, SentPart
from chalicelib.stores import aws, originals

_GONE = ("NoSuchUpload",)
_NOT_THE_SAME = ("AccessDenied", "NoSuchKey", "PreconditionFailed")  # the first: without the permission to list


class Gone(Exception):
    """It isn't there, or is another one by now."""


def form(key: str, content_type: str, size: int, checksum: str) -> Form:
    """What lets a client POST an object of just this content type, size, and SHA-256 if there is one (hex): no call.

    Every condition of the policy that names a value is a field of the form too (S3 API Reference, "POST policy").
    """
    import pybase64
    from botocore.auth import S3SigV4PostAuth
    from botocore.awsrequest import AWSRequest

    limits = settings()
    fields = {"key": key, "Content-Type": content_type}
    if checksum:
        digest = pybase64.b64encode(bytes.fromhex(checksum)).decode()
        fields |= {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": digest}
    expiration = datetime.now(UTC) + timedelta(seconds=limits.direct_upload_seconds)
    conditions: list[Any] = [{name: value} for name, value in fields.items()]
    conditions += [{"bucket": limits.staged_bucket_name}, ["content-length-range", size, size]]
    url = f"{limits.presigned_endpoint_url}/{limits.staged_bucket_name}"
    request = AWSRequest("POST", url)
    request.context["s3-presign-post-fields"] = fields
    request.context["s3-presign-post-policy"] = {
        "expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "conditions": conditions,
    }
    S3SigV4PostAuth(aws.credentials(), "s3", limits.aws_region).add_auth(request)
    return Form(url, fields, limits.direct_upload_seconds)


def part_url(key: str, upload_id: str, number: int, size: int) -> str:
    """A URL that lets a client PUT one part of a multipart upload, of just this size: no call."""
    limits = settings()
    query = {"partNumber": str(number), "uploadId": upload_id}
    return originals.presigned("PUT", limits.staged_bucket_name, key, query, limits.direct_upload_seconds, size)


@aws.translated
def begin(key: str, content_type: str) -> str:
    """Begin a multipart upload; its id: one call."""
    answer = aws.s3().create_multipart_upload(Bucket=settings().staged_bucket_name, Key=key, ContentType=content_type)
    return answer["UploadId"]


@aws.translated
def sent(key: str, upload_id: str) -> tuple[SentPart, ...]:
    """The parts of a multipart upload that have been sent, by number: one call for each 1,000.

    Raises Gone: there is no such upload.
    """
    from botocore.exceptions import ClientError

    pages = (
        aws.s3().get_paginator("list_parts").paginate(Bucket=settings().staged_bucket_name, Key=key, UploadId=upload_id)
    )
    try:
        return tuple(
            SentPart(part["PartNumber"], part["Size"], part["ETag"]) for page in pages for part in page.get("Parts", ())
        )
    except ClientError as error:
        raise _gone(error) from None


@aws.translated
def complete(key: str, upload_id: str, parts: tuple[SentPart, ...]) -> None:
    """Make an object of the parts: one call.

    Raises Gone: there is no such upload. Raises Conflict: a part isn't the one any more that was listed.
    """
    from botocore.exceptions import ClientError

    try:
        aws.s3().complete_multipart_upload(
            Bucket=settings().staged_bucket_name,
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidPart":
            raise Conflict("A part was sent once more meanwhile; complete the upload again.") from None
        raise _gone(error) from None


@aws.translated
def abort(key: str, upload_id: str) -> None:
    """Give a multipart upload up, with the parts that were sent, or nothing where there is none: one call."""
    from botocore.exceptions import ClientError

    try:
        aws.s3().abort_multipart_upload(Bucket=settings().staged_bucket_name, Key=key, UploadId=upload_id)
    except ClientError as error:
        _gone(error)


@aws.translated
def copy(image: Image, source: LocalCopy) -> None:
    """Copy an object to the originals: one call (S3: up to 5 GB).

    Raises Gone: it isn't the one any more that was looked at.
    """
    from botocore.exceptions import ClientError

    try:
        aws.s3().copy_object(
            Bucket=settings().s3_bucket_name,
            Key=image.s3_key,
            CopySource={"Bucket": settings().staged_bucket_name, "Key": image.s3_key},
            CopySourceIfMatch=source.etag,
            ContentType=image.content_type,
            MetadataDirective="REPLACE",
        )
    except ClientError as error:
        raise _gone(error, _NOT_THE_SAME) from None


@aws.translated
def delete(key: str) -> None:
    """Delete an object, or nothing where there is none: one call."""
    aws.s3().delete_object(Bucket=settings().staged_bucket_name, Key=key)


def _gone(error: Any, codes: tuple[str, ...] = _GONE) -> Gone:
    """What an error says of something that isn't there; any other is raised again."""
    if error.response["Error"]["Code"] not in codes:
        raise error
    return Gone()
