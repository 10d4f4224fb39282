"""The fields of a request: the spellings of each field, and the check of its value."""

import binascii
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from chalicelib import access, ids
from chalicelib.config import settings
from chalicelib.errors import BadInput, TooLarge
from chalicelib.images.model import Fit, Format
from chalicelib.index import terms
from chalicelib.index.query import Word
from chalicelib.index.terms import Kind
from chalicelib.model import CONTROL, EXTENSIONS, Visibility

T = TypeVar("T")

# The names that a field can have in a body or in a query. A dot means a field of an object. If a request uses several
# names of one field, the first name in this list counts.
SPELLINGS = {
    "file": ("image_data", "image_file", "image_base64", "image.content", "file"),
    "user_id": ("user_id", "userId", "user", "metadata.userId"),
    "title": ("title", "metadata.title"),
    "description": ("description", "metadata.description"),
    "tags": ("tags", "metadata.tags"),
    "filename": ("filename", "image.filename"),
    "visibility": ("visibility", "metadata.visibility"),
    "tag": ("tag", "tags"),
    "any_tag": ("any_tag", "anyTag"),
    "content_type": ("content_type", "contentType"),
    "checksum": ("checksum",),
    "size": ("size",),
    "image_id": ("image_id",),
    "version": ("version",),
    "updated_at": ("updated_at",),
    "include": ("include",),
    "explain": ("explain",),
    "q": ("q",),
    "date_from": ("dateFrom", "date_from"),
    "date_to": ("dateTo", "date_to"),
    "taken_from": ("takenFrom", "taken_from"),
    "taken_to": ("takenTo", "taken_to"),
    "sort": ("sort",),
    "order": ("order",),
    "limit": ("limit",),
    "prefix": ("prefix",),
    "download": ("download",),
    "type": ("type",),
    "w": ("w",),
    "h": ("h",),
    "fit": ("fit",),
    "format": ("format",),
    "wait": ("wait",),
    "signature": ("signature",),
    "distance": ("distance",),
    "last_evaluated_key": ("last_evaluated_key", "nextToken", "next_token"),
}

# The highest version that an import may have. An ETag has versions of up to 18 digits, and numbers in JSON are exact up
# to 2**53 (RFC 8259 section 6): there is room for later changes.
MAX_VERSION = 1_000_000_000_000_000

# As CONTROL, but a text may have tabs and line ends.
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# Normalizing the combining marks of one letter takes quadratic time (UAX #15, Stream-Safe Text Format: at most 30).
_MAX_MARKS = 30

_DIRECT_UPLOAD_ADVICE = " Upload it directly to S3: POST images/direct-upload."

# What some clients append to the name of a list's parameter, as PHP and axios do.
_LIST_SUFFIX = re.compile(r"\[\d{0,4}\]$", re.ASCII)

# Parameters without a meaning: `_` has a new value in each request, so that no cache answers it (jQuery).
_IGNORED_PARAMETERS = ("_",)

# What a `data:` URL has before its comma, if its data is base64 (RFC 2397 section 3).
_BASE64_HEAD = re.compile(r";\s*base64\s*$", re.I | re.A)
# The characters of base64 that a URL may have percent-encoded.
_ESCAPES = (("%2B", "+"), ("%2F", "/"), ("%3D", "="))
# The URL-safe alphabet of base64 (RFC 4648 section 5), as the standard one.
_STANDARD_ALPHABET = str.maketrans("-_", "+/")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_DAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)


def find(body: Mapping[str, Any], field: str) -> tuple[str, Any]:
    """Return the spelling of a field that a body uses, and its value; the value is None if the field is absent or null.

    If the field is absent, the spelling is the first one in SPELLINGS.
    """
    for spelling in SPELLINGS[field]:
        value: Any = body.get(spelling)  # a form has names with dots
        if value is None:
            value = body
            for name in spelling.split("."):
                value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            return spelling, value
    return SPELLINGS[field][0], None


def plain_name(name: str) -> str:
    """Return the name of a repeated field or parameter: some clients write `name[]` or `name[0]` for each value."""
    return _LIST_SUFFIX.sub("", name)


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Check the names of the parameters of a query string: each must be a spelling of a field in `known`.

    A request with a misspelled filter would otherwise list more than its client asked for.
    Raises BadInput: one is not. The message names it, the most similar known name, and the canonical names.
    """
    spellings = {spelling: field for field in known for spelling in SPELLINGS[field] if "." not in spelling}
    for name in names:
        if name not in spellings and name not in _IGNORED_PARAMETERS:
            # Imported here: most requests have no unknown parameter.
            from difflib import get_close_matches

            by_lower = {spelling.lower(): spelling for spelling in spellings}
            nearest = [by_lower[match] for match in get_close_matches(name[:100].lower(), by_lower, n=1)]
            advice = f" Did you mean {nearest[0]}?" if nearest else ""
            accepted = ", ".join(SPELLINGS[field][0] for field in dict.fromkeys(spellings.values()))
            raise BadInput(f"{name[:100]!r} is not a query parameter of this route.{advice} It accepts {accepted}.")


def text(body: Mapping[str, Any], field: str, limit: int, setting: str = "") -> str:
    """Return a text of at most `limit` characters, or an empty text if the field is absent.

    `setting` names the setting of the limit, if there is one, for the message.
    Raises BadInput: the text is too long or has control characters, or the value is not a text.
    """
    spelling, value = find(body, field)
    if value is None:
        return ""
    if isinstance(value, tuple):
        raise BadInput(f"{spelling} is given more than once.")
    if not isinstance(value, str):
        raise BadInput(f"{spelling} must be a string.")
    _check_length(spelling, value, limit, setting)
    if _CONTROL_IN_TEXT.search(value):
        raise BadInput(f"{spelling} has a control character.")
    _check_marks(spelling, value)
    return value


def user_id(value: str) -> str:
    """Return the user_id of an owner, without white space around it.

    Raises BadInput: see access.fault_of_user_id.
    """
    value = value.strip()
    if fault := access.fault_of_user_id(value):
        raise BadInput(f"user_id {fault}.")
    return value


def tags(spelling: str, value: Any, limit: int, setting: str = "MAX_TAGS") -> dict[str, str]:
    """Return tags by their folded form, from a list, a JSON array in a string, or a comma-separated string.

    A repeated field of a form is a tuple of such strings. If tags fold to the same form, the first one counts.
    `setting` names the setting of the limit, for the message.
    Raises BadInput: there are too many tags, a tag is too long, or the value has none of these forms.
    """
    if value is None:
        return {}
    if isinstance(value, str | tuple):
        texts = (value,) if isinstance(value, str) else value
        _check_tag_list(spelling, texts)
        value = [tag for text in texts for tag in _split_tags(spelling, text)]
    if not isinstance(value, list):
        raise BadInput(f"{spelling} must be a list of strings.")
    _check_tag_list(spelling, value)
    tags: dict[str, str] = {}
    for folded, tag in _folded_tags(spelling, value):
        tags.setdefault(folded, tag)
        if len(tags) > limit:
            raise BadInput(f"{spelling} has more than {limit} tags, which is the limit ({setting}).")
    return tags


def prefix(value: str | None) -> str:
    """Return a prefix of tags, folded as tags are, or an empty text if the field is absent.

    Raises BadInput: the prefix is longer than a tag can be, or has a control character.
    """
    prefix = " ".join((value or "").split())
    limit = settings().max_tag_chars
    if CONTROL.search(prefix):
        raise BadInput("prefix has a control character.")
    # The length is checked before and after folding: see _folded_tags.
    if len(prefix) > limit or len(folded := terms.fold(prefix)) > limit:
        raise BadInput(f"prefix has more than {limit} characters, which is the limit (MAX_TAG_CHARS).")
    return folded


def filename(value: str) -> str:
    """Return the last part of a filename, which may be a path on the client's machine."""
    return CONTROL.sub("", value).replace("\\", "/").rpartition("/")[2].strip()


def visibility(value: str) -> Visibility:
    """Return who may see an image.

    Raises BadInput: the value is neither `public` nor `private`.
    """
    try:
        return Visibility(value)
    except ValueError:
        raise BadInput("visibility must be public or private.") from None


def words(kind: Kind, values: Sequence[str], limit: int) -> tuple[str, ...]:
    """Return the folded words of a text filter; none if the filter is absent. Repeated filters add their words.

    Of each value, at most as many words as are indexed.
    Raises BadInput: a value has no word, the values are longer than the field can be, or its words are not indexed.
    """
    if not values:
        return ()
    _check_length(kind, " ".join(values), limit, f"MAX_{kind.upper()}_CHARS")
    if terms.max_words(kind) == 0:
        raise BadInput(f"Lists cannot be filtered by {kind}: its words are not indexed (MAX_{kind.upper()}_WORDS).")
    return _found(kind, values, partial(terms.words, kind=kind))


def query_words(values: Sequence[str]) -> tuple[Word, ...]:
    """Return the words of a free-text search; none if it is absent. Repeated searches add their words.

    Raises BadInput: a value has no word, or there are too many words or characters.
    """
    limits = settings()
    _check_length("q", " ".join(values), limits.max_query_chars, "MAX_QUERY_CHARS")
    words = _found("q", values, terms.query_words)
    if len(words) > limits.max_query_words:
        raise BadInput(f"q has more than {limits.max_query_words} words, which is the limit (MAX_QUERY_WORDS).")
    return words


def content_type(value: str) -> str:
    """Return the content type of an image, without parameters.

    Raises BadInput: the service does not accept the content type.
    """
    content_type = value.partition(";")[0].strip().lower()
    if content_type not in EXTENSIONS:
        raise BadInput(f"content_type must be one of {', '.join(EXTENSIONS)}.")
    return content_type


def size(body: Mapping[str, Any]) -> int:
    """Return the size of a file in bytes.

    Raises BadInput: the value is not a whole number above 0.
    """
    spelling, value = find(body, "size")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadInput(f"{spelling} must be the size of the file in bytes, a whole number above 0.")
    return value


def checksum(value: str) -> str:
    """Return a SHA-256 in lower-case hexadecimal.

    Raises BadInput: the value is not 64 hexadecimal digits.
    """
    checksum = value.strip().lower()
    if not re.fullmatch("[0-9a-f]{64}", checksum):
        raise BadInput("checksum must be a SHA-256: 64 hexadecimal digits.")
    return checksum


def image_id(value: str) -> str:
    """Return the id of an image that exists elsewhere.

    Raises BadInput: the value is not a UUIDv7 in its canonical form, or its time is in the future.
    """
    if not ids.is_uuid7(value):
        raise BadInput("image_id must be a UUIDv7 in lower case, as an export has it.")
    if ids.milliseconds(value) > ids.milliseconds_of(ids.now()):
        raise BadInput("image_id has a time in the future.")
    return value


def version(body: Mapping[str, Any]) -> int:
    """Return the version of an image that exists elsewhere; 1 if the field is absent.

    Raises BadInput: the value is not a whole number from 1 to MAX_VERSION.
    """
    spelling, value = find(body, "version")
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_VERSION:
        raise BadInput(f"{spelling} must be a whole number from 1 to {MAX_VERSION}.")
    return value


def updated_at(value: str, image_id: str, version: int) -> str:
    """Return when an image that exists elsewhere was changed: RFC 3339, UTC. The first version was never changed.

    Raises BadInput: the value is not a time; is not the time of creation although the version is 1; or is missing,
    before the creation or in the future.
    """
    created_at = ids.created_at(image_id)
    if not value and version > 1:
        raise BadInput("updated_at is missing; an image whose version is above 1 was changed at some time.")
    if not value:
        return created_at
    changed_at = ids.timestamp_of(timestamp_ms("updated_at", value, 0))
    if version == 1 and changed_at != created_at:
        raise BadInput(f"updated_at must be {created_at}, the time of image_id, or be absent, because version is 1.")
    if not created_at <= changed_at <= ids.now():
        raise BadInput(f"updated_at must not be before {created_at}, the time of image_id, nor in the future.")
    return changed_at


def flag(spelling: str, value: str | None) -> bool:
    """Return whether a flag is set; an absent flag is not set.

    Raises BadInput: the value is neither true nor false.
    """
    flag = (value or "false").lower()
    if flag not in ("true", "false", "1", "0"):
        raise BadInput(f"{spelling} must be true or false.")
    return flag in ("true", "1")


def timestamp_ms(spelling: str, value: str | None, default: int, *, end: bool = False, earliest: int = 0) -> int:
    """Return a date, or a time of RFC 3339, in milliseconds since the epoch; `default` if the field is absent.

    A time without an offset is UTC. As the `end` of a range, a date includes its whole day and a time its whole
    millisecond: the result is the first millisecond after it. A time before `earliest` counts as `earliest`.
    Raises BadInput: the value is neither a date nor a time, or is outside of the calendar.
    """
    if value is None:
        return default
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            day = date.fromisoformat(value)
            time, unit = datetime(day.year, day.month, day.day, tzinfo=UTC), _DAY
        elif re.match(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}", value, re.ASCII):
            # A plus sign that is not escaped in a URL arrives as a space.
            text = value[:11].upper() + value[11:].upper().replace(" ", "+")
            time, unit = datetime.fromisoformat(text), _MILLISECOND
            time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        else:
            raise ValueError
        time = min(time, _LAST - unit) + unit if end else time
    except (ValueError, OverflowError):
        raise BadInput(
            f"{spelling} must be a date such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z."
        ) from None
    return max(earliest, (time - _EPOCH) // _MILLISECOND)


def limit(value: str | None, default: int) -> int:
    """Return the size of a page.

    Raises BadInput: the value is not a whole number from 1 to MAX_PAGE_SIZE.
    """
    return default if value is None else whole_number("limit", value, 1, settings().max_page_size, " (MAX_PAGE_SIZE)")


def whole_number(spelling: str, value: str, minimum: int, maximum: int, reason: str = "") -> int:
    """Return a whole number from `minimum` to `maximum`. The message ends with `reason`, which explains these bounds.

    Raises BadInput: the value is not such a number.
    """
    # At most nine digits: int() raises its own ValueError for numbers of thousands of digits.
    if not (value.isascii() and value.isdigit() and len(value) < 10 and minimum <= int(value) <= maximum):
        raise BadInput(f"{spelling} must be a whole number from {minimum} to {maximum}{reason}.")
    return int(value)


def distance(value: str | None) -> int:
    """Return in how many bits the perceptual hashes of similar images may differ; by default, in as many as possible.

    Raises BadInput: the value is above the maximum or not a whole number.
    """
    maximum = terms.BANDS - 1
    if value is None:
        return maximum
    reason = f": images are found by the {terms.BANDS} parts of their hashes, of which one must be equal"
    return whole_number("distance", value, 0, maximum, reason)


def fit(value: str) -> Fit:
    """Return how a picture fills a box.

    Raises BadInput: the value is neither `contain` nor `cover`.
    """
    try:
        return Fit(value.lower())
    except ValueError:
        raise BadInput("fit must be contain or cover.") from None


def picture_format(value: str) -> Format:
    """Return the format of a picture.

    Raises BadInput: there is no such format.
    """
    try:
        return Format(value.lower())
    except ValueError:
        raise BadInput("format must be auto, webp, avif, jpeg or original.") from None


def file(body: Mapping[str, Any]) -> bytes:
    """Return the bytes of an image: those of a file, or decoded from base64 or from a `data:` URL.

    Base64 may have white space in it, may lack its padding, and may have the URL-safe alphabet.
    Raises BadInput: there is no file, or it is empty or not base64. Raises TooLarge.
    """
    spelling, value = find(body, "file")
    if value in (None, ""):
        raise BadInput("The image is missing: send it as image_data in JSON or as file in a form.")
    if isinstance(value, bytes):
        return _checked(value, spelling, settings().max_form_image_bytes, "MAX_FORM_IMAGE_BYTES")
    if not isinstance(value, str):
        raise BadInput(f"{spelling} must be a string.")
    limit = settings().max_image_bytes
    if value[:5].lower() == "data:":
        value = _data_of_url(spelling, value)
    return _checked(_from_base64(spelling, value, limit), spelling, limit, "MAX_IMAGE_BYTES")


def _data_of_url(spelling: str, url: str) -> str:
    """Return the base64 in a `data:` URL.

    Raises BadInput: the URL's data is not declared as base64.
    """
    head, comma, data = url.partition(",")
    if not comma or not _BASE64_HEAD.search(head):
        raise BadInput(f"{spelling} is a data: URL without base64; it must begin like data:image/png;base64, instead.")
    for escape, character in _ESCAPES:
        data = data.replace(escape, character).replace(escape.lower(), character)
    return data


def _from_base64(spelling: str, value: str, limit: int) -> bytes:
    import pybase64

    value = "".join(value.split()).translate(_STANDARD_ALPHABET)
    if len(value) // 4 * 3 > limit + 2:  # before decoding, which takes memory
        raise TooLarge("The image", limit, "bytes", "MAX_IMAGE_BYTES", _DIRECT_UPLOAD_ADVICE)
    unpadded = value.rstrip("=")
    if len(value) - len(unpadded) > 2:
        raise BadInput(f"{spelling} is not valid base64.")
    try:
        return pybase64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadInput(f"{spelling} is not valid base64.") from None


def _checked(content: bytes, spelling: str, limit: int, setting: str) -> bytes:
    if len(content) > limit:
        raise TooLarge("The image", limit, "bytes", setting, _DIRECT_UPLOAD_ADVICE)
    if not content:
        raise BadInput(f"{spelling} is empty.")
    return content


def _check_length(spelling: str, value: str, limit: int, setting: str) -> None:
    if len(value) > limit:
        named = f" ({setting})" if setting else ""
        raise BadInput(f"{spelling} has more than {limit} characters, which is the limit{named}.")


def _check_marks(spelling: str, value: str) -> None:
    if value.isascii():
        return
    marks = 0
    for character in value:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > _MAX_MARKS:
            raise BadInput(f"{spelling} has more than {_MAX_MARKS} combining marks on one letter.")


def _found(spelling: str, values: Iterable[str], find: Callable[[str], Iterable[T]]) -> tuple[T, ...]:
    """Return the words that `find` returns for the values, each once.

    Raises BadInput: a value has no word.
    """
    words: dict[T, None] = {}
    for value in values:
        _check_marks(spelling, value)
        found = dict.fromkeys(find(value))
        if not found:
            raise BadInput(f"{spelling} must have at least one letter or digit.")
        words |= found
    return tuple(words)


def _check_tag_list(spelling: str, tags: Sequence[Any]) -> None:
    """Check the size of tags before each of them takes time. A list counts as the same tags separated by commas."""
    limit = settings().max_tag_list_chars
    if len(tags) <= limit and not all(isinstance(tag, str) for tag in tags):
        raise BadInput(f"{spelling} must be a list of strings.")
    if len(tags) > limit or sum(map(len, tags)) + len(tags) - 1 > limit:
        raise BadInput(f"{spelling} has more than {limit} characters, which is the limit (MAX_TAG_LIST_CHARS).")


def _split_tags(spelling: str, value: str) -> Any:
    import orjson

    try:
        return orjson.loads(value) if value.lstrip().startswith("[") else value.split(",")
    except ValueError:
        raise BadInput(f"{spelling} looks like a JSON array but is not valid JSON.") from None


def _folded_tags(spelling: str, tags: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yield each tag that is not empty, after its folded form."""
    limit = settings().max_tag_chars
    for tag in filter(None, (" ".join(tag.split()) for tag in tags)):
        # The length is checked before folding, which takes quadratic time for a long tag, and after folding, which can
        # make a tag longer: the folded tag is a partition key.
        if len(tag) > limit or len(folded := terms.fold(tag)) > limit:
            raise BadInput(f"{spelling} has a tag of more than {limit} characters, which is the limit (MAX_TAG_CHARS).")
        if CONTROL.search(tag):
            raise BadInput(f"{spelling} has a tag with a control character.")
        yield folded, tag
