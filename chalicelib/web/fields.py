"""The fields of a request: how each may be spelled, and the rule that its value keeps."""

import binascii
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chalicelib.config import settings
from chalicelib.errors import BadInput, TooLarge
from chalicelib.images.model import Fit, Format
from chalicelib.index import terms
from chalicelib.index.terms import Kind
from chalicelib.model import EXTENSIONS, Visibility

# What a field may be called, in a body and in a query; a dot leads into an object. The first that is there counts.
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
    "include": ("include",),
    "explain": ("explain",),
    "date_from": ("dateFrom", "date_from"),
    "date_to": ("dateTo", "date_to"),
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
    "distance": ("distance",),
    "last_evaluated_key": ("last_evaluated_key", "nextToken", "next_token"),
}

# Control characters, and what no encoding of text has; in a text, tabs and line ends are welcome.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# Ordering the marks of one letter takes quadratic time (UAX #15, Stream-Safe Text Format: 30 at most).
_MOST_MARKS = 30

_WAY_OUT = " Larger ones go to S3 directly: POST images/direct-upload."

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_DAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)


def find(body: Mapping[str, Any], field: str) -> tuple[str, Any]:
    """A field's value in whichever spelling is there, with the spelling; None where it is absent or null."""
    for spelling in SPELLINGS[field]:
        value: Any = body.get(spelling)  # a form has dots in names
        if value is None:
            value = body
            for step in spelling.split("."):
                value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            return spelling, value
    return SPELLINGS[field][0], None


def text(body: Mapping[str, Any], field: str, limit: int) -> str:
    """A text of at most `limit` characters; empty where it is absent.

    Raises BadInput: too long, no text, or with control characters.
    """
    spelling, value = find(body, field)
    if value is None:
        return ""
    if isinstance(value, tuple):
        raise BadInput(f"{spelling} is given more than once.")
    if not isinstance(value, str):
        raise BadInput(f"{spelling} must be a string.")
    if _CONTROL_IN_TEXT.search(value):
        raise BadInput(f"{spelling} has a control character.")
    if len(value) > limit:
        raise BadInput(f"{spelling} has more than {limit} characters, which is the limit.")
    if not value.isascii() and _has_too_many_marks(value):
        raise BadInput(f"{spelling} has more than {_MOST_MARKS} combining marks on one letter.")
    return value


def user_id(value: str) -> str:
    """An owner's name.

    Raises BadInput: none, too long, or not fit to be the first part of an object key and of a URL's path.
    """
    value = value.strip()
    if not value:
        raise BadInput("user_id is missing.")
    if "/" in value or "\\" in value or value in (".", "..") or _CONTROL.search(value):
        raise BadInput("user_id must not have slashes or control characters, nor be '.' or '..'.")
    if len(value) > settings().max_user_id_chars:
        raise BadInput(f"user_id has more than {settings().max_user_id_chars} characters, which is the limit.")
    return value


def tags(spelling: str, value: Any, limit: int) -> dict[str, str]:
    """Tags, as given, by what they fold to: from a list, a JSON array in a string, or a comma-separated string.

    A form's repeated field comes as a tuple of such strings. The same tag twice counts once, as it was given first.
    Raises BadInput: too many, one too long, or none of these forms.
    """
    if value is None:
        return {}
    if isinstance(value, str):
        value = _listed(spelling, value)
    elif isinstance(value, tuple):
        value = [tag for each in value for tag in _listed(spelling, each)]
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise BadInput(f"{spelling} must be a list of strings.")
    found: dict[str, str] = {}
    for folded, tag in _folded(spelling, value):
        found.setdefault(folded, tag)
        if len(found) > limit:
            raise BadInput(f"{spelling} has more than {limit} tags, which is the limit.")
    return found


def prefix(value: str | None) -> str:
    """What tags begin with, folded as they are; empty where it is absent.

    Raises BadInput: longer than a tag may be, or with a control character.
    """
    found = " ".join((value or "").split())
    most = settings().max_tag_chars
    if _CONTROL.search(found):
        raise BadInput("prefix has a control character.")
    # Before it is folded and behind: see _folded.
    if len(found) > most or len(folded := terms.fold(found)) > most:
        raise BadInput(f"prefix has more than {most} characters, which is the limit.")
    return folded


def filename(value: str) -> str:
    """The last part of what may be a path of the client's."""
    return _CONTROL.sub("", value).replace("\\", "/").rpartition("/")[2].strip()


def visibility(value: str) -> Visibility:
    """Who may see an image.

    Raises BadInput: neither `public` nor `private`.
    """
    try:
        return Visibility(value)
    except ValueError:
        raise BadInput("visibility must be public or private.") from None


def words(kind: Kind, value: str | None, limit: int) -> tuple[str, ...]:
    """The words that a text filter asks for, folded, as many as count; none where it is absent.

    Raises BadInput: it has no word in it, is longer than the field it is for, or the field isn't found by words here.
    """
    if value is None:
        return ()
    if len(value) > limit:
        raise BadInput(f"{kind} has more than {limit} characters, which is the limit.")
    if not value.isascii() and _has_too_many_marks(value):
        raise BadInput(f"{kind} has more than {_MOST_MARKS} combining marks on one letter.")
    if terms.max_words(kind) == 0:
        raise BadInput(f"Images aren't found by their {kind} here (MAX_{kind.upper()}_WORDS).")
    found = terms.words(value, kind)
    if not found:
        raise BadInput(f"{kind} has no letter or digit to look for.")
    return found


def content_type(value: str) -> str:
    """The content type of an image, without parameters.

    Raises BadInput: none that is accepted here.
    """
    found = value.partition(";")[0].strip().lower()
    if found not in EXTENSIONS:
        raise BadInput(f"content_type must be one of {', '.join(EXTENSIONS)}.")
    return found


def size(body: Mapping[str, Any]) -> int:
    """How many bytes a file has.

    Raises BadInput: no whole number above 0.
    """
    spelling, value = find(body, "size")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadInput(f"{spelling} must be the number of bytes of the file.")
    return value


def checksum(value: str) -> str:
    """A SHA-256, in lower-case hex.

    Raises BadInput: not 64 hexadecimal digits.
    """
    found = value.strip().lower()
    if not re.fullmatch("[0-9a-f]{64}", found):
        raise BadInput("checksum must be a SHA-256: 64 hexadecimal digits.")
    return found


def flag(spelling: str, value: str | None) -> bool:
    """Whether something is asked for; not where it is absent.

    Raises BadInput: neither true nor false.
    """
    found = (value or "false").lower()
    if found not in ("true", "false", "1", "0"):
        raise BadInput(f"{spelling} must be true or false.")
    return found in ("true", "1")


def moment(spelling: str, value: str | None, absent: int, *, ends: bool = False) -> int:
    """A date, or a time of RFC 3339, as milliseconds since the epoch; it is UTC where it has no offset.

    Where it `ends` a range, the first millisecond behind it: the day or the millisecond that it names is within.
    Raises BadInput: neither, or out of the calendar.
    """
    if value is None:
        return absent
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            day = date.fromisoformat(value)
            found, step = datetime(day.year, day.month, day.day, tzinfo=UTC), _DAY
        elif re.match(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}", value, re.ASCII):
            # A plus that was not escaped in a URL comes as a space.
            found, step = (
                datetime.fromisoformat(value[:11].upper() + value[11:].upper().replace(" ", "+")),
                _MILLISECOND,
            )
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        else:
            raise ValueError
        found = min(found, _LAST - step) + step if ends else found
    except (ValueError, OverflowError):
        raise BadInput(f"{spelling} must be a date, as 2026-01-31, or a time, as 2026-01-31T12:00:00Z.") from None
    return max(0, (found - _EPOCH) // _MILLISECOND)


def limit(value: str | None, default: int) -> int:
    """The size of a page.

    Raises BadInput: not from 1 to MAX_PAGE_SIZE.
    """
    return default if value is None else whole("limit", value, 1, settings().max_page_size)


def whole(spelling: str, value: str, least: int, most: int, why: str = "") -> int:
    """A whole number within limits; `why` they are these, where nobody would guess.

    Raises BadInput: none.
    """
    # int() refuses numbers of thousands of digits in an error of its own.
    if not (value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most):
        raise BadInput(f"{spelling} must be a whole number from {least} to {most}{why}.")
    return int(value)


def distance(value: str | None) -> int:
    """In how many bits of their perceptual hashes images may differ; as many as can be asked for where it is absent.

    Raises BadInput: more, or no whole number.
    """
    most = terms.BANDS - 1
    why = f": by the {terms.BANDS} parts of their hashes, images that differ in more bits can't be found"
    return most if value is None else whole("distance", value, 0, most, why)


def fit(value: str) -> Fit:
    """How a picture is to fill a box.

    Raises BadInput: neither `contain` nor `cover`.
    """
    try:
        return Fit(value.lower())
    except ValueError:
        raise BadInput("fit must be contain or cover.") from None


def picture_format(value: str) -> Format:
    """What a picture is to be encoded as.

    Raises BadInput: no such format.
    """
    try:
        return Format(value.lower())
    except ValueError:
        raise BadInput("format must be auto, webp, avif, jpeg or original.") from None


def file(body: Mapping[str, Any]) -> bytes:
    """The bytes of an image: as they are, or from base64, with line breaks and the head of a `data:` URL left out.

    Raises BadInput: none, or not base64. Raises TooLarge.
    """
    import pybase64

    spelling, value = find(body, "file")
    if value in (None, ""):
        raise BadInput("The image is missing: it belongs into image_data or, in a form, into file.")
    if isinstance(value, bytes):
        return _within(value, spelling, settings().max_form_image_bytes, "MAX_FORM_IMAGE_BYTES")
    if not isinstance(value, str):
        raise BadInput(f"{spelling} must be a string.")
    if value.startswith("data:"):
        value = value.partition(",")[2]
    value = "".join(value.split())
    most = settings().max_image_bytes
    if len(value) // 4 * 3 > most + 2:
        raise TooLarge("The image", most, "bytes", "MAX_IMAGE_BYTES", _WAY_OUT)
    try:
        decoded = pybase64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput(f"{spelling} is not valid base64.") from None
    return _within(decoded, spelling, most, "MAX_IMAGE_BYTES")


def _has_too_many_marks(value: str) -> bool:
    marks = 0
    for character in value:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > _MOST_MARKS:
            return True
    return False


def _within(content: bytes, spelling: str, most: int, setting: str) -> bytes:
    if len(content) > most:
        raise TooLarge("The image", most, "bytes", setting, _WAY_OUT)
    if not content:
        raise BadInput(f"{spelling} is empty.")
    return content


def _listed(spelling: str, value: str) -> Any:
    import orjson

    try:
        return orjson.loads(value) if value.lstrip().startswith("[") else value.split(",")
    except ValueError:
        raise BadInput(f"{spelling} begins like a JSON array and is none.") from None


def _folded(spelling: str, given: Iterable[str]) -> Iterable[tuple[str, str]]:
    most = settings().max_tag_chars
    for tag in filter(None, (" ".join(tag.split()) for tag in given)):
        # Before it is folded: that takes quadratic time of a long one. Folding can make a tag longer, and it is the
        # folded one that is a partition key.
        if len(tag) > most or len(folded := terms.fold(tag)) > most:
            raise BadInput(f"{spelling} has a tag of more than {most} characters, which is the limit.")
        if _CONTROL.search(tag):
            raise BadInput(f"{spelling} has a tag with a control character.")
        yield folded, tag
