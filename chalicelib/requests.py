"""One tolerant reader: any of the accepted spellings and forms of a request -> one value, its fields within limits."""

import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from chalice.app import Request, S3Event

from chalicelib import terms
from chalicelib.config import settings
from chalicelib.errors import BadInput, TooLarge, Unsupported
from chalicelib.model import ITEM_NAMES, Document, ItemQuery, ObjectCreated, Query, Upload, Visibility

# What a field may be called; a dot leads into an object. The first that is there counts.
SPELLINGS = {
    "file": ("image_data", "image_file", "image_base64", "image.content"),
    "user_id": ("user_id", "userId", "user", "metadata.userId"),
    "title": ("title", "metadata.title"),
    "description": ("description", "metadata.description"),
    "tags": ("tags", "metadata.tags"),
    "filename": ("filename", "image.filename"),
    "visibility": ("visibility", "metadata.visibility"),
    "tag": ("tag", "tags"),
    "limit": ("limit",),
    "download": ("download",),
    "last_evaluated_key": ("last_evaluated_key", "nextToken", "next_token"),
}

# Control characters, and what no encoding of text has; in a text, tabs and line ends are welcome.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# RFC 9110 section 8.8.3; those that are weak never match (section 13.1.1).
_ETAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')


def upload(request: Request) -> Upload:
    """An upload from a JSON body.

    Raises BadInput, TooLarge, Unsupported: the sentence names the field.
    """
    body = _json_object(request)
    limits = settings()
    return Upload(
        user_id=_user_id(_text(body, "user_id", limits.max_user_id_chars)),
        title=_text(body, "title", limits.max_title_chars),
        description=_text(body, "description", limits.max_description_chars),
        tags=tuple(_tags(*_find(body, "tags"), limits.max_tags).values()),
        filename=_filename(_text(body, "filename", limits.max_filename_chars)),
        visibility=_visibility(_text(body, "visibility", 16)),
        file=_base64(body),
    )


def query(request: Request) -> Query:
    """A list query from the query string.

    Raises BadInput: the sentence names the parameter.
    """
    limits = settings()
    values = _query_string(request)
    owner = _parameter(values, "user_id")
    folded = {tag for text in _parameters(values, "tag") for tag in _tags("tag", text, limits.max_query_tags)}
    if len(folded) > limits.max_query_tags:
        raise BadInput(f"tag has more than {limits.max_query_tags} tags, which is the limit (MAX_QUERY_TAGS).")
    return Query(
        user_id=_user_id(owner) if owner else None,
        tags=tuple(sorted(folded)),  # in whichever order they came: cursors are for this one
        limit=_limit(_parameter(values, "limit")),
        cursor=_parameter(values, "last_evaluated_key"),
    )


def item(request: Request) -> Document:
    """A new item's document, from a JSON body.

    Raises BadInput, Unsupported: the sentence names the field.
    """
    document = _document(request)
    for name in ITEM_NAMES:
        if name in document:
            raise BadInput(f"{name} is given by the service, and can't be a field of an item.")
    return document


def item_fields(request: Request) -> Document:
    """The fields of an item to set, from a JSON body, which may hold what the service gave beside them.

    Raises BadInput, Unsupported.
    """
    fields = {name: value for name, value in _document(request).items() if name not in ITEM_NAMES}
    if not fields:
        raise BadInput("The body has no field to set.")
    return fields


def item_query(request: Request) -> ItemQuery:
    """A request for items from the query string.

    Raises BadInput: the sentence names the parameter.
    """
    values = _query_string(request)
    return ItemQuery(_limit(_parameter(values, "limit")), _parameter(values, "last_evaluated_key"))


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
    text = (_parameter(_query_string(request), "download") or "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise BadInput("download must be true or false.")
    return text in ("true", "1")


def named_user(request: Request) -> str | None:
    """Whom a request names as its caller: by `X-User-Id`, else by the query string."""
    named = request.headers.get("x-user-id", "").strip() or _parameter(_query_string(request), "user_id")
    return named.strip() if named else None


def bearer(request: Request) -> str | None:
    """The bearer token of a request, if any (RFC 6750 section 2.1)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def object_created(event: S3Event) -> ObjectCreated:
    """S3's notice of one object."""
    written = datetime.fromisoformat(event.to_dict()["Records"][0]["eventTime"])
    return ObjectCreated(key=event.key, written_at=written.timestamp())


def _json_object(request: Request) -> dict[str, Any]:
    import orjson

    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Unsupported(f"The body must be application/json, not {content_type[:100]!r}.")
    try:
        body = orjson.loads(request.raw_body)
    except ValueError:
        raise BadInput("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise BadInput("The body must be a JSON object.")
    return body


def _document(request: Request) -> Document:
    document = _json_object(request)
    limit = settings().max_item_depth
    if _is_deeper(document, limit):
        raise BadInput(f"The body is nested more than {limit} levels deep, which is the limit (MAX_ITEM_DEPTH).")
    return document


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether more than so many objects and lists lie within each other; without recursion."""
    level = [value]
    for _ in range(levels):
        level = [inner for outer in level for inner in _members(outer)]
    return any(isinstance(value, dict | list) for value in level)


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _find(body: Mapping[str, Any], field: str) -> tuple[str, Any]:
    """A field's value in whichever spelling is there, with the spelling; None where it is absent or null."""
    for spelling in SPELLINGS[field]:
        value: Any = body
        for step in spelling.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            return spelling, value
    return SPELLINGS[field][0], None


def _text(body: Mapping[str, Any], field: str, limit: int) -> str:
    spelling, value = _find(body, field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadInput(f"{spelling} must be a string.")
    if _CONTROL_IN_TEXT.search(value):
        raise BadInput(f"{spelling} has a control character.")
    if len(value) > limit:
        raise BadInput(f"{spelling} has more than {limit} characters, which is the limit.")
    return value


def _user_id(text: str) -> str:
    text = text.strip()
    if not text:
        raise BadInput("user_id is missing.")
    # It is the first part of an object key, and of a URL's path.
    if "/" in text or "\\" in text or text in (".", "..") or _CONTROL.search(text):
        raise BadInput("user_id must not have slashes or control characters, nor be '.' or '..'.")
    if len(text) > settings().max_user_id_chars:
        raise BadInput(f"user_id has more than {settings().max_user_id_chars} characters, which is the limit.")
    return text


def _tags(spelling: str, value: Any, limit: int) -> dict[str, str]:
    """Tags, as given, by what they fold to: from a list, a JSON array in a string, or a comma-separated string.

    The same one twice counts once, as it was given first.
    """
    import orjson

    if value is None:
        return {}
    if isinstance(value, str):
        try:
            value = orjson.loads(value) if value.lstrip().startswith("[") else value.split(",")
        except ValueError:
            raise BadInput(f"{spelling} begins like a JSON array and is none.") from None
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise BadInput(f"{spelling} must be a list of strings.")
    tags: dict[str, str] = {}
    for folded, tag in _folded(spelling, value):
        tags.setdefault(folded, tag)
    if len(tags) > limit:
        raise BadInput(f"{spelling} has more than {limit} tags, which is the limit.")
    return tags


def _folded(spelling: str, tags: Iterable[str]) -> Iterable[tuple[str, str]]:
    limit = settings().max_tag_chars
    for tag in filter(None, (" ".join(tag.split()) for tag in tags)):
        folded = terms.fold(tag)
        # Folding can make a tag longer, and it is the folded one that is a partition key.
        if max(len(tag), len(folded)) > limit:
            raise BadInput(f"{spelling} has a tag of more than {limit} characters, which is the limit.")
        if _CONTROL.search(tag):
            raise BadInput(f"{spelling} has a tag with a control character.")
        yield folded, tag


def _filename(text: str) -> str:
    """The last part of what may be a path of the client's."""
    return _CONTROL.sub("", text).replace("\\", "/").rpartition("/")[2].strip()


def _visibility(text: str) -> Visibility:
    try:
        return Visibility(text or "public")
    except ValueError:
        raise BadInput("visibility must be public or private.") from None


def _limit(text: str | None) -> int:
    most = settings().max_page_size
    if text is None:
        return settings().default_page_size
    # int() refuses numbers of thousands of digits in an error of its own.
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise BadInput(f"limit must be a whole number from 1 to {most}.")
    return int(text)


def _base64(body: Mapping[str, Any]) -> bytes:
    """The bytes of an image from base64, with line breaks and the head of a `data:` URL left out."""
    import pybase64

    spelling, text = _find(body, "file")
    if text in (None, ""):
        raise BadInput(f"{spelling} is missing.")
    if not isinstance(text, str):
        raise BadInput(f"{spelling} must be a string.")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    text = "".join(text.split())
    if len(text) // 4 * 3 > settings().max_image_bytes + 2:
        raise TooLarge("The image", settings().max_image_bytes, "bytes", "MAX_IMAGE_BYTES")
    try:
        file = pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput(f"{spelling} is not valid base64.") from None
    if len(file) > settings().max_image_bytes:
        raise TooLarge("The image", settings().max_image_bytes, "bytes", "MAX_IMAGE_BYTES")
    if not file:
        raise BadInput(f"{spelling} is empty.")
    return file


def _query_string(request: Request) -> Mapping[str, list[str]]:
    parameters = request.to_original_event().get("multiValueQueryStringParameters")
    return parameters or {}


def _parameters(values: Mapping[str, list[str]], field: str) -> list[str]:
    return [text for spelling in SPELLINGS[field] for text in values.get(spelling, ()) if text.strip()]


def _parameter(values: Mapping[str, list[str]], field: str) -> str | None:
    return next(iter(_parameters(values, field)), None)
