"""What clients and caches may keep of an answer, and how they ask whether it has changed (RFC 9110 and RFC 9111)."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Any

from chalicelib.items.model import Item
from chalicelib.model import Image, State, Visibility
from chalicelib.web.fields import SPELLINGS

Headers = dict[str, str | list[str]]  # as Chalice expects them

# An answer that nobody may keep: it has a presigned URL, or nothing says otherwise.
NO_STORE: Headers = {"Cache-Control": "no-store"}

# Headers that name the caller. The answer depends on them.
_CALLER_HEADERS = "Authorization, X-User-Id"

_CURSORS = SPELLINGS["last_evaluated_key"]

# An entity tag, weak or strong, or a list's comma (RFC 9110 section 8.8.3).
_ETAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def etag(record: Image | Item) -> Headers:
    """Return the header ETag of a record: its version and, if processing has changed the image since, its state.

    A later If-Match compares the version only: processing does not conflict with a change by the owner.
    """
    state = "" if isinstance(record, Item) or record.state is State.PROCESSING else f"-{record.state}"
    return {"ETag": f'"{record.version}{state}"'}


def validators(record: Image | Item) -> Headers:
    """Return the headers ETag and Last-Modified of a record (RFC 9110 section 8.8)."""
    changed = format_datetime(datetime.fromisoformat(record.updated_at), usegmt=True)
    return {**etag(record), "Last-Modified": changed}


def content_etag(shape: Any, headers: Headers, now_seconds: float, cursor_seconds: int) -> str:
    """Return a weak ETag that covers what an answer in JSON says, also that there is a next page.

    A cursor has another text each minute. It counts as unchanged for half of its lifetime, so that the cursor in an
    answer that a client keeps is still valid.
    """
    import orjson

    period = int(now_seconds) // max(1, cursor_seconds // 2)
    if isinstance(shape, dict):
        shape = {name: period if name in _CURSORS else value for name, value in shape.items()}
    content = orjson.dumps([shape, period if "Link" in headers else None])
    return f'W/"{sha256(content).hexdigest()[:32]}"'


def revalidated(visibility: Visibility) -> Headers:
    """Return the headers of an answer that a cache may keep, if it asks each time whether the answer has changed.

    A private answer may be kept only by the browser of its caller (RFC 9111 section 5.2.2.7).
    """
    return {"Cache-Control": f"{visibility}, no-cache", "Vary": _CALLER_HEADERS}


def varying_by_accept(headers: Headers) -> Headers:
    """Return the headers of an answer whose content type depends on the header Accept (RFC 9110 section 12.5.5)."""
    return {**headers, "Vary": ", ".join(["Accept", *filter(None, [str(headers.get("Vary", ""))])])}


def is_unchanged(if_none_match: str, headers: Mapping[str, Any]) -> bool:
    """Return whether the client has the answer with these headers already (RFC 9110 section 13.1.2).

    The comparison is weak: it ignores W/. `*` means any answer.
    """
    etag = _ETAG.fullmatch(headers.get("ETag", ""))
    return etag is not None and (if_none_match.strip() == "*" or etag[1] in _ETAG.findall(if_none_match))
