"""Where a list goes on: opaque, URL-safe, and bound by a signature to the query that made it."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from chalicelib import ids
from chalicelib.errors import BadInput
from chalicelib.model import Query

_SIGNATURE_BYTES = 10
_FOREIGN = "last_evaluated_key is not one that this list gave out."


@dataclass(frozen=True, slots=True)
class Position:
    """The list that a query is read along, and the last image of it that was looked at.

    An id says where to go on even when its image is gone, since every list is in the order of time, which ids tell.
    """

    source: int  # which of terms.sources(query), below 256
    image_id: str


def encode(position: Position, query: Query, key: bytes) -> str:
    """A position in a query's answer as 36 URL-safe characters."""
    payload = bytes([position.source]) + UUID(position.image_id).bytes
    return urlsafe_b64encode(payload + _signature(payload, query, key)).decode()


def decode(cursor: str, query: Query, sources: int, key: bytes) -> Position:
    """The position that `encode` made for this query, which is read from so many lists.

    Raises BadInput: made for another query, by another service, or edited. Also where the signature is right and the
    position is none: not every service keeps its key a secret.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii"))
        payload, signature = raw[:17], raw[17:]
        position = Position(payload[0], str(UUID(bytes=payload[1:])))
        ids.created_at(position.image_id)
    except (ValueError, IndexError):
        raise BadInput(_FOREIGN) from None
    canonical = urlsafe_b64encode(raw).decode() == cursor
    signed = hmac.compare_digest(signature, _signature(payload, query, key))
    if not (canonical and signed and position.source < sources):
        raise BadInput(_FOREIGN)
    return position


def _signature(payload: bytes, query: Query, key: bytes) -> bytes:
    filters = json.dumps([query.user_id, query.tags]).encode()
    return hmac.digest(key, payload + hashlib.sha256(filters).digest(), hashlib.sha256)[:_SIGNATURE_BYTES]
