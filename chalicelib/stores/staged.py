"""The bucket of the direct uploads: a client sends an object there, whole or in parts, before it is checked."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.config import settings
from chalicelib.errors import Conflict
from chalicelib.model import Image
from chalicelib.stores import aws, s3
from chalicelib.stores.model import LocalCopy, UploadedPart, UploadForm

_NO_UPLOAD = ("NoSuchUpload",)


class Gone(Exception):
    """The object or the multipart upload no longer exists, or is a different one now."""


class _PartChanged(Exception):
    """A part was sent again after it was listed."""


def upload_form(key: str, content_type: str, size: int, checksum: str) -> UploadForm:
    """Return a form that uploads an object of exactly this content type, size and, unless empty, SHA-256: no call.

    Every condition of the policy that names a value must be a field of the form too (S3 API Reference, "POST policy").
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
    return UploadForm(url, fields, limits.direct_upload_seconds)


def part_url(key: str, upload_id: str, number: int, size: int) -> str:
    """Return a URL to PUT one part of a multipart upload, of exactly this size: no call."""
    limits = settings()
    query = {"partNumber": str(number), "uploadId": upload_id}
    return s3.presigned_url("PUT", limits.staged_bucket_name, key, query, limits.direct_upload_seconds, size)


@aws.translated
def begin_multipart(key: str, content_type: str) -> str:
    """Begin a multipart upload and return its id: one call."""
    answer = aws.s3().create_multipart_upload(Bucket=settings().staged_bucket_name, Key=key, ContentType=content_type)
    return answer["UploadId"]


@aws.translated
def uploaded_parts(key: str, upload_id: str) -> tuple[UploadedPart, ...]:
    """Return the parts of a multipart upload that S3 has, by number: one call for each 1,000.

    Raises Gone: there is no such upload.
    """
    bucket = settings().staged_bucket_name
    pages = aws.s3().get_paginator("list_parts").paginate(Bucket=bucket, Key=key, UploadId=upload_id)
    with aws.raised_as(Gone, _NO_UPLOAD):
        parts = [part for page in pages for part in page.get("Parts", ())]
    return tuple(UploadedPart(part["PartNumber"], part["Size"], part["ETag"]) for part in parts)


@aws.translated
def complete_multipart(key: str, upload_id: str, parts: tuple[UploadedPart, ...]) -> None:
    """Make an object of the parts: one call.

    Raises Gone: there is no such upload. Raises Conflict: a part was sent again after it was listed.
    """
    try:
        with aws.raised_as(Gone, _NO_UPLOAD), aws.raised_as(_PartChanged, ("InvalidPart",)):
            aws.s3().complete_multipart_upload(
                Bucket=settings().staged_bucket_name,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]},
            )
    except _PartChanged:
        raise Conflict("A part was uploaded again in the meantime; complete the upload again.") from None


@aws.translated
def abort_multipart(key: str, upload_id: str) -> None:
    """Delete a multipart upload and its parts if it exists: one call."""
    with suppress(Gone), aws.raised_as(Gone, _NO_UPLOAD):
        aws.s3().abort_multipart_upload(Bucket=settings().staged_bucket_name, Key=key, UploadId=upload_id)


@aws.translated
def copy_to_originals(image: Image, source: LocalCopy) -> None:
    """Copy an object to the originals, if it still has the ETag of the local copy: one call (S3: up to 5 GB).

    Raises Gone: the object no longer exists, or was replaced.
    """
    with aws.raised_as(Gone, (*s3.ABSENT, "PreconditionFailed")):
        aws.s3().copy_object(
            Bucket=settings().s3_bucket_name,
            Key=image.s3_key,
            CopySource={"Bucket": settings().staged_bucket_name, "Key": image.s3_key},
            CopySourceIfMatch=source.etag,
            ContentType=image.content_type,
            MetadataDirective="REPLACE",
        )


def exists(key: str) -> bool:
    """Whether an object exists: one call."""
    return s3.exists(settings().staged_bucket_name, key)


def delete(key: str) -> None:
    """Delete an object if it exists: one call."""
    s3.delete(settings().staged_bucket_name, key)
