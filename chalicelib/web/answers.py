"""Write answers: each pure function turns a value into the JSON, the headers or the status of an answer.

The answers here are the same in every stage. contracts.py has those that depend on the setting CONTRACT.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from chalicelib.config import settings
from chalicelib.images.model import (
    Detail,
    Health,
    Import,
    RenderedView,
    Repaired,
    SimilarPage,
    Unready,
    UploadParts,
    View,
)
from chalicelib.index.query import Include
from chalicelib.items.model import Item, ItemPage
from chalicelib.lists.model import Count, Entry, Explanation, Link
from chalicelib.model import Analysis, CameraFacts, Image, Visibility
from chalicelib.stores.model import UploadForm
from chalicelib.tags.model import TagPage
from chalicelib.web import caching

Shape = dict[str, Any]  # JSON
Headers = dict[str, str | list[str]]  # as Chalice expects them

# Fields that an image gets from its bytes. Before the bytes are in S3, the answer omits those that are empty.
_FROM_BYTES = ("checksum", "width", "height")

_RETRY_SECONDS = "2"  # after which a client may ask again for a variant: processing takes some seconds

# What processing found out that a list can have; a view has all of it.
_ANALYSIS_OF_ENTRY = ("placeholder", "color", "taken_at", "animated")


def metadata(image: Image) -> Shape:
    """Return the metadata of an image: the fields of contract B, and those that D and E add."""
    return {
        "image_id": image.image_id,
        "user_id": image.user_id,
        "title": image.title,
        "description": image.description,
        "tags": list(image.tags),
        "s3_key": image.s3_key,
        "s3_url": s3_url(image),
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


def s3_url(image: Image) -> str:
    """Return the S3 URI of an image's original."""
    return f"s3://{settings().s3_bucket_name}/{image.s3_key}"


def page(name: str, entries: Sequence[Shape], cursor: str | None) -> Shape:
    """Return a page of a list, whose entries are called `name`. Each contract finds the cursor under its own name."""
    shape = {name: entries, "count": len(entries), "has_more": cursor is not None}
    if cursor is None:
        return shape
    return {**shape, "last_evaluated_key": cursor, "next_token": cursor, "nextToken": cursor}


def included(entry: Entry, include: Collection[Include], url_name: str = "presigned_url") -> Shape:
    """Return what a query adds to the metadata of an image. `url_name` is the name of `include=url`."""
    image, thumbnail = entry.image, entry.thumbnail
    shape: Shape = {}
    if Include.URL in include:
        shape[url_name] = entry.url
    if any(name is not Include.URL for name in include) or (Include.URL in include and entry.url is None):
        shape["state"] = image.state
    if Include.THUMBNAIL in include:
        shape["thumbnail"] = _link(thumbnail) if thumbnail else None
    if Include.VARIANTS in include:
        shape["variants"] = [{**_link(link), "content_type": link.variant.content_type} for link in entry.variants]
    if Include.ANALYSIS in include:
        analysis = image.analysis
        shape["analysis"] = {name: getattr(analysis, name) for name in _ANALYSIS_OF_ENTRY} if analysis else None
    return shape


def has_urls(include: Collection[Include]) -> bool:
    """Whether what a query adds to images has presigned URLs."""
    return any(name is not Include.ANALYSIS for name in include)


def expiry(include: Collection[Include]) -> Shape:
    """Return how long the presigned URLs of a list are valid, if it has any."""
    return {"expires_in": settings().presigned_url_expiration} if has_urls(include) else {}


def explained(explanation: Explanation | None) -> Shape:
    """Return how a page was read, if the query asks for it."""
    if explanation is None:
        return {}
    reads = [{"list": read.what, "rows": read.rows, "read_units": read.read_units} for read in explanation.reads]
    shape = {
        "lists": list(explanation.lists),
        "driver": explanation.driver,
        "reads": reads,
        "read_units": sum(read.read_units for read in explanation.reads),
        "milliseconds": round(explanation.milliseconds, 1),
    }
    return {"explain": shape}


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
        "render": f"images/{view.image.image_id}/render" + (f"?signature={view.signature}" if view.signature else ""),
        **_state(view.image),
        **({"analysis": analysis(view.image.analysis)} if view.image.analysis else {}),
    }


def analysis(analysis: Analysis) -> Shape:
    """Return what the pixels show. What EXIF says is shown only on request: see details."""
    return {
        "width": analysis.width,
        "height": analysis.height,
        "taken_at": analysis.taken_at,
        "color": analysis.color,
        "placeholder": analysis.placeholder,
        "perceptual_hash": analysis.perceptual_hash,
        "animated": analysis.animated,
        "variants": [asdict(variant) for variant in analysis.variants],
    }


def details(image: Image, wanted: Collection[Detail]) -> Shape:
    """Return what EXIF says about an image. The caller may see it: see images.find_with."""
    facts = (image.analysis and image.analysis.exif) or CameraFacts()
    location = image.analysis and image.analysis.location
    return {
        **({"exif": asdict(facts)} if Detail.EXIF in wanted else {}),
        **({"location": location and asdict(location)} if Detail.LOCATION in wanted else {}),
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


def imported(imported: Import) -> Shape:
    """Return how to send the bytes of an import that awaits them, else its state and metadata."""
    upload = imported.upload
    return unlisted(imported.image) if upload is None else direct_upload(imported.image, upload)


def repaired(images: Sequence[Repaired]) -> Shape:
    """Return the unfinished images that the schedule found, each with the state in which it was found."""
    return {"count": len(images), "repaired": [{"image_id": image.image_id, "state": image.state} for image in images]}


def deleted(image: Image) -> Shape:
    """Return the answer to a deletion."""
    return {"message": "Image deleted successfully", "image_id": image.image_id}


def rendered(view: RenderedView | Unready) -> tuple[Shape, Headers, int]:
    """Return the body, the headers and the status of a redirect to the picture that shows an image."""
    if isinstance(view, Unready):
        return unready(view)
    image, variant = view.image, view.variant
    shape = {
        "image_id": image.image_id,
        "presigned_url": view.presigned_url,
        "expires_in": view.expires_in,
        "content_type": variant.content_type if variant else image.content_type,
        "width": variant.width if variant else image.width,
        "height": variant.height if variant else image.height,
    }
    # A public image may be kept in shared caches, a private one and an original only in the browser of the caller
    # (RFC 9111 section 5.2.2).
    scope = image.visibility if variant else Visibility.PRIVATE
    cache_control = "no-store" if view.max_age is None else f"{scope}, max-age={view.max_age}"
    is_for_all = scope is Visibility.PUBLIC and not view.for_caller
    vary = "Accept" if is_for_all else "Accept, Authorization, X-User-Id"
    return shape, {"Location": view.presigned_url, "Cache-Control": cache_control, "Vary": vary}, 302


def similar(page: SimilarPage) -> tuple[Shape, Headers]:
    """Return the images that look like an image, each with its distance, whether the list is complete, and headers."""
    images = [
        {
            **metadata(similar.entry.image),
            **included(similar.entry, page.include),
            "distance": similar.bits,
            "duplicate": similar.duplicate,
        }
        for similar in page.images
    ]
    shape = {"images": images, "count": len(images), "complete": page.complete, **expiry(page.include)}
    return shape, caching.NO_STORE if has_urls(page.include) else caching.revalidated(Visibility.PRIVATE)


def tags(tag_page: TagPage) -> Shape:
    """Return the tags in use, each with the number of images that have it."""
    return page("tags", [{"tag": tag.tag, "count": tag.count} for tag in tag_page.tags], tag_page.cursor)


def unready(unready: Unready) -> tuple[Shape, Headers, int]:
    """Return the body, the headers and the status of the answer to a caller who asks for a variant too early."""
    shape = {"image_id": unready.image.image_id, "state": unready.image.state}
    return shape, {"Retry-After": _RETRY_SECONDS, **caching.NO_STORE}, 202


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


def listed_items(item_page: ItemPage) -> Shape:
    """Return the answer to a query for items."""
    return page("items", list(map(item, item_page.items)), item_page.cursor)


def deleted_item(item_id: str) -> Shape:
    """Return the answer to the deletion of an item."""
    return {"message": "Item deleted successfully", "id": item_id, "item_id": item_id}


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
            "list": "GET images?user_id=&tag=&title=&dateFrom=&include=&limit=&last_evaluated_key=",
            "count": "GET images/count?user_id=&tag=&title=",
            "tags": "GET tags?user_id=&prefix=",
            "view": "GET images/{image_id}, with ?download=true for an attachment",
            "render": "GET images/{image_id}/render?w=&h=&fit=&format=&wait=",
            "similar": "GET images/{image_id}/similar?distance=&limit=",
            "update": "PUT images/{image_id} with JSON: any of title, description, tags, visibility",
            "delete": "DELETE images/{image_id}",
            "gallery": "GET . in a browser",
            "docs": "GET docs in a browser: describes every call, and sends it",
            "describe": "GET openapi.json",
            "health": "GET health",
        },
    }


def _link(link: Link) -> Shape:
    return {"url": link.url, "width": link.variant.width, "height": link.variant.height}


def _state(image: Image) -> Shape:
    return {"state": image.state, **({"reason": image.reason} if image.reason else {})}
