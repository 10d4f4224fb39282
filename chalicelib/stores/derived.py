"""The bucket of the variants."""

from typing import Any

from chalicelib.config import settings
from chalicelib.model import EXTENSIONS, Image, Variant
from chalicelib.stores import aws, s3


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
    """Delete all variants of an image, also those that its record does not list: two calls, or one if there are none.

    Raises RuntimeError: S3 did not delete some of them.
    """
    bucket = settings().derived_bucket_name
    pages = aws.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{image.s3_key}/")
    for page in pages:
        keys: list[Any] = [{"Key": entry["Key"]} for entry in page.get("Contents", ())]
        if keys:
            answer = aws.s3().delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            if answer.get("Errors"):
                raise RuntimeError(f"S3 did not delete {len(answer['Errors'])} variants of {image.image_id}.")


@aws.translated
def get(image: Image, variant: Variant) -> bytes | None:
    """Return the bytes of a variant, or None if it does not exist: one call."""
    return s3.content(settings().derived_bucket_name, _key(image, variant))


def view_url(image: Image, variant: Variant, expires_in: int, disposition: str | None = None) -> str:
    """Return a URL that opens a variant for `expires_in` seconds: no call. See originals.view_url."""
    return s3.view_url(settings().derived_bucket_name, _key(image, variant), expires_in, disposition)


def _key(image: Image, variant: Variant) -> str:
    return f"{image.s3_key}/{variant.width}{EXTENSIONS[variant.content_type]}"
