"""Read the body of a request, a JSON object or a form, into one mapping of fields."""

import re
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from chalice.app import Request

from chalicelib.config import settings
from chalicelib.errors import BadInput, TooLarge, Unsupported
from chalicelib.items.model import Document
from chalicelib.web.fields import SPELLINGS

if TYPE_CHECKING:
    from multipart import MultipartPart

Body = Mapping[str, Any]

# An extended parameter value (RFC 8187 section 3.2.1) in UTF-8 or, as RFC 5987 also allowed, in ISO-8859-1.
_EXTENDED_FILENAME = re.compile(
    r";\s*filename\*=(?P<charset>utf-8|iso-8859-1)'[\w-]*'(?P<value>[^\s;\"]*)", re.I | re.A
)


def is_form(request: Request) -> bool:
    """Return whether the request declares its body as a form."""
    return _content_type(request) == "multipart/form-data"


def read(request: Request) -> Body:
    """Return the fields of a JSON body or of a form.

    Raises Unsupported: the body is neither. Raises BadInput, TooLarge: see json_object and form.
    """
    content_type = _content_type(request)
    if content_type not in ("application/json", "multipart/form-data"):
        raise Unsupported(f"The body must be application/json or multipart/form-data, not {content_type[:100]!r}.")
    return form(request) if is_form(request) else json_object(request)


def json_object(request: Request) -> dict[str, Any]:
    """Return the fields of a JSON body.

    Raises Unsupported: the content type is not JSON. Raises BadInput: the body is not a JSON object.
    Raises TooLarge: the body may have more than MAX_JSON_VALUES values.
    """
    import orjson

    content_type = _content_type(request)
    if content_type != "application/json":
        raise Unsupported(f"The body must be application/json, not {content_type[:100]!r}.")
    raw: Any = request.raw_body
    _check_values(raw)
    try:
        body = orjson.loads(raw)
    except ValueError:
        raise BadInput("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise BadInput("The body must be a JSON object.")
    return body


def document(request: Request) -> Document:
    """Return a JSON body that the service stores unchanged.

    Raises Unsupported, BadInput: see json_object. Raises BadInput: the body is nested deeper than MAX_ITEM_DEPTH.
    """
    document = json_object(request)
    limit = settings().max_item_depth
    if _is_deeper(document, limit):
        raise BadInput(f"The body is nested more than {limit} levels deep, which is the limit (MAX_ITEM_DEPTH).")
    return document


def form(request: Request) -> Body:
    """Return the fields of a multipart/form-data body (RFC 7578): texts, the bytes of one file, and its filename.

    A field of text that is repeated is a tuple.
    Raises BadInput: the form is malformed or incomplete, has two files, or has a file in a text's place or vice versa.
    Raises TooLarge: the form exceeds MAX_FORM_PARTS, MAX_PART_HEADERS or MAX_PART_HEADER_BYTES.
    """
    texts: dict[str, list[str]] = {}
    file: dict[str, Any] = {}
    for part in _parts(request):
        name, filename, content = part.name, _filename(part), part.raw
        if filename is None:
            if name in SPELLINGS["file"]:
                raise BadInput(f"{name} must be a file: its part has no filename.")
            texts.setdefault(name, []).append(_text(name, content))
        elif filename or content:  # otherwise a browser's file field in which the user chose no file
            if name not in SPELLINGS["file"]:
                raise BadInput(f"{name[:100]} is not a field for a file; the file's field is called file.")
            if file:
                raise BadInput("A form may have one file; this one has more.")
            file = {"filename": filename, name: content}
    return file | {name: values[0] if len(values) == 1 else tuple(values) for name, values in texts.items()}


def _content_type(request: Request) -> str:
    value: str = request.headers.get("content-type", "application/json")
    return value.partition(";")[0].strip().lower()


def _check_values(body: bytes) -> None:
    """Check the number of values before they are parsed, which can take seconds. Each value follows one of these."""
    limit = settings().max_json_values
    if sum(map(body.count, (b",", b"[", b"{"))) > limit:
        raise TooLarge("The body", limit, "commas and opening brackets", "MAX_JSON_VALUES")


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether objects and lists are nested more than `levels` deep.

    Without recursion: a document from a client may be nested deeper than Python's recursion limit.
    """
    level = [value]
    for _ in range(levels):
        level = [inner for outer in level for inner in _members(outer)]
    return any(isinstance(value, dict | list) for value in level)


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _parts(request: Request) -> "Iterator[MultipartPart]":
    from multipart import MultipartParser, ParserLimitReached, parse_options_header

    limits = settings()
    boundary = parse_options_header(request.headers["content-type"])[1].get("boundary", "")
    try:
        body: Any = request.raw_body
        parts = MultipartParser(
            BytesIO(body),
            boundary,
            len(body),
            strict=True,
            header_limit=limits.max_part_headers,
            headersize_limit=limits.max_part_header_bytes,
            part_limit=limits.max_form_parts + 1,
            # The body is already in memory: never spool a part to the disk.
            spool_limit=len(body) + 1,
            memory_limit=len(body) + 1,
        )
        for count, part in enumerate(parts):
            if count == limits.max_form_parts:
                raise TooLarge("The form", limits.max_form_parts, "parts", "MAX_FORM_PARTS")
            yield part
    except ParserLimitReached:
        unit = f"headers, or {limits.max_part_header_bytes} bytes in one"
        exceeded = "MAX_PART_HEADERS, MAX_PART_HEADER_BYTES"  # the parser does not say which
        raise TooLarge("A part of the form", limits.max_part_headers, unit, exceeded) from None
    except ValueError:  # the base class of MultipartError
        raise BadInput(
            "The form is malformed or incomplete: check each boundary, also the final one, and each part's headers."
        ) from None


def _filename(part: "MultipartPart") -> str | None:
    """Return the filename of a part, or None if the part is not a file.

    Some clients send `filename*` (RFC 8187), although RFC 7578 section 4.2 forbids it in forms.
    """
    match = _EXTENDED_FILENAME.search(part.headers["Content-Disposition"])
    if match:
        return unquote(match["value"], match["charset"], "replace")
    filename: str | None = part.filename
    return filename


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadInput(f"{name[:100]} is not text in UTF-8.") from None
