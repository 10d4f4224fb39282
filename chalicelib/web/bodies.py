"""The body of a request, a JSON object or a form, as one mapping of fields."""

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

# RFC 8187 section 3.2.1, of the two charsets that every reader knows.
_EXTENDED_FILENAME = re.compile(
    r";\s*filename\*=(?P<charset>utf-8|iso-8859-1)'[\w-]*'(?P<value>[^\s;\"]*)", re.I | re.A
)


def is_form(request: Request) -> bool:
    """Whether a body says that it is a form."""
    return _content_type(request) == "multipart/form-data"


def read(request: Request) -> Body:
    """The fields of a body, in whichever of the two forms it is.

    Raises Unsupported: neither. Raises BadInput, TooLarge: see json_object and form.
    """
    content_type = _content_type(request)
    if content_type not in ("application/json", "multipart/form-data"):
        raise Unsupported(f"The body must be application/json or multipart/form-data, not {content_type[:100]!r}.")
    return form(request) if is_form(request) else json_object(request)


def json_object(request: Request) -> dict[str, Any]:
    """The fields of a JSON body.

    Raises Unsupported: it says that it is something else. Raises BadInput: it is no JSON object.
    """
    import orjson

    content_type = _content_type(request)
    if content_type != "application/json":
        raise Unsupported(f"The body must be application/json, not {content_type[:100]!r}.")
    try:
        body = orjson.loads(request.raw_body)
    except ValueError:
        raise BadInput("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise BadInput("The body must be a JSON object.")
    return body


def document(request: Request) -> Document:
    """A JSON body that is kept as it is.

    Raises Unsupported, BadInput: see json_object. Raises BadInput: deeper than MAX_ITEM_DEPTH.
    """
    found = json_object(request)
    limit = settings().max_item_depth
    if _is_deeper(found, limit):
        raise BadInput(f"The body is nested more than {limit} levels deep, which is the limit (MAX_ITEM_DEPTH).")
    return found


def form(request: Request) -> Body:
    """The fields of a multipart/form-data body (RFC 7578): texts, and the bytes of the one file, with its filename.

    A text that is repeated comes as a tuple.
    Raises BadInput: broken, without its final boundary, two files, a file where text should be, or the reverse.
    Raises TooLarge: over MAX_FORM_PARTS, MAX_PART_HEADERS or MAX_PART_HEADER_BYTES.
    """
    texts: dict[str, list[str]] = {}
    file: dict[str, Any] = {}
    for part in _parts(request):
        name, filename, content = part.name, _filename(part), part.raw
        if filename is None:
            if name in SPELLINGS["file"]:
                raise BadInput(f"{name} must be a file: its part has no filename.")
            texts.setdefault(name, []).append(_text(name, content))
        elif filename or content:  # else a browser's field for a file, and none was chosen
            if name not in SPELLINGS["file"]:
                raise BadInput(f"{name[:100]} is not a field for a file; the file's field is called file.")
            if file:
                raise BadInput("A form may have one file; this one has more.")
            file = {"filename": filename, name: content}
    return file | {name: given[0] if len(given) == 1 else tuple(given) for name, given in texts.items()}


def _content_type(request: Request) -> str:
    value: str = request.headers.get("content-type", "application/json")
    return value.partition(";")[0].strip().lower()


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
            # It is all in memory already, and nothing of it is to lie on a disk.
            spool_limit=len(body) + 1,
            memory_limit=len(body) + 1,
        )
        for count, part in enumerate(parts):
            if count == limits.max_form_parts:
                raise TooLarge("The form", limits.max_form_parts, "parts", "MAX_FORM_PARTS")
            yield part
    except ParserLimitReached:
        most = f"headers, or {limits.max_part_header_bytes} bytes in one"
        names = "MAX_PART_HEADERS, MAX_PART_HEADER_BYTES"
        raise TooLarge("A part of the form", limits.max_part_headers, most, names) from None
    except ValueError:  # MultipartError is one
        raise BadInput(
            "The form is not whole: a boundary, the last one perhaps, or a part's header is wrong."
        ) from None


def _filename(part: "MultipartPart") -> str | None:
    """What a part says that its file is called; None: it is no file.

    Some clients send `filename*` (RFC 8187), though RFC 7578 section 4.2 has forms do without.
    """
    extended = _EXTENDED_FILENAME.search(part.headers["Content-Disposition"])
    if extended:
        return unquote(extended["value"], extended["charset"], "replace")
    filename: str | None = part.filename
    return filename


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadInput(f"{name[:100]} is not text in UTF-8.") from None
