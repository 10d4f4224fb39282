"""Where a list goes on: opaque, URL-safe, short-lived, and good for the query that made it alone."""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha512
from typing import TYPE_CHECKING
from uuid import UUID

from chalicelib import ids
from chalicelib.errors import BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_FOREIGN = "last_evaluated_key is not one that this list gave out."
_EXPIRED = "last_evaluated_key has expired; begin the list again."
_LONGEST_NAME = 1024  # bytes; DynamoDB: of a sort key
_BYTES_OF_TIME = 6
_MINUTE = 60  # seconds; four bytes of minutes last for some thousand years


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list, and which of the query's lists is read along."""

    driver: int  # below 256
    place: str  # see ranges: an image_id, or a time and an image_id


def encode(position: Position, query: str, key: bytes, lifetime: int) -> str:
    """A position in a query's answer, for so many seconds, as 50 or 58 URL-safe characters.

    `query` is all that the cursor is bound to. It is encrypted and authenticated (AES-SIV, RFC 5297): a place between
    two images can be the id of one that the caller must not know of.
    """
    moment, _, image_id = position.place.rpartition("/")
    time_of_update = ids.milliseconds_of(moment).to_bytes(_BYTES_OF_TIME) if moment else b""
    return _seal(bytes([position.driver]) + time_of_update + UUID(image_id).bytes, query, key, lifetime)


def decode(cursor: str, query: str, lists: int, key: bytes, *, by_update: bool = False) -> Position:
    """The position that `encode` made for this query, which is read along one of so many lists.

    Raises BadInput: made for another query, by another service, edited, or expired. Also where it was made with the key
    and is no position: not every service keeps its key a secret.
    """
    text = _unseal(cursor, query, key)
    try:
        driver, moment, image_id = text[0], text[1:-16], str(UUID(bytes=text[-16:]))
        time_of_update = ids.moment(int.from_bytes(moment)) + "/" if moment else ""
        ids.created_at(image_id)
    except (ValueError, IndexError, OverflowError):
        raise BadInput(_FOREIGN) from None
    if driver >= lists or len(moment) != (_BYTES_OF_TIME if by_update else 0):
        raise BadInput(_FOREIGN)
    return Position(driver, time_of_update + image_id)


def encode_name(name: str, query: str, key: bytes, lifetime: int) -> str:
    """A place in a list that is sorted by name, as `encode` has one in a list of images."""
    return _seal(name.encode(), query, key, lifetime)


def decode_name(cursor: str, query: str, key: bytes, prefix: str) -> str:
    """The name that `encode_name` was given for this query, whose names begin with a prefix.

    Raises BadInput: as `decode` does.
    """
    try:
        name = _unseal(cursor, query, key).decode()
    except UnicodeDecodeError:
        raise BadInput(_FOREIGN) from None
    if not name.startswith(prefix) or not 0 < len(name.encode()) <= _LONGEST_NAME:
        raise BadInput(_FOREIGN)
    return name


def _seal(text: bytes, query: str, key: bytes, lifetime: int) -> str:
    expires = int(time.time() + lifetime) // _MINUTE + 1
    sealed = _cipher(key).encrypt(expires.to_bytes(4) + text, [query.encode()])
    return urlsafe_b64encode(sealed).decode().rstrip("=")


def _unseal(cursor: str, query: str, key: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        text = _cipher(key).decrypt(raw, [query.encode()])
    except (ValueError, InvalidTag):
        raise BadInput(_FOREIGN) from None
    # Base64 has several spellings of one value.
    if urlsafe_b64encode(raw).decode().rstrip("=") != cursor:
        raise BadInput(_FOREIGN)
    if int.from_bytes(text[:4]) * _MINUTE <= time.time():
        raise BadInput(_EXPIRED)
    return text[4:]


@cache
def _cipher(key: bytes) -> "AESSIV":
    # Imported here: a list of one page doesn't pay for it.
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(sha512(key).digest())
