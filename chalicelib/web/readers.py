"""Read requests and events: each reader turns one of the accepted forms into a value whose fields are checked."""

import re
from collections.abc import Mapping
from typing import Any, TypedDict
from urllib.parse import unquote

from chalice.app import CloudWatchEvent, Request

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.errors import BadInput
from chalicelib.images.model import (
    Detail,
    DirectUploadRequest,
    DownloadType,
    ImportRequest,
    RenderRequest,
    SimilarQuery,
    UpdateRequest,
    UploadRequest,
)
from chalicelib.index.query import Include, Order, Query, Time
from chalicelib.index.terms import Kind
from chalicelib.items.model import ITEM_NAMES, Document, ItemQuery
from chalicelib.tags.model import TagQuery
from chalicelib.web import accept, bodies, fields
from chalicelib.web.contracts import contract
from chalicelib.web.fields import SPELLINGS

_MAX_CODE_CHARS = 200  # of a visibility, a content type or a checksum; every valid one is shorter

# The values of `sort`.
_SORTS = {
    **{time.value: time for time in Time},
    "createdAt": Time.CREATED,
    "updatedAt": Time.UPDATED,
    "takenAt": Time.TAKEN,
}

_MAX_SIMILAR = 100  # images in an answer: one BatchGetItem call reads their records (DynamoDB: 100 keys)
_DEFAULT_SIMILAR = 20  # images in an answer if the request has no limit

_UPDATABLE = ("title", "description", "tags", "visibility")

# The headers that have the metadata of a file that is the whole body. X-User-Id is one too.
_UPLOAD_HEADERS = {
    "title": "X-Title",
    "description": "X-Description",
    "tags": "X-Tags",
    "filename": "X-Filename",
    "visibility": "X-Visibility",
}

# The fields that routes read from the query string, beside user_id, which names the caller of every route.
_FILTERS = (
    *("tag", "any_tag", "q", "title", "description", "filename", "visibility", "content_type", "checksum"),
    *("date_from", "date_to", "taken_from", "taken_to"),
)
_PAGE = ("limit", "last_evaluated_key")
_LIST = (*_FILTERS, "sort", "order", "include", *_PAGE)
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "GET /images": (*_LIST, "explain"),
    "GET /list": _LIST,
    "GET /images/count": (*_LIST, "explain"),  # so that a client can count with the query of its list
    "GET /tags": ("prefix", *_PAGE),
    "GET /items": _PAGE,
    "GET /images/{image_id}": ("download", "include"),
    "GET /images/{image_id}/download": ("type",),
    "GET /images/{image_id}/render": ("w", "h", "fit", "format", "wait", "signature"),
    "GET /images/{image_id}/similar": ("distance", "limit", "include"),
    **dict.fromkeys(("POST /images", "POST /images/upload", "POST /upload"), tuple(_UPLOAD_HEADERS)),
    "PUT /images/{image_id}": (),
    "DELETE /images/{image_id}": (),
    "POST /images/direct-upload": (),
    "POST /images/import": (),
    "POST /images/{image_id}/parts": (),
    "POST /images/{image_id}/complete": (),
    "POST /images/{image_id}/abort": (),
    "GET /image/{image_id}": (),
    "DELETE /image/{image_id}": (),
    "GET /view/{image_id}": (),
    "DELETE /delete/{image_id}": (),
    "POST /items": (),
    "GET /items/{item_id}": (),
    "PUT /items/{item_id}": (),
    "DELETE /items/{item_id}": (),
}

# What a client may send as the id of its request.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

# An entity tag, W/ if weak (RFC 9110 section 8.8.3). If-Match never matches a weak one (section 13.1.1).
_ETAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')

# What the service puts into an ETag: a version and, in the ETag of an image that was processed, a state.
_VERSION = re.compile("([1-9][0-9]{0,17})(?:-[a-z_]+)?")


def upload(request: Request, default_owner: str = "") -> UploadRequest:
    """Read an upload from a JSON body, a form, or a file with its metadata in the query string or in headers.

    `default_owner` is the owner if the request names none.
    Raises BadInput, TooLarge, Unsupported: the message names the field.
    """
    body = {**_metadata_beside_file(request), **bodies.read(request)}
    return UploadRequest(
        **_metadata(body, default_owner), file=fields.file(body), idempotency_key=idempotency_key(request)
    )


def direct_upload(request: Request, default_owner: str = "") -> DirectUploadRequest:
    """Read the description of a direct upload from a JSON body. `default_owner` is the owner if the body names none.

    Raises BadInput, Unsupported: the message names the field.
    """
    return DirectUploadRequest(**_announcement(bodies.json_object(request), default_owner))


def import_image(request: Request, default_owner: str = "") -> ImportRequest:
    """Read the description of an import from a JSON body: that of a direct upload, with the identity of the image.

    `default_owner` is the owner if the body names none.
    Raises BadInput, Unsupported: the message names the field.
    """
    body = bodies.json_object(request)
    announcement = _announcement(body, default_owner)
    if not announcement["checksum"]:
        raise BadInput("checksum is missing; an import needs the SHA-256 of the file.")
    image_id = fields.image_id(fields.text(body, "image_id", _MAX_CODE_CHARS))
    version = fields.version(body)
    updated_at = fields.updated_at(fields.text(body, "updated_at", _MAX_CODE_CHARS), image_id, version)
    return ImportRequest(**announcement, image_id=image_id, version=version, updated_at=updated_at)


def update(request: Request) -> UpdateRequest:
    """Read an update of an image from a JSON body: any of title, description, tags and visibility.

    Raises BadInput, Unsupported: the message names the field.
    """
    body = bodies.json_object(request)
    limits = settings()
    names = f"{', '.join(_UPDATABLE[:-1])} and {_UPDATABLE[-1]}"
    for name in body:
        if name not in _UPDATABLE:
            raise BadInput(f"{name[:100]} can't be updated; {names} can.")
        if body[name] is None:
            raise BadInput(f"{name} is null; leave it out to keep it as it is.")
    if not body:
        raise BadInput(f"The body has no field to update; send at least one of {names}.")
    return UpdateRequest(
        title=_text(body, "title", limits.max_title_chars) if "title" in body else None,
        description=_text(body, "description", limits.max_description_chars) if "description" in body else None,
        tags=tuple(fields.tags("tags", body["tags"], limits.max_tags).values()) if "tags" in body else None,
        visibility=fields.visibility(fields.text(body, "visibility", _MAX_CODE_CHARS))
        if "visibility" in body
        else None,
    )


def query(request: Request, default_limit: int | None = None) -> Query:
    """Read a query for images from the query string. If `default_limit` is None, it is DEFAULT_PAGE_SIZE.

    Raises BadInput: the message names the parameter.
    """
    limits = settings()
    values = parameters(request)
    owner = _parameter(values, "user_id")
    visibility = _parameter(values, "visibility") or contract().default_visibility
    content_type, checksum = _parameter(values, "content_type"), _parameter(values, "checksum")
    since = fields.timestamp_ms("dateFrom", _parameter(values, "date_from"), 0)
    before = max(1, fields.timestamp_ms("dateTo", _parameter(values, "date_to"), ids.END, end=True))
    if since >= before:
        raise BadInput("dateFrom must not be later than dateTo.")
    taken_from, taken_to = _parameter(values, "taken_from"), _parameter(values, "taken_to")
    taken_since = fields.timestamp_ms("takenFrom", taken_from, ids.START, earliest=ids.START)
    taken_before = fields.timestamp_ms("takenTo", taken_to, ids.END, end=True, earliest=ids.START)
    if taken_since >= taken_before:
        raise BadInput("takenFrom must not be later than takenTo.")
    return Query(
        user_id=fields.user_id(owner) if owner else None,
        tags=_query_tags(values, "tag"),
        any_tags=_query_tags(values, "any_tag"),
        title=fields.words(Kind.TITLE, _parameters(values, "title"), limits.max_title_chars),
        description=fields.words(Kind.DESCRIPTION, _parameters(values, "description"), limits.max_description_chars),
        filename=fields.words(Kind.FILENAME, _parameters(values, "filename"), limits.max_filename_chars),
        words=fields.query_words(_parameters(values, "q")),
        visibility=None if visibility == "all" else fields.visibility(visibility),
        content_type=fields.content_type(content_type) if content_type else None,
        checksum=fields.checksum(checksum) if checksum else None,
        since=since,
        before=before,
        taken_since=taken_since,
        taken_before=taken_before,
        order=_order(values, Time.TAKEN if taken_from or taken_to else Time.CREATED),
        limit=fields.limit(_parameter(values, "limit"), default_limit or limits.default_page_size),
        cursor=_parameter(values, "last_evaluated_key"),
        include=_included(values),
        explain=fields.flag("explain", _parameter(values, "explain")),
    )


def item(request: Request) -> Document:
    """Read the document of a new item from a JSON body.

    Raises BadInput, Unsupported: the message names the field.
    """
    document = bodies.document(request)
    for name in ITEM_NAMES:
        if name in document:
            raise BadInput(f"{name} is set by the service and cannot be a field of an item.")
    return document


def item_fields(request: Request) -> Document:
    """Read the fields of an item to set from a JSON body. Fields that the service sets are ignored.

    So a client can change an item that it received and send it back.
    Raises BadInput, Unsupported.
    """
    document = {name: value for name, value in bodies.document(request).items() if name not in ITEM_NAMES}
    if not document:
        raise BadInput("The body has no field to set.")
    return document


def item_query(request: Request) -> ItemQuery:
    """Read a query for items from the query string.

    Raises BadInput: the message names the parameter.
    """
    values = parameters(request)
    return ItemQuery(
        limit=fields.limit(_parameter(values, "limit"), settings().default_page_size),
        cursor=_parameter(values, "last_evaluated_key"),
    )


def tag_query(request: Request) -> TagQuery:
    """Read a query for tags from the query string.

    Raises BadInput: the message names the parameter.
    """
    values = parameters(request)
    owner = _parameter(values, "user_id")
    return TagQuery(
        user_id=fields.user_id(owner) if owner else None,
        prefix=fields.prefix(_parameter(values, "prefix")),
        limit=fields.limit(_parameter(values, "limit"), settings().default_page_size),
        cursor=_parameter(values, "last_evaluated_key"),
    )


def if_match(request: Request) -> frozenset[int] | None:
    """Read the versions in the header If-Match; None means any version (RFC 9110 section 13.1.1).

    Raises BadInput: the header is neither a list of ETags nor `*`.
    """
    header = request.headers.get("if-match", "").strip()
    if header in ("", "*"):
        return None
    etags = [_ETAG.fullmatch(text) for text in header.split(",")]
    if not all(etags):
        raise BadInput('If-Match must be an ETag in quotes such as "1", several ETags separated by commas, or *.')
    strong = [etag[2] for etag in etags if etag and not etag[1]]
    versions = [_VERSION.fullmatch(text) for text in strong]
    return frozenset(int(version[1]) for version in versions if version)


def idempotency_key(request: Request) -> str | None:
    """Read the header Idempotency-Key; None if there is none.

    Raises BadInput: the key is too long, or has other characters than printable ASCII.
    """
    key: str = request.headers.get("idempotency-key", "").strip()
    limit = settings().max_idempotency_key_chars
    if not re.fullmatch(r"[\x20-\x7e]*", key) or len(key) > limit:
        raise BadInput(
            f"Idempotency-Key must be at most {limit} printable ASCII characters (MAX_IDEMPOTENCY_KEY_CHARS)."
        )
    return key or None


class Conditions(TypedDict):
    """What a PUT or DELETE says about its repetition, besides its body."""

    if_match: frozenset[int] | None  # see if_match
    idempotency_key: str | None  # see idempotency_key


def conditions(request: Request) -> Conditions:
    """Read the conditions of a PUT or DELETE.

    Raises BadInput: see if_match and idempotency_key.
    """
    return {"if_match": if_match(request), "idempotency_key": idempotency_key(request)}


def as_attachment(request: Request) -> bool:
    """Read whether a view's URL answers with an attachment: `download=true` in the query string.

    Raises BadInput: the value is neither true nor false.
    """
    return fields.flag("download", _parameter(parameters(request), "download"))


def details(request: Request) -> frozenset[Detail]:
    """Read which details a view shows: the names in `include` in the query string.

    Raises BadInput: a name is not that of a detail.
    """
    names = {name.strip() for text in _parameters(parameters(request), "include") for name in text.split(",")}
    try:
        return frozenset(map(Detail, names))
    except ValueError:
        raise BadInput("include must be exif or location, or both, separated by a comma.") from None


def download_type(request: Request) -> DownloadType:
    """Read how to answer a download: `type` in the query string, or JSON with a presigned URL if absent.

    Raises BadInput: there is no such type.
    """
    text = _parameter(parameters(request), "type")
    try:
        return DownloadType(text.lower()) if text else DownloadType.LINK
    except ValueError:
        raise BadInput("type must be redirect, binary or base64; without it the answer is JSON.") from None


def render_request(request: Request) -> RenderRequest:
    """Read how to show an image from the query string and the header Accept.

    Raises BadInput: the message names the parameter.
    """
    values = parameters(request)
    return RenderRequest(
        width=_pixels(values, "w"),
        height=_pixels(values, "h"),
        fit=fields.fit(_parameter(values, "fit") or "contain"),
        format=fields.picture_format(_parameter(values, "format") or "auto"),
        wait_seconds=_wait_seconds(values),
        signature=_parameter(values, "signature") or "",
        preferences=accept.preferences(request.headers.get("accept", "*/*")),
    )


def similar_query(request: Request) -> SimilarQuery:
    """Read a query for similar images from the query string.

    Raises BadInput: the message names the parameter.
    """
    values = parameters(request)
    limit = _parameter(values, "limit")
    return SimilarQuery(
        bits=fields.distance(_parameter(values, "distance")),
        limit=fields.whole_number("limit", limit, 1, _MAX_SIMILAR) if limit else _DEFAULT_SIMILAR,
        include=_included(values),
    )


def parameters(request: Request) -> Mapping[str, list[str]]:
    """Return the parameters of the query string, each with all of its values. `name[]` is `name`."""
    values: dict[str, list[str]] = {}
    for name, texts in (request.to_original_event().get("multiValueQueryStringParameters") or {}).items():
        values.setdefault(fields.plain_name(name), []).extend(texts)
    return values


def check_parameters(request: Request) -> None:
    """Check that the query string has only parameters that the request's route reads.

    A route that is not in _PARAMETERS ignores its query string.
    Raises BadInput: the message names the parameter, and those that the route reads.
    """
    method = "GET" if request.method == "HEAD" else request.method
    known = _PARAMETERS.get(f"{method} {request.path}")
    if known is not None:
        fields.check_names(parameters(request), ("user_id", *known))


def request_id(headers: Mapping[str, str]) -> str | None:
    """Read the id that the client gave its request, in the header X-Request-Id; None if it has not the right form."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else None


def named_user(request: Request) -> str | None:
    """Read the user_id that a request names as its caller: the header `X-User-Id`, else `user_id` in the query."""
    user_id = _header(request, "x-user-id").strip() or _parameter(parameters(request), "user_id")
    return user_id.strip() if user_id else None


def bearer(request: Request) -> str | None:
    """Read the bearer token of a request; None if there is none (RFC 6750 section 2.1)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def is_dry_run(event: CloudWatchEvent) -> bool:
    """Read whether an operator invoked the schedule's handler with `{"dry_run": true}`: it then changes nothing."""
    return event.to_dict().get("dry_run") is True


def _metadata_beside_file(request: Request) -> bodies.Body:
    """Return the metadata of a file that is the whole body. The query string comes before headers.

    Raises BadInput: the body has the metadata, but the query string has some too.
    """
    query = parameters(request)
    if bodies.is_file(request):
        given = {field: _text_of_header(request, name) for field, name in _UPLOAD_HEADERS.items()}
        given["user_id"] = _parameter(query, "user_id") or _header(request, "x-user-id")
        texts = bodies.grouped((name, value) for name, values in query.items() for value in values)
        return {name: value for name, value in {**given, **texts}.items() if value}
    for name in query:
        if any(name in SPELLINGS[field] for field in _UPLOAD_HEADERS):
            raise BadInput(f"{name} is in the query string; send it in the body, beside the image.")
    return {}


def _header(request: Request, name: str) -> str:
    """Return a header's text, empty if there is none. It is UTF-8, which some gateways (LocalStack) read as Latin-1."""
    text: str = request.headers.get(name, "")
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _text_of_header(request: Request, name: str) -> str:
    """Return a header's text, which may be percent-encoded UTF-8: a script can send no other letters than Latin-1."""
    try:
        return unquote(_header(request, name), errors="strict")
    except UnicodeDecodeError:
        raise BadInput(f"{name} is not percent-encoded UTF-8.") from None


def _metadata(body: bodies.Body, default_owner: str) -> dict[str, Any]:
    """Return the fields of a model.Metadata."""
    limits = settings()
    return {
        "user_id": fields.user_id(_text(body, "user_id", limits.max_user_id_chars) or default_owner),
        "title": _text(body, "title", limits.max_title_chars),
        "description": _text(body, "description", limits.max_description_chars),
        "tags": tuple(fields.tags(*fields.find(body, "tags"), limits.max_tags).values()),
        "filename": fields.filename(_text(body, "filename", limits.max_filename_chars)),
        "visibility": fields.visibility(fields.text(body, "visibility", _MAX_CODE_CHARS) or "public"),
    }


def _announcement(body: bodies.Body, default_owner: str) -> dict[str, Any]:
    """Return the fields of a model.DirectUploadRequest."""
    metadata = _metadata(body, default_owner)
    if "${filename}" in metadata["user_id"]:
        # In a form's key, S3 replaces this text with the name of the file (S3 API Reference, "POST Object").
        raise BadInput(
            "user_id must not have ${filename} in a direct upload: S3 would replace it with the name of the file."
        )
    checksum = fields.text(body, "checksum", _MAX_CODE_CHARS)
    return {
        **metadata,
        "content_type": fields.content_type(fields.text(body, "content_type", _MAX_CODE_CHARS)),
        "size": fields.size(body),
        "checksum": fields.checksum(checksum) if checksum else "",
    }


def _text(body: bodies.Body, field: str, limit: int) -> str:
    """Return a text whose limit is the setting MAX_<FIELD>_CHARS."""
    return fields.text(body, field, limit, f"MAX_{field.upper()}_CHARS")


def _query_tags(values: Mapping[str, list[str]], field: str) -> tuple[str, ...]:
    texts = _parameters(values, field)
    folded = fields.tags(field, texts, settings().max_query_tags, "MAX_QUERY_TAGS")
    if texts and not folded:
        raise BadInput(f"{field} names no tag; name one, or leave {field} out.")
    return tuple(sorted(folded))  # sorted, so that a cursor is valid whatever the order in the request


def _order(values: Mapping[str, list[str]], default: Time) -> Order:
    sort = _parameter(values, "sort") or default
    if sort not in _SORTS:
        raise BadInput("sort must be created_at, updated_at or taken_at (or createdAt, updatedAt or takenAt).")
    order = (_parameter(values, "order") or "desc").lower()
    if order not in ("asc", "desc"):
        raise BadInput("order must be asc or desc.")
    return Order(oldest_first=order == "asc", by=_SORTS[sort])


def _included(values: Mapping[str, list[str]]) -> frozenset[Include]:
    names = {name.strip() for text in _parameters(values, "include") for name in text.split(",")}
    try:
        return frozenset(map(Include, names))
    except ValueError:
        raise BadInput(f"include must be one or more of {', '.join(Include)}, separated by commas.") from None


def _wait_seconds(values: Mapping[str, list[str]]) -> int:
    text, limit = _parameter(values, "wait"), settings().max_render_wait_seconds
    return fields.whole_number("wait", text, 0, limit, " (MAX_RENDER_WAIT_SECONDS)") if text else 0


def _pixels(values: Mapping[str, list[str]], field: str) -> int | None:
    text = _parameter(values, field)
    return fields.whole_number(field, text, 1, settings().max_render_px, " (MAX_RENDER_PX)") if text else None


def _parameters(values: Mapping[str, list[str]], field: str) -> tuple[str, ...]:
    """Return every value of a field, in each of its spellings. An empty value is an absent one: forms send it.

    Raises BadInput: a value is blank. Taken for an absent one, it would make a list longer than asked.
    """
    spellings = [spelling for spelling in SPELLINGS[field] if "." not in spelling]
    texts = tuple(text for spelling in spellings for text in values.get(spelling, ()) if text)
    if any(map(str.isspace, texts)):
        raise BadInput(f"{field} is blank; give it a value, or leave it out.")
    return texts


def _parameter(values: Mapping[str, list[str]], field: str) -> str | None:
    """Return the value of a field, or None if it is absent.

    Raises BadInput: the value is blank, or the field is given more than once with different values.
    """
    texts = set(_parameters(values, field))
    if len(texts) > 1:
        raise BadInput(f"{field} is given more than once, with different values; give it once.")
    return texts.pop() if texts else None
