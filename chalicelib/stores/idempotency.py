"""The table of idempotency keys: which request each key was used for, and with which result."""

import hashlib
import json
import time

from chalicelib.config import settings
from chalicelib.errors import Conflict
from chalicelib.stores import aws
from chalicelib.stores.dynamodb import Attributes, Write
from chalicelib.stores.model import KeyedRequest


def of_owner(owner: str, key: str, said: object) -> KeyedRequest:
    """Return a request to create something for an owner. `said` is what the request says, as JSON."""
    return KeyedRequest("upload", f"{owner}/{key}", _fingerprint(said))


def of_record(record_id: str, key: str, said: object) -> KeyedRequest:
    """Return a request to change an image or an item. `said` is what the request says, as JSON."""
    return KeyedRequest("change", f"/{record_id}/{key}", _fingerprint(said))  # no key of an owner begins with a slash


@aws.translated
def get(request: KeyedRequest) -> Attributes | None:
    """Return what a key was used for in the last IDEMPOTENCY_SECONDS, with its result, or None: one consistent call.

    One read unit for each 4 KB of the result.
    """
    answer = aws.dynamodb().get_item(
        TableName=settings().idempotency_keys_table_name,
        Key={"idempotency_key": {"S": request.key}},
        ConsistentRead=True,
    )
    item = answer.get("Item")
    return None if item is None or int(item["expires_at"]["N"]) <= time.time() else item


def check(request: KeyedRequest, used_for: Attributes) -> None:
    """Check that a key was used for the same request.

    Raises Conflict.
    """
    if used_for["fingerprint"]["S"] != request.fingerprint:
        raise Conflict(f"This Idempotency-Key was used for another {request.kind}.")


def find(request: KeyedRequest | None) -> Attributes | None:
    """Return the result of the same request, or None if its key is new: one call, none without a key.

    Raises Conflict: the key was used for another request.
    """
    used_for = get(request) if request else None
    if request and used_for:
        check(request, used_for)
    return used_for


def put(request: KeyedRequest, result: Attributes) -> Write:
    """Write what a key is used for; Changed if the key is in use. It expires after IDEMPOTENCY_SECONDS."""
    now = int(time.time())
    return {
        "Put": {
            "TableName": settings().idempotency_keys_table_name,
            "Item": {
                **result,
                "idempotency_key": {"S": request.key},
                "fingerprint": {"S": request.fingerprint},
                "expires_at": {"N": str(now + settings().idempotency_seconds)},
            },
            # An expired item may still be there: DynamoDB deletes it within a few days (Developer Guide, "Time to
            # Live").
            "ConditionExpression": "attribute_not_exists(idempotency_key) OR expires_at <= :now",
            "ExpressionAttributeValues": {":now": {"N": str(now)}},
        }
    }


def _fingerprint(said: object) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
