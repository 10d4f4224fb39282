"""Read the body of a request into one mapping of fields: a JSON object, a form, or the bytes of a file."""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from chalice.app import Request

from chalicelib.config import settings
from chalicelib.errors import BadInput, TooLarge, Unsupported
from chalicelib.items.model import Document
from chalicelib.web.fields import SPELLINGS, plain_name

if TYPE_CHECKING:
    from multipart import MultipartPart

Body = Mapping[str, Any]

# A parameter of a header: its name and its value, which is a token or in quotes (RFC 9110 section 5.6.6).
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)', re.A)

# The field of a form that names the charset of its texts (RFC 7578 section 4.6).
_DEFAULT_CHARSET = "_charset_"

# The charsets of an extended value: UTF-8 (RFC 8187 section 3.2.1) or, as RFC 5987 also allowed, ISO-8859-1.
_EXTENDED_CHARSETS = ("utf-8", "iso-8859-1")

# The charsets of texts, by Python's names: those that browsers know (Encoding Standard, section 4.2). Python has others
# that are no charsets of texts, or take quadratic time.
_CHARSETS = frozenset(
    ["utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be", "koi8-r", "koi8-u", "mac-roman", "big5", "big5hkscs"]
    + ["gbk", "gb2312", "gb18030", "euc_jp", "shift_jis", "iso2022_jp", "euc_kr", "cp866", "cp874", "cp932", "cp949"]
    + [f"iso8859-{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)]
    + [f"cp{n}" for n in range(1250, 1259)]
)


def is_form(request: Request) -> bool:
    """Return whether the request declares its body as a form."""
    return _content_type(request) == "multipart/form-data"


def is_file(request: Request) -> bool:
    """Return whether the request declares its body as the bytes of a file."""
    content_type = _content_type(request)
    return content_type.startswith("image/") or content_type == "application/octet-stream"


def read(request: Request) -> Body:
    """Return the fields of a JSON body or of a form. A body that is a file is the only field, `file`.

    Raises Unsupported: the body is none of these, or is compressed. Raises BadInput, TooLarge: see the other functions.
    """
    content_type = _content_type(request)
    if is_form(request):
        return form(request)
    if is_file(request):
        return {"file": _content(request)}
    if content_type != "application/json":
        raise Unsupported(
            "The body must be application/json, multipart/form-data, or the file itself with its type, such as "
            f"image/jpeg; not {content_type[:100]!r}."
        )
    return json_object(request)


def json_object(request: Request) -> dict[str, Any]:
    """Return the fields of a JSON body.

    Raises Unsupported: the content type is not JSON, or the body is compressed.
    Raises BadInput: the body is not a JSON object, or is not in UTF-8 or the declared charset.
    Raises TooLarge: the body may have more than MAX_JSON_VALUES values.
    """
    import orjson

    content_type = _content_type(request)
    if content_type != "application/json":
        raise Unsupported(f"The body must be application/json, not {content_type[:100]!r}.")
    content = _content(request).removeprefix(codecs.BOM_UTF8)  # RFC 8259 section 8.1 lets us ignore it
    charset = _option(request.headers.get("content-type", ""), "charset")
    if b"\0" in content[:4] and not charset:
        raise BadInput("The body is JSON in UTF-16 or UTF-32; send it in UTF-8 (RFC 8259 section 8.1).")
    _check_values(content)
    try:
        body = orjson.loads(text("The body", content, charset) if charset else content)
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

    A field of text that is repeated is a tuple. A text is in the charset of its part, else in that of the field
    `_charset_` (RFC 7578 section 4.6), else in UTF-8.
    Raises BadInput: the form is malformed or incomplete, has two files, has a file in a text's place or vice versa, or
    has a text that is not in its charset. Raises Unsupported: the body is compressed.
    Raises TooLarge: the form exceeds MAX_FORM_PARTS, MAX_PART_HEADERS or MAX_PART_HEADER_BYTES.
    """
    parts = list(_parts(request))
    default = next((part.raw.decode("latin-1") for part in parts if part.name == _DEFAULT_CHARSET), "")
    texts: list[tuple[str, str]] = []
    file: dict[str, Any] = {}
    for part in parts:
        name, filename = plain_name(_of_header("The name of a field", part.name, default)), _filename(part, default)
        if filename is None:
            if name in SPELLINGS["file"]:
                raise BadInput(f"{name} must be a file: its part has no filename.")
            if name != _DEFAULT_CHARSET:
                charset = _option(part.headers.get("Content-Type", ""), "charset")
                texts.append((name, text(name[:100], part.raw, charset or default or "utf-8")))
        elif filename or part.raw:  # otherwise a browser's file field in which the user chose no file
            if name not in SPELLINGS["file"]:
                raise BadInput(f"{name[:100]} is not a field for a file; the file's field is called file.")
            if file:
                raise BadInput("A form may have one file; this one has more.")
            file = {"filename": filename, name: part.raw}
    return file | grouped(texts)


def grouped(values: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return fields by name. A field that is repeated is a tuple of its values."""
    fields: dict[str, list[str]] = {}
    for name, value in values:
        fields.setdefault(name, []).append(value)
    return {name: each[0] if len(each) == 1 else tuple(each) for name, each in fields.items()}


def text(name: str, content: bytes, charset: str) -> str:
    """Return a text in a charset that a client declared. `name` says what it is, for the message.

    Raises BadInput: the service does not know the charset, or the text is not in it.
    """
    try:
        codec = codecs.lookup(charset.strip())
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        codec = None
    if codec is None or codec.name not in _CHARSETS:
        raise BadInput(f"{name} is in the charset {charset[:40]!r}, which is not known here; send it in UTF-8.")
    # On the web, ISO-8859-1 means its superset Windows-1252 (Encoding Standard, section 4.2).
    decoded = "cp1252" if codec.name == "iso8859-1" else codec.name
    try:
        return content.decode(decoded)
    except UnicodeDecodeError:
        raise BadInput(f"{name} is not text in {charset.strip().upper()}.") from None


def _content(request: Request) -> bytes:
    """Return the bytes of the body.

    Raises Unsupported: the body is compressed (RFC 9110 section 8.4).
    """
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise Unsupported(f"The body has the Content-Encoding {coding[:40]!r}; send it without a Content-Encoding.")
    content: Any = request.raw_body
    return bytes(content)


def _content_type(request: Request) -> str:
    value: str = request.headers.get("content-type", "application/json")
    return value.partition(";")[0].strip().lower()


def _option(header: str, name: str) -> str:
    """Return a parameter of a header, or an empty text."""
    if ";" not in header:
        return ""
    from multipart import parse_options_header

    option: str = parse_options_header(header)[1].get(name, "")
    return option


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
    """Yield the parts of a form. Texts in their headers are decoded as ISO-8859-1: see _of_header."""
    from multipart import MultipartParser, ParserLimitReached

    limits = settings()
    boundary = _option(request.headers["content-type"], "boundary")
    body: Any = _content(request)
    try:
        parts = MultipartParser(
            BytesIO(body),
            boundary,
            len(body),
            charset="latin-1",
            strict=True,
            # All in one piece: multipart 2.0.1 refuses a form whose last line break begins a piece of its own.
            buffer_size=len(body) + 1,
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


def _filename(part: "MultipartPart", default_charset: str) -> str | None:
    """Return the filename of a part, or None if the part is not a file.

    Some clients send `filename*` (RFC 8187), although RFC 7578 section 4.2 forbids it in forms.
    """
    parameters = {name.lower(): value for name, value in _PARAMETER.findall(part.headers["Content-Disposition"])}
    charset, _, value = parameters.get("filename*", "").partition("'")
    if charset.lower() in _EXTENDED_CHARSETS and "'" in value:
        return unquote(value.partition("'")[2], charset, "replace")
    return None if part.filename is None else _of_header("The filename", part.filename, default_charset)


def _of_header(what: str, value: str, default_charset: str) -> str:
    """Return a text of a part's headers in the form's charset; else in UTF-8 or, if it is not, in Windows-1252."""
    content = value.encode("latin-1")
    if default_charset:
        return text(what, content, default_charset)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
