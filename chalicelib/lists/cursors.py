"""Cursors of lists: opaque, URL-safe, valid for a limited time and only for the query that issued them.

The functions depend on their arguments and the clock only. A cursor is encrypted and authenticated (AES-SIV,
RFC 5297). It must not reveal the id at its position, because that id can belong to an image that the caller may not
see.
"""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha512
from typing import TYPE_CHECKING
from uuid import UUID

from chalicelib import ids
from chalicelib.errors import BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_FOREIGN = "last_evaluated_key is not valid for this list; begin the list again."
_EXPIRED = "last_evaluated_key has expired; begin the list again."
_MAX_NAME_BYTES = 1024  # DynamoDB: size of a sort key
_TIME_BYTES = 7  # of a time in milliseconds, with a sign: six bytes with a sign end in the year 6429
_MINUTE_SECONDS = 60  # a cursor has its expiry in minutes since the epoch, as four bytes


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a list continues, before it is encrypted."""

    driver: int  # index of the list, among the lists of the query, whose key ranges are read; below 256
    position: str  # of the next row: an image_id in the order of creation, else `<timestamp>/<image_id>` (see ranges)


def encode(cursor: Cursor, query: str, key: bytes, lifetime_seconds: int) -> str:
    """Return a cursor as 50 or, in another order than that of creation, 59 URL-safe characters.

    `query` is the text that identifies the query; `decode` needs the same text.
    """
    timestamp, _, image_id = cursor.position.rpartition("/")
    sort_time = ids.milliseconds_of(timestamp).to_bytes(_TIME_BYTES, signed=True) if timestamp else b""
    return _seal(bytes([cursor.driver]) + sort_time + UUID(image_id).bytes, query, key, lifetime_seconds)


def decode(text: str, query: str, list_count: int, keys: Iterable[bytes], *, by_creation: bool = True) -> Cursor:
    """Return the cursor that `encode` was given for this query, with one of the keys.

    `list_count` is the number of lists of the query; `by_creation`, whether they are in the order of creation.

    Raises BadInput: the cursor belongs to another query or service, was edited, or has expired. Also if it was
    encrypted with such a key but is not a cursor of images: some services may not keep their key secret.
    """
    content = _unseal(text, query, keys)
    try:
        driver, sort_time, image_id = content[0], content[1:-16], str(UUID(bytes=content[-16:]))
        timestamp = ids.timestamp_of(int.from_bytes(sort_time, signed=True)) + "/" if sort_time else ""
        ids.created_at(image_id)
    except (ValueError, IndexError, OverflowError):
        raise BadInput(_FOREIGN) from None
    if driver >= list_count or len(sort_time) != (0 if by_creation else _TIME_BYTES):
        raise BadInput(_FOREIGN)
    return Cursor(driver, timestamp + image_id)


def encode_name(name: str, query: str, key: bytes, lifetime_seconds: int) -> str:
    """Return a cursor of a list that is sorted by name; `name` is its position."""
    return _seal(name.encode(), query, key, lifetime_seconds)


def decode_name(text: str, query: str, keys: Iterable[bytes], prefix: str) -> str:
    """Return the name that `encode_name` was given for this query. `prefix` is the prefix of the names in the list.

    Raises BadInput: see `decode`.
    """
    try:
        name = _unseal(text, query, keys).decode()
    except UnicodeDecodeError:
        raise BadInput(_FOREIGN) from None
    if not name.startswith(prefix) or not 0 < len(name.encode()) <= _MAX_NAME_BYTES:
        raise BadInput(_FOREIGN)
    return name


def _seal(content: bytes, query: str, key: bytes, lifetime_seconds: int) -> str:
    expires = int(time.time() + lifetime_seconds) // _MINUTE_SECONDS + 1
    sealed = _cipher(key).encrypt(expires.to_bytes(4) + content, [query.encode()])
    return urlsafe_b64encode(sealed).decode().rstrip("=")


def _unseal(text: str, query: str, keys: Iterable[bytes]) -> bytes:
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        content = next(filter(None, (_decrypted(raw, query, key) for key in keys)))
    except (ValueError, StopIteration):
        raise BadInput(_FOREIGN) from None
    # Base64 can spell the same bytes in several ways; only the spelling of `_seal` is accepted.
    if urlsafe_b64encode(raw).decode().rstrip("=") != text:
        raise BadInput(_FOREIGN)
    if int.from_bytes(content[:4]) * _MINUTE_SECONDS <= time.time():
        raise BadInput(_EXPIRED)
    return content[4:]


def _decrypted(raw: bytes, query: str, key: bytes) -> bytes:
    """Return the content of a cursor; empty if it was encrypted with another key or for another query."""
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(key).decrypt(raw, [query.encode()])
    except InvalidTag:
        return b""


@cache
def _cipher(key: bytes) -> "AESSIV":
    # Imported here, so that a list with a single page does not pay for the import.
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(sha512(key).digest())
