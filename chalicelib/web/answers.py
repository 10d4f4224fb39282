"""A value -> the shape that a contract answers with: pure functions.

The contracts are those of docs/contracts.md: B is the service's own, and the others' answers stand behind it.
"""

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
from chalicelib.model import Image, Visibility
from chalicelib.stores.model import UploadForm
from chalicelib.tags.model import TagPage
from chalicelib.web.fields import SPELLINGS

Shape = dict[str, Any]  # JSON
Headers = dict[str, str | list[str]]  # as Chalice takes them

_MEASURED = ("checksum", "width", "height")  # of the bytes, when they have come


def metadata(image: Image) -> Shape:
    """A record, as contract B spells it, and what D and E add."""
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
    """B's answer to an upload."""
    return {"message": "Image uploaded successfully", "image_id": image.image_id, "metadata": metadata(image)}


def listed(page: Page) -> Shape:
    """B's answer to a list query; each image has a URL, and the page an explanation, where the query asks for them."""
    images = [metadata(image) for image in page.images]
    if page.presigned_urls is not None:
        images = [{**image, "presigned_url": url} for image, url in zip(images, page.presigned_urls, strict=True)]
    shape = _page("images", images, page.cursor)
    if page.presigned_urls is not None:
        shape["expires_in"] = settings().presigned_url_expiration
    if page.explanation is not None:
        shape["explain"] = _explained(page.explanation)
    return shape


def counted(count: Count) -> Shape:
    """How many images there are; `at_least` where they may be more."""
    return {"count": count.count, **({"at_least": True} if count.at_least else {})}


def viewed(view: View) -> Shape:
    """B's answer to a view."""
    return {
        "image_id": view.image.image_id,
        "metadata": metadata(view.image),
        "presigned_url": view.presigned_url,
        "expires_in": view.expires_in,
        **_state(view.image),
        **({"analysis": asdict(view.image.analysis)} if view.image.analysis else {}),
    }


def unlisted(image: Image) -> Shape:
    """The answer to a view of an image that is in no list: where it is on its way there, or why it never will be."""
    known = {name: value for name, value in metadata(image).items() if name not in _MEASURED or value}
    return {"image_id": image.image_id, **_state(image), "metadata": known}


def announced(image: Image, way: UploadForm | UploadParts) -> Shape:
    """How to send a direct upload to S3: by one form, or in parts."""
    shape = {**unlisted(image), "expires_in": way.expires_in}
    if isinstance(way, UploadForm):
        return {**shape, "url": way.url, "fields": dict(way.fields)}
    parts = [{"part_number": part.number, "size": part.size, "url": part.url} for part in way.missing]
    return {**shape, "part_size": way.part_size, "parts": parts, "sent": [part.number for part in way.uploaded]}


def swept(repaired: Sequence[Repaired]) -> Shape:
    """What the schedule found unfinished, and in which state."""
    return {"count": len(repaired), "repaired": [{"image_id": each.image_id, "state": each.state} for each in repaired]}


def deleted(image: Image) -> Shape:
    """B's answer to a deletion."""
    return {"message": "Image deleted successfully", "image_id": image.image_id}


def updated(image: Image) -> Shape:
    """The answer to an update, in E: B has none."""
    return {"message": "Image updated successfully", "image_id": image.image_id, "metadata": metadata(image)}


def uploaded_by_either(image: Image) -> Shape:
    """The answer to an upload that contracts A and C share: the keys of both."""
    return {
        **uploaded(image),
        "message": "Upload successful",
        "id": image.image_id,
        "key": _public_key(image),
        "bucket": settings().s3_bucket_name,
    }


def linked(view: View) -> Shape:
    """A's answer to a view, and D's to a download."""
    return {
        "image_id": view.image.image_id,
        "download_url": view.presigned_url,
        "expires_in": view.expires_in,
        "metadata": metadata(view.image),
    }


def entries(page: Page) -> list[Shape]:
    """C's answer to a list query; each entry has a URL where the query asks for it."""
    if page.presigned_urls is None:
        return [_entry(image) for image in page.images]
    return [{**_entry(image), "url": url} for image, url in zip(page.images, page.presigned_urls, strict=True)]


def viewed_entry(view: View) -> Shape:
    """C's answer to a view."""
    bucket = settings().s3_bucket_name
    return {**_entry(view.image), "key": _public_key(view.image), "bucket": bucket, "url": view.presigned_url}


def deleted_entry(image: Image) -> Shape:
    """C's answer to a deletion."""
    return {"deleted": image.image_id, "key": _public_key(image)}


def next_page(page: Page, query: Mapping[str, list[str]]) -> Headers:
    """Where a list goes on that is a bare array: a Link relative to its own address (RFC 8288 section 3)."""
    if page.cursor is None:
        return {}
    kept = {name: values for name, values in query.items() if name not in SPELLINGS["last_evaluated_key"]}
    address = urlencode({**kept, "last_evaluated_key": page.cursor}, doseq=True)
    return {"Link": f'<?{address}>; rel="next"'}


def downloaded(download: Download) -> tuple[Shape | bytes, Headers, int]:
    """E's answers to a download, in each of the ways; without a type, D's. Body, headers and status."""
    import pybase64

    view, image = download.view, download.view.image
    match download.how:
        case DownloadType.REDIRECT:
            return linked(view), {"Location": view.presigned_url, "Cache-Control": "no-store"}, 302
        case DownloadType.BINARY:
            # The type is what the bytes are, and a browser is not to think otherwise.
            headers = {"Content-Type": image.content_type, "X-Content-Type-Options": "nosniff"}
            return download.content, {**headers, "Content-Disposition": view.disposition or "attachment"}, 200
        case DownloadType.BASE64:
            content = pybase64.b64encode(download.content).decode()
            return {"image_id": image.image_id, "content": content, "metadata": metadata(image)}, {}, 200
        case _:
            return linked(view), {}, 200


def rendered(view: RenderedView) -> tuple[Shape, Headers, int]:
    """A redirect to the picture that shows an image, with what that is. Body, headers and status."""
    image, variant = view.image, view.variant
    shape = {
        "image_id": image.image_id,
        "presigned_url": view.presigned_url,
        "expires_in": view.expires_in,
        "content_type": variant.content_type if variant else image.content_type,
        "width": variant.width if variant else image.width,
        "height": variant.height if variant else image.height,
    }
    # An image is for the caches that it is for itself: everyone's, or those of its owner alone, whoever is named.
    kept = "no-store" if view.max_age is None else f"{image.visibility}, max-age={view.max_age}"
    vary = "Accept" if image.visibility is Visibility.PUBLIC else "Accept, Authorization, X-User-Id"
    return shape, {"Location": view.presigned_url, "Cache-Control": kept, "Vary": vary}, 302


def similar(page: SimilarPage) -> Shape:
    """The images that are like one, each with how near it is; and whether these are all."""
    found = [{**metadata(each.image), "distance": each.bits, "duplicate": each.duplicate} for each in page.images]
    return {"images": found, "count": len(found), "complete": page.complete}


def tags(page: TagPage) -> Shape:
    """The tags in use, each with how many images have it."""
    return _page("tags", [{"tag": each.tag, "count": each.count} for each in page.tags], page.cursor)


def item(item: Item) -> Shape:
    """E's item: the fields of its document, and the service's own beside them (ITEM_NAMES)."""
    return {
        "id": item.item_id,
        "item_id": item.item_id,
        **item.document,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "version": item.version,
    }


def listed_items(page: ItemPage) -> Shape:
    """E's answer to a request for items."""
    return _page("items", [item(each) for each in page.items], page.cursor)


def deleted_item(item_id: str) -> Shape:
    """E's answer to an item's deletion."""
    return {"message": "Item deleted successfully", "id": item_id, "item_id": item_id}


def etag(record: Image | Item) -> Headers:
    """The version of a record, as `If-Match` names it (RFC 9110 section 8.8.3)."""
    return {"ETag": f'"{record.version}"'}


def health(health: Health) -> Shape:
    """Whether the service can do its work, and which store stands in the way."""
    named = {"s3": health.s3, "dynamodb": health.dynamodb}
    return {
        "status": "ok" if health.ok else "unavailable",
        "stores": {name: "ok" if answers else "unavailable" for name, answers in named.items()},
    }


def welcome() -> Shape:
    """What a newcomer can do from here; the paths are relative, since a stage may stand before them."""
    return {
        "service": "images-api",
        "message": "Upload, list, view, update and delete images.",
        "calls": {
            "upload": 'POST images, form: user_id, file; or JSON: {"user_id": "you", "image_data": "<base64>"}',
            "list": "GET images?user_id=&tag=&title=&dateFrom=&limit=&last_evaluated_key=",
            "count": "GET images/count?user_id=&tag=&title=",
            "tags": "GET tags?user_id=&prefix=",
            "view": "GET images/{image_id}, with ?download=true for an attachment",
            "render": "GET images/{image_id}/render?w=&h=&fit=&format=",
            "similar": "GET images/{image_id}/similar?distance=&limit=",
            "update": "PUT images/{image_id}, JSON: any of title, description, tags, visibility",
            "delete": "DELETE images/{image_id}",
            "describe": "GET openapi.json",
            "health": "GET health",
        },
    }


def _state(image: Image) -> Shape:
    return {"state": image.state, **({"reason": image.reason} if image.reason else {})}


def _explained(explanation: Explanation) -> Shape:
    return {
        "lists": list(explanation.lists),
        "driver": explanation.driver,
        "reads": [{"list": each.what, "rows": each.rows, "read_units": each.read_units} for each in explanation.reads],
        "read_units": sum(each.read_units for each in explanation.reads),
        "milliseconds": round(explanation.milliseconds, 1),
    }


def _entry(image: Image) -> Shape:
    return {
        "id": image.image_id,
        "filename": image.saved_as,
        "user": image.user_id,
        "description": image.description,
        "created_at": ids.milliseconds(image.image_id) // 1000,
    }


def _public_key(image: Image) -> str:
    """A name of the object that ends in its file's extension, as C has it; S3's own key has none, as B has it."""
    return image.s3_key + image.extension


def _page(name: str, shapes: list[Shape], cursor: str | None) -> Shape:
    shape = {name: shapes, "count": len(shapes), "has_more": cursor is not None}
    return shape if cursor is None else {**shape, "last_evaluated_key": cursor}
