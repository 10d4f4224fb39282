"""One tolerant reader: any of the accepted spellings and forms of a request -> one value, its fields within limits."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from chalice.app import CloudWatchEvent, Request, S3Event

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.errors import BadInput
from chalicelib.images.model import (
    DirectUploadRequest,
    DownloadType,
    ObjectCreated,
    RenderRequest,
    SimilarQuery,
    UpdateRequest,
    UploadRequest,
)
from chalicelib.index.query import Order, Query
from chalicelib.index.terms import Kind
from chalicelib.items.model import ITEM_NAMES, Document, ItemQuery
from chalicelib.tags.model import TagQuery
from chalicelib.web import accept, bodies, fields
from chalicelib.web.fields import SPELLINGS

_MOST_CODE_CHARS = 200  # of a visibility, a content type or a checksum: what is longer is none

_MOST_SIMILAR = 100  # images in an answer: records that are fetched at once (DynamoDB: keys of a BatchGetItem)
_SIMILAR = 20  # where the request has no limit

_PATCHED = ("title", "description", "tags", "visibility")

# RFC 9110 section 8.8.3; those that are weak never match (section 13.1.1).
_ETAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')


def upload(request: Request, owner: str = "") -> UploadRequest:
    """An upload from a JSON body or a form; it is `owner`'s where the body names nobody.

    Raises BadInput, TooLarge, Unsupported: the sentence names the field.
    """
    body = bodies.read(request)
    return UploadRequest(**_described(body, owner), file=fields.file(body), idempotency_key=_idempotency_key(request))


def announcement(request: Request, owner: str = "") -> DirectUploadRequest:
    """A direct upload that a JSON body announces; it is `owner`'s where the body names nobody.

    Raises BadInput, Unsupported: the sentence names the field.
    """
    body = bodies.json_object(request)
    described = _described(body, owner)
    if "${filename}" in described["user_id"]:
        # S3 API Reference, "POST Object": it stands for the name of the file.
        raise BadInput("user_id must not have ${filename} in it here: S3 would put the file's name in its place.")
    checksum = fields.text(body, "checksum", _MOST_CODE_CHARS)
    return DirectUploadRequest(
        **described,
        content_type=fields.content_type(fields.text(body, "content_type", _MOST_CODE_CHARS)),
        size=fields.size(body),
        checksum=fields.checksum(checksum) if checksum else "",
    )


def patch(request: Request) -> UpdateRequest:
    """An update from a JSON body: the fields that it has, of those that can be set.

    Raises BadInput, Unsupported: the sentence names the field.
    """
    body = bodies.json_object(request)
    limits = settings()
    for name in body:
        if name not in _PATCHED:
            raise BadInput(f"{name[:100]} can't be updated; {', '.join(_PATCHED[:-1])} and {_PATCHED[-1]} can.")
        if body[name] is None:
            raise BadInput(f"{name} is null; leave it out to keep it as it is.")
    if not body:
        raise BadInput(f"There is nothing to update: none of {', '.join(_PATCHED)}.")
    return UpdateRequest(
        title=fields.text(body, "title", limits.max_title_chars) if "title" in body else None,
        description=fields.text(body, "description", limits.max_description_chars) if "description" in body else None,
        tags=tuple(fields.tags("tags", body["tags"], limits.max_tags).values()) if "tags" in body else None,
        visibility=fields.visibility(fields.text(body, "visibility", _MOST_CODE_CHARS))
        if "visibility" in body
        else None,
    )


def query(request: Request, limit: int | None = None) -> Query:
    """A list query from the query string; pages of `limit` where it does not say, else of DEFAULT_PAGE_SIZE.

    Raises BadInput: the sentence names the parameter.
    """
    limits = settings()
    values = parameters(request)
    owner, visibility = _parameter(values, "user_id"), _parameter(values, "visibility")
    content_type, checksum = _parameter(values, "content_type"), _parameter(values, "checksum")
    since = fields.moment("dateFrom", _parameter(values, "date_from"), 0)
    before = max(1, fields.moment("dateTo", _parameter(values, "date_to"), ids.END, ends=True))
    if since >= before:
        raise BadInput("dateFrom must not be later than dateTo.")
    return Query(
        user_id=fields.user_id(owner) if owner else None,
        tags=_query_tags(values, "tag"),
        any_tags=_query_tags(values, "any_tag"),
        title=fields.words(Kind.TITLE, _parameter(values, "title"), limits.max_title_chars),
        description=fields.words(Kind.DESCRIPTION, _parameter(values, "description"), limits.max_description_chars),
        filename=fields.words(Kind.FILENAME, _parameter(values, "filename"), limits.max_filename_chars),
        visibility=fields.visibility(visibility) if visibility else None,
        content_type=fields.content_type(content_type) if content_type else None,
        checksum=fields.checksum(checksum) if checksum else None,
        since=since,
        before=before,
        order=_order(values),
        limit=fields.limit(_parameter(values, "limit"), limit or limits.default_page_size),
        cursor=_parameter(values, "last_evaluated_key"),
        include_urls=_includes_urls(values),
        explain=fields.flag("explain", _parameter(values, "explain")),
    )


def item(request: Request) -> Document:
    """A new item's document, from a JSON body.

    Raises BadInput, Unsupported: the sentence names the field.
    """
    document = bodies.document(request)
    for name in ITEM_NAMES:
        if name in document:
            raise BadInput(f"{name} is given by the service, and can't be a field of an item.")
    return document


def item_fields(request: Request) -> Document:
    """The fields of an item to set, from a JSON body, which may hold what the service gave beside them.

    Raises BadInput, Unsupported.
    """
    given = {name: value for name, value in bodies.document(request).items() if name not in ITEM_NAMES}
    if not given:
        raise BadInput("The body has no field to set.")
    return given


def item_query(request: Request) -> ItemQuery:
    """A request for items from the query string.

    Raises BadInput: the sentence names the parameter.
    """
    values = parameters(request)
    return ItemQuery(
        limit=fields.limit(_parameter(values, "limit"), settings().default_page_size),
        cursor=_parameter(values, "last_evaluated_key"),
    )


def tag_query(request: Request) -> TagQuery:
    """A request for tags from the query string.

    Raises BadInput: the sentence names the parameter.
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
    """The versions that the header If-Match asks a record to be at; None: whichever (RFC 9110 section 13.1.1).

    Raises BadInput: it is no list of ETags, nor `*`.
    """
    header = request.headers.get("if-match", "").strip()
    if header in ("", "*"):
        return None
    etags = [_ETAG.fullmatch(each) for each in header.split(",")]
    if not all(etags):
        raise BadInput('If-Match must be an ETag in quotes, as "1", several with commas between, or *.')
    strong = [etag[2] for etag in etags if etag and not etag[1]]
    return frozenset(int(text) for text in strong if re.fullmatch("[1-9][0-9]{0,17}", text))


def download(request: Request) -> bool:
    """Whether a view asks for an attachment: `download=true`.

    Raises BadInput: neither true nor false.
    """
    return fields.flag("download", _parameter(parameters(request), "download"))


def download_as(request: Request) -> DownloadType:
    """How a download is to be answered: by its `type`, or else in JSON, with a link.

    Raises BadInput: no such type.
    """
    text = _parameter(parameters(request), "type")
    try:
        return DownloadType(text.lower()) if text else DownloadType.LINK
    except ValueError:
        raise BadInput("type must be redirect, binary or base64; without it the answer is JSON.") from None


def render_request(request: Request) -> RenderRequest:
    """How an image is to be shown, from the query string and the header Accept.

    Raises BadInput: the sentence names the parameter.
    """
    values = parameters(request)
    return RenderRequest(
        width=_pixels(values, "w"),
        height=_pixels(values, "h"),
        fit=fields.fit(_parameter(values, "fit") or "contain"),
        format=fields.picture_format(_parameter(values, "format") or "auto"),
        preferences=accept.preferences(request.headers.get("accept", "*/*")),
    )


def similar_query(request: Request) -> SimilarQuery:
    """A request for images like one, from the query string.

    Raises BadInput: the sentence names the parameter.
    """
    values = parameters(request)
    limit = _parameter(values, "limit")
    return SimilarQuery(
        bits=fields.distance(_parameter(values, "distance")),
        limit=fields.whole("limit", limit, 1, _MOST_SIMILAR) if limit else _SIMILAR,
    )


def parameters(request: Request) -> Mapping[str, list[str]]:
    """The query string."""
    return request.to_original_event().get("multiValueQueryStringParameters") or {}


def named_user(request: Request) -> str | None:
    """Whom a request names as its caller: by `X-User-Id`, else by the query string."""
    named = request.headers.get("x-user-id", "").strip() or _parameter(parameters(request), "user_id")
    return named.strip() if named else None


def bearer(request: Request) -> str | None:
    """The bearer token of a request, if any (RFC 6750 section 2.1)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def objects_created(event: S3Event) -> tuple[ObjectCreated, ...]:
    """S3's notices of objects (S3 User Guide, "event message structure"); a test event has none."""
    return tuple(
        ObjectCreated(
            key=unquote_plus(record["s3"]["object"]["key"]),
            written_at=datetime.fromisoformat(record["eventTime"]).timestamp(),
        )
        for record in event.to_dict().get("Records", ())
    )


def is_dry_run(event: CloudWatchEvent) -> bool:
    """Whether the schedule's handler was invoked by hand to say what it would do: `{"dry_run": true}`."""
    return event.to_dict().get("dry_run") is True


def _described(body: bodies.Body, owner: str) -> dict[str, Any]:
    """What an upload says of its image."""
    limits = settings()
    return {
        "user_id": fields.user_id(fields.text(body, "user_id", limits.max_user_id_chars) or owner),
        "title": fields.text(body, "title", limits.max_title_chars),
        "description": fields.text(body, "description", limits.max_description_chars),
        "tags": tuple(fields.tags(*fields.find(body, "tags"), limits.max_tags).values()),
        "filename": fields.filename(fields.text(body, "filename", limits.max_filename_chars)),
        "visibility": fields.visibility(fields.text(body, "visibility", _MOST_CODE_CHARS) or "public"),
    }


def _idempotency_key(request: Request) -> str | None:
    key: str = request.headers.get("idempotency-key", "").strip()
    most = settings().max_idempotency_key_chars
    if not re.fullmatch(r"[\x20-\x7e]*", key) or len(key) > most:
        raise BadInput(f"Idempotency-Key must be at most {most} printable ASCII characters.")
    return key or None


def _query_tags(values: Mapping[str, list[str]], field: str) -> tuple[str, ...]:
    most = settings().max_query_tags
    folded = {tag for text in _parameters(values, field) for tag in fields.tags(field, text, most)}
    if len(folded) > most:
        raise BadInput(f"{field} has more than {most} tags, which is the limit (MAX_QUERY_TAGS).")
    return tuple(sorted(folded))  # in whichever order they came: cursors are for this one


def _order(values: Mapping[str, list[str]]) -> Order:
    sort = _parameter(values, "sort") or "created_at"
    if sort not in ("created_at", "createdAt", "updated_at", "updatedAt"):
        raise BadInput("sort must be created_at or updated_at (or createdAt or updatedAt).")
    order = (_parameter(values, "order") or "desc").lower()
    if order not in ("asc", "desc"):
        raise BadInput("order must be asc or desc.")
    return Order(oldest_first=order == "asc", by_update=sort.startswith("updated"))


def _includes_urls(values: Mapping[str, list[str]]) -> bool:
    included = {each.strip() for text in _parameters(values, "include") for each in text.split(",")}
    if included - {"url"}:
        raise BadInput("include must be url.")
    return bool(included)


def _pixels(values: Mapping[str, list[str]], field: str) -> int | None:
    text = _parameter(values, field)
    return fields.whole(field, text, 1, settings().max_render_px) if text else None


def _parameters(values: Mapping[str, list[str]], field: str) -> list[str]:
    return [
        text
        for spelling in SPELLINGS[field]
        if "." not in spelling
        for text in values.get(spelling, ())
        if text.strip()
    ]


def _parameter(values: Mapping[str, list[str]], field: str) -> str | None:
    return next(iter(_parameters(values, field)), None)
