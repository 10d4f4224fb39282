"""A value -> the shape that a contract answers with: pure functions."""

from typing import Any

from chalicelib.config import settings
from chalicelib.model import Image, Item, ItemPage, Page, Stores, View

Shape = dict[str, Any]  # JSON
Headers = dict[str, str | list[str]]  # as Chalice takes them


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
    """B's answer to a list query."""
    return _page("images", [metadata(image) for image in page.images], page.cursor)


def viewed(view: View) -> Shape:
    """B's answer to a view."""
    return {
        "image_id": view.image.image_id,
        "metadata": metadata(view.image),
        "presigned_url": view.presigned_url,
        "expires_in": view.expires_in,
    }


def deleted(image: Image) -> Shape:
    """B's answer to a deletion."""
    return {"message": "Image deleted successfully", "image_id": image.image_id}


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


def health(stores: Stores) -> Shape:
    """Whether the service can do its work, and which store stands in the way."""
    named = {"s3": stores.s3, "dynamodb": stores.dynamodb}
    return {
        "status": "ok" if stores.well else "unavailable",
        "stores": {name: "ok" if answers else "unavailable" for name, answers in named.items()},
    }


def welcome() -> Shape:
    """What a newcomer can do from here; the paths are relative, since a stage may stand before them."""
    return {
        "service": "images-api",
        "message": "Upload, list, view and delete images.",
        "calls": {
            "upload": 'POST images, JSON: {"user_id": "you", "image_data": "<base64>", "title": "", "tags": []}',
            "list": "GET images?user_id=&tag=&limit=&last_evaluated_key=",
            "view": "GET images/{image_id}, with ?download=true for an attachment",
            "delete": "DELETE images/{image_id}",
            "health": "GET health",
        },
    }


def _page(name: str, shapes: list[Shape], cursor: str | None) -> Shape:
    shape = {name: shapes, "count": len(shapes), "has_more": cursor is not None}
    return shape if cursor is None else {**shape, "last_evaluated_key": cursor}
