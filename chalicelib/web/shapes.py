"""The records of contracts A, C, D and E, and their answers to uploads: exactly the keys of their services."""

import re

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.images.model import View
from chalicelib.model import EXTENSIONS, Image
from chalicelib.web import answers
from chalicelib.web.answers import Shape

_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")

UPLOADED = "Image uploaded successfully"


def a_uploaded(image: Image) -> Shape:
    """Return the answer to an upload."""
    return {"message": UPLOADED, "image_id": image.image_id, "s3_url": answers.s3_url(image)}


def a_linked(view: View) -> Shape:
    """Return an image with a presigned URL."""
    message = {"message": "Image retrieved successfully"}
    return {**message, "image_id": view.image.image_id, "download_url": view.presigned_url}


def c_uploaded(image: Image) -> Shape:
    """Return the answer to an upload."""
    object_name = {"key": c_key(image), "bucket": settings().s3_bucket_name}
    return {"id": image.image_id, **object_name, "message": "Upload successful"}


def c_record(image: Image) -> Shape:
    """Return a record: an entry of a list."""
    return {
        "id": image.image_id,
        "filename": _filename(image),
        "original_name": _filename(image),
        "user": image.user_id,
        "description": image.description,
        "created_at": ids.milliseconds(image.image_id) // 1000,  # seconds since the epoch
    }


def c_linked(view: View) -> Shape:
    """Return a record with a presigned URL."""
    object_name = {"key": c_key(view.image), "bucket": settings().s3_bucket_name}
    return {**c_record(view.image), **object_name, "url": view.presigned_url}


def c_key(image: Image) -> str:
    """Return the object's name in contract C: its key in S3, which has no extension, and the file's extension."""
    return image.s3_key + _extension(image)


def d_record(image: Image) -> Shape:
    """Return a record: the answer to an upload and to a view, and an entry of a list."""
    return {
        "image_id": image.image_id,
        "user_id": image.user_id,
        "title": image.title,
        "description": image.description,
        "tags": [tag.lower() for tag in image.tags],
        "content_type": image.content_type,
        "s3_bucket": settings().s3_bucket_name,
        "s3_key": image.s3_key,
        "size": image.size,
        "checksum": image.checksum,
        "created_at": image.created_at,
    }


def e_record(image: Image) -> Shape:
    """Return a record: the answer to a view and to an update, and an entry of a list."""
    return {
        "id": image.image_id,
        "objectKey": image.s3_key,
        "bucket": settings().s3_bucket_name,
        "userId": image.user_id,
        "filename": _filename(image),
        "contentType": image.content_type,
        "description": image.description,
        "visibility": image.visibility,
        "tags": list(image.tags),
        "size": image.size,
        "createdAt": image.created_at,
        "updatedAt": image.updated_at,
    }


def e_uploaded(image: Image) -> Shape:
    """Return the answer to an upload."""
    record = e_record(image)
    names = ("id", "filename", "objectKey", "bucket", "contentType", "size", "userId")
    return {"message": UPLOADED, **{name: record[name] for name in names}}


def e_file(image: Image) -> Shape:
    """Return the answer to E's older upload, which knows no metadata."""
    return {
        "message": "File uploaded successfully",
        "filename": _filename(image),
        "object_key": image.s3_key,
        "bucket": settings().s3_bucket_name,
        "size": image.size,
    }


def _filename(image: Image) -> str:
    """Return the name of the file, which contracts C and E always have."""
    return image.filename or image.image_id + _extension(image)


def _extension(image: Image) -> str:
    """Return the extension of the filename or, if it has none, the one of the content type.

    It is a part of the object's name in contract C, which must not change. filenames.saved_as has the name of a file
    that is saved.
    """
    match = _EXTENSION.search(image.filename)
    return match[0] if match else EXTENSIONS.get(image.content_type, "")
