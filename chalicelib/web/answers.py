"""Write answers: each pure function turns a value into the JSON, the headers or the status of an answer.

The contracts A to E are described in docs/contracts.md. Contract B is the service's own, and most of its shapes serve
other contracts too. Where another contract has a shape of its own, the function's name begins with that contract.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.images.model import (
    Download,
    DownloadType,
    Health,
    RenderedView,
    Repaired,
    SimilarPage,
    UploadParts,
    View,
)
from chalicelib.items.model import Item, ItemPage
from chalicelib.lists.model import Count, Explanation, Page
from chalicelib.model import EXTENSIONS, Image, Visibility
from chalicelib.stores.model import UploadForm
from chalicelib.tags.model import TagPage
from chalicelib.web.fields import SPELLINGS

Shape = dict[str, Any]  # JSON
Headers = dict[str, str | list[str]]  # as Chalice expects them

_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")

# Fields that an image gets from its bytes. Before the bytes are in S3, the answer omits those that are empty.
_FROM_BYTES = ("checksum", "width", "height")


def metadata(image: Image) -> Shape:
    """Return the metadata of an image: the fields of contract B, and those that D and E add."""
    return {
        "image_id": image.image_id,
        "user_id": image.user_id,
        "title": image.title,
        "description": image.description,
        "tags": list(image.tags),
        "s3_key": image.s3_key,
        "s3_url": f"s3://{settings().s3_bucket_name}/{image.s3_key}",
        "created_at": image.created_at,
        "updated_at": image.updated_at,
        "filename": image.filename,
        "content_type": image.content_type,
        "size": image.size,
        "checksum": image.checksum,
        "width": image.width,
        "height": image.height,
        "visibility": image.visibility,
        "version": image.version,
    }


def uploaded(image: Image) -> Shape:
    """Return the answer to an upload, in contracts B, D and E."""
    return {"message": "Image uploaded successfully", "image_id": image.image_id, "metadata": metadata(image)}


def listed(page: Page) -> Shape:
    """Return the answer to a list query. If the query asks for them, it has a URL of each image and an explanation."""
    images = [metadata(image) for image in page.images]
    if page.presigned_urls is not None:
        images = [{**image, "presigned_url": url} for image, url in zip(images, page.presigned_urls, strict=True)]
    shape = _page("images", images, page.cursor)
    if page.presigned_urls is not None:
        shape["expires_in"] = settings().presigned_url_expiration
    if page.explanation is not None:
        shape["explain"] = _explanation(page.explanation)
    return shape


def counted(count: Count) -> Shape:
    """Return the number of images; `at_least` is true if there may be more."""
    return {"count": count.count, **({"at_least": True} if count.at_least else {})}


def viewed(view: View) -> Shape:
    """Return the answer to a view of an image that is in lists."""
    return {
        "image_id": view.image.image_id,
        "metadata": metadata(view.image),
        "presigned_url": view.presigned_url,
        "expires_in": view.expires_in,
        **_state(view.image),
        **({"analysis": asdict(view.image.analysis)} if view.image.analysis else {}),
    }


def unlisted(image: Image) -> Shape:
    """Return the answer to a view of an image that is not in lists: its state, with the reason if it was rejected."""
    known = {name: value for name, value in metadata(image).items() if name not in _FROM_BYTES or value}
    return {"image_id": image.image_id, **_state(image), "metadata": known}


def direct_upload(image: Image, upload: UploadForm | UploadParts) -> Shape:
    """Return how to send the bytes of a direct upload to S3: in one form, or in parts."""
    shape = {**unlisted(image), "expires_in": upload.expires_in}
    if isinstance(upload, UploadForm):
        return {**shape, "url": upload.url, "fields": dict(upload.fields)}
    parts = [{"part_number": part.number, "size": part.size, "url": part.url} for part in upload.missing]
    return {**shape, "part_size": upload.part_size, "parts": parts, "sent": [part.number for part in upload.uploaded]}


def repaired(images: Sequence[Repaired]) -> Shape:
    """Return the unfinished images that the schedule found, each with the state in which it was found."""
    return {"count": len(images), "repaired": [{"image_id": image.image_id, "state": image.state} for image in images]}


def deleted(image: Image) -> Shape:
    """Return the answer to a deletion, in every contract except C."""
    return {"message": "Image deleted successfully", "image_id": image.image_id}


def updated(image: Image) -> Shape:
    """Return the answer to an update. Only contract E has updates."""
    return {"message": "Image updated successfully", "image_id": image.image_id, "metadata": metadata(image)}


def contract_a_and_c_upload(image: Image) -> Shape:
    """Return the answer to an upload by the route that contracts A and C share: the keys of both."""
    return {
        **uploaded(image),
        "message": "Upload successful",
        "id": image.image_id,
        "key": _contract_c_key(image),
        "bucket": settings().s3_bucket_name,
    }


def contract_a_view(view: View) -> Shape:
    """Return contract A's answer to a view. Contract D answers a download in the same shape."""
    return {
        "image_id": view.image.image_id,
        "download_url": view.presigned_url,
        "expires_in": view.expires_in,
        "metadata": metadata(view.image),
    }


def contract_c_list(page: Page) -> list[Shape]:
    """Return contract C's answer to a list query: an array. If the query asks for it, each image has a URL."""
    if page.presigned_urls is None:
        return [_contract_c_metadata(image) for image in page.images]
    images = zip(page.images, page.presigned_urls, strict=True)
    return [{**_contract_c_metadata(image), "url": url} for image, url in images]


def contract_c_next_page(page: Page, query: Mapping[str, list[str]]) -> Headers:
    """Return a Link to the next page of contract C's list, relative to the list's own URL (RFC 8288 section 3).

    `query` has the parameters of the request, which the link repeats. Empty on the last page.
    """
    if page.cursor is None:
        return {}
    filters = {name: values for name, values in query.items() if name not in SPELLINGS["last_evaluated_key"]}
    query_string = urlencode({**filters, "last_evaluated_key": page.cursor}, doseq=True)
    return {"Link": f'<?{query_string}>; rel="next"'}


def contract_c_view(view: View) -> Shape:
    """Return contract C's answer to a view."""
    return {
        **_contract_c_metadata(view.image),
        "key": _contract_c_key(view.image),
        "bucket": settings().s3_bucket_name,
        "url": view.presigned_url,
    }


def contract_c_deletion(image: Image) -> Shape:
    """Return contract C's answer to a deletion."""
    return {"deleted": image.image_id, "key": _contract_c_key(image)}


def downloaded(download: Download) -> tuple[Shape | bytes, Headers, int]:
    """Return the body, the headers and the status of the answer to a download.

    Contract E has a redirect, the bytes, and base64; contract D, which has no type, has a presigned URL.
    """
    import pybase64

    view, image = download.view, download.view.image
    match download.how:
        case DownloadType.REDIRECT:
            return contract_a_view(view), {"Location": view.presigned_url, "Cache-Control": "no-store"}, 302
        case DownloadType.BINARY:
            # The content type was detected from the bytes. nosniff: a browser must not guess another one.
            headers = {"Content-Type": image.content_type, "X-Content-Type-Options": "nosniff"}
            return download.content, {**headers, "Content-Disposition": view.disposition or "attachment"}, 200
        case DownloadType.BASE64:
            content = pybase64.b64encode(download.content).decode()
            return {"image_id": image.image_id, "content": content, "metadata": metadata(image)}, {}, 200
        case _:
            return contract_a_view(view), {}, 200


def rendered(view: RenderedView) -> tuple[Shape, Headers, int]:
    """Return the body, the headers and the status of a redirect to the picture that shows an image."""
    image, variant = view.image, view.variant
    shape = {
        "image_id": image.image_id,
        "presigned_url": view.presigned_url,
        "expires_in": view.expires_in,
        "content_type": variant.content_type if variant else image.content_type,
        "width": variant.width if variant else image.width,
        "height": variant.height if variant else image.height,
    }
    # A public image may be kept in shared caches, a private one only in its owner's browser (RFC 9111 section 5.2.2).
    cache_control = "no-store" if view.max_age is None else f"{image.visibility}, max-age={view.max_age}"
    vary = "Accept" if image.visibility is Visibility.PUBLIC else "Accept, Authorization, X-User-Id"
    return shape, {"Location": view.presigned_url, "Cache-Control": cache_control, "Vary": vary}, 302


def similar(page: SimilarPage) -> Shape:
    """Return the images that look like an image, each with its distance, and whether the list is complete."""
    images = [
        {**metadata(similar.image), "distance": similar.bits, "duplicate": similar.duplicate} for similar in page.images
    ]
    return {"images": images, "count": len(images), "complete": page.complete}


def tags(page: TagPage) -> Shape:
    """Return the tags in use, each with the number of images that have it."""
    return _page("tags", [{"tag": tag.tag, "count": tag.count} for tag in page.tags], page.cursor)


def item(item: Item) -> Shape:
    """Return an item: the fields of its document, and those that the service sets (ITEM_NAMES)."""
    return {
        "id": item.item_id,
        "item_id": item.item_id,
        **item.document,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "version": item.version,
    }


def listed_items(page: ItemPage) -> Shape:
    """Return the answer to a query for items."""
    return _page("items", list(map(item, page.items)), page.cursor)


def deleted_item(item_id: str) -> Shape:
    """Return the answer to the deletion of an item."""
    return {"message": "Item deleted successfully", "id": item_id, "item_id": item_id}


def etag(record: Image | Item) -> Headers:
    """Return the header ETag of a record: its version, for a later If-Match (RFC 9110 section 8.8.3)."""
    return {"ETag": f'"{record.version}"'}


def health(health: Health) -> Shape:
    """Return whether the service can work, and whether each store answers."""
    stores = {"s3": health.s3, "dynamodb": health.dynamodb}
    return {
        "status": "ok" if health.ok else "unavailable",
        "stores": {name: "ok" if answers else "unavailable" for name, answers in stores.items()},
    }


def welcome() -> Shape:
    """Return an overview of the API for a new user. Paths are relative: a stage's name may precede them."""
    return {
        "service": "images-api",
        "message": "Upload, list, view, update and delete images.",
        "calls": {
            "upload": 'POST images with a form: user_id, file; or JSON: {"user_id": "you", "image_data": "<base64>"}',
            "list": "GET images?user_id=&tag=&title=&dateFrom=&limit=&last_evaluated_key=",
            "count": "GET images/count?user_id=&tag=&title=",
            "tags": "GET tags?user_id=&prefix=",
            "view": "GET images/{image_id}, with ?download=true for an attachment",
            "render": "GET images/{image_id}/render?w=&h=&fit=&format=",
            "similar": "GET images/{image_id}/similar?distance=&limit=",
            "update": "PUT images/{image_id} with JSON: any of title, description, tags, visibility",
            "delete": "DELETE images/{image_id}",
            "describe": "GET openapi.json",
            "health": "GET health",
        },
    }


def _state(image: Image) -> Shape:
    return {"state": image.state, **({"reason": image.reason} if image.reason else {})}


def _explanation(explanation: Explanation) -> Shape:
    return {
        "lists": list(explanation.lists),
        "driver": explanation.driver,
        "reads": [{"list": read.what, "rows": read.rows, "read_units": read.read_units} for read in explanation.reads],
        "read_units": sum(read.read_units for read in explanation.reads),
        "milliseconds": round(explanation.milliseconds, 1),
    }


def _contract_c_metadata(image: Image) -> Shape:
    return {
        "id": image.image_id,
        "filename": image.filename or image.image_id + _contract_c_extension(image),
        "user": image.user_id,
        "description": image.description,
        "created_at": ids.milliseconds(image.image_id) // 1000,  # seconds since the epoch
    }


def _contract_c_key(image: Image) -> str:
    """Return the object's name in contract C: its key in S3, which has no extension, and the file's extension."""
    return image.s3_key + _contract_c_extension(image)


def _contract_c_extension(image: Image) -> str:
    """Return the extension of the filename or, if it has none, the one of the content type.

    It is a part of the object's name, which must not change. The name of a saved file is filenames.saved_as.
    """
    match = _EXTENSION.search(image.filename)
    return match[0] if match else EXTENSIONS.get(image.content_type, "")


def _page(name: str, shapes: list[Shape], cursor: str | None) -> Shape:
    shape = {name: shapes, "count": len(shapes), "has_more": cursor is not None}
    return shape if cursor is None else {**shape, "last_evaluated_key": cursor}
