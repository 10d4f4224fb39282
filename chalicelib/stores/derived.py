"""The bucket of what is made from the originals: an image's variants."""

from typing import Any

from chalicelib.config import settings
from chalicelib.model import EXTENSIONS, Image, Variant
from chalicelib.stores import aws, originals


@aws.translated
def put(image: Image, variant: Variant, content: bytes) -> None:
    """Write a variant: one call."""
    aws.s3().put_object(
        Bucket=settings().derived_bucket_name,
        Key=_key(image, variant),
        Body=content,
        ContentType=variant.content_type,
    )


@aws.translated
def delete(image: Image) -> None:
    """Delete all variants of an image, also those that no record knows: two calls, or one where there are none.

    Raises RuntimeError: S3 left some of them.
    """
    bucket = settings().derived_bucket_name
    pages = aws.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{image.s3_key}/")
    for page in pages:
        found: list[Any] = [{"Key": each["Key"]} for each in page.get("Contents", ())]
        if found:
            answer = aws.s3().delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})
            if answer.get("Errors"):
                raise RuntimeError(f"S3 did not delete {len(answer['Errors'])} variants of {image.image_id}.")


def presigned_url(image: Image, variant: Variant, expires_in: int) -> str:
    """A URL that opens a variant for `expires_in` seconds, without an AWS call."""
    return originals.opening(settings().derived_bucket_name, _key(image, variant), {}, expires_in)


def _key(image: Image, variant: Variant) -> str:
    return f"{image.s3_key}/{variant.width}{EXTENSIONS[variant.content_type]}"
