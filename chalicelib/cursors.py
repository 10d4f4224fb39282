"""Where a list goes on: opaque, URL-safe, and bound by a signature to the query that made it."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from chalicelib import ids
from chalicelib.errors import BadInput

_SIGNATURE_BYTES = 10
_FOREIGN = "last_evaluated_key is not one that this list gave out."


@dataclass(frozen=True, slots=True)
class Position:
    """The list that a query is read along, and the id of it that was looked at last.

    An id says where to go on even when what it names is gone, since every list is in the order of time, which ids tell.
    """

    source: int  # which of the query's lists, below 256
    after: str


def encode(position: Position, query: str, key: bytes) -> str:
    """A position in a query's answer as 36 URL-safe characters; `query` is all that the cursor is bound to."""
    payload = bytes([position.source]) + UUID(position.after).bytes
    return urlsafe_b64encode(payload + _signature(payload, query, key)).decode()


def decode(cursor: str, query: str, sources: int, key: bytes) -> Position:
    """The position that `encode` made for this query, which is read from so many lists.

    Raises BadInput: made for another query, by another service, or edited. Also where the signature is right and the
    position is none: not every service keeps its key a secret.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii"))
        payload, signature = raw[:17], raw[17:]
        position = Position(payload[0], str(UUID(bytes=payload[1:])))
        ids.created_at(position.after)
    except (ValueError, IndexError):
        raise BadInput(_FOREIGN) from None
    canonical = urlsafe_b64encode(raw).decode() == cursor
    signed = hmac.compare_digest(signature, _signature(payload, query, key))
    if not (canonical and signed and position.source < sources):
        raise BadInput(_FOREIGN)
    return position


def _signature(payload: bytes, query: str, key: bytes) -> bytes:
    return hmac.digest(key, payload + hashlib.sha256(query.encode()).digest(), hashlib.sha256)[:_SIGNATURE_BYTES]
