"""The table of idempotency keys: which image each key of an owner was used for."""

import time

from chalicelib.config import settings
from chalicelib.stores import aws
from chalicelib.stores.dynamodb import Write
from chalicelib.stores.model import IdempotencyRecord


@aws.translated
def get(owner: str, key: str) -> IdempotencyRecord | None:
    """Return what an owner's key was used for in the last IDEMPOTENCY_SECONDS, or None: one call of one read unit."""
    answer = aws.dynamodb().get_item(
        TableName=settings().idempotency_keys_table_name,
        Key={"idempotency_key": {"S": _scoped(owner, key)}},
        ConsistentRead=True,
    )
    item = answer.get("Item")
    if item is None or int(item["expires_at"]["N"]) <= time.time():
        return None
    return IdempotencyRecord(item["image_id"]["S"], item["fingerprint"]["S"])


def put(owner: str, key: str, used_for: IdempotencyRecord) -> Write:
    """Write what an owner's key is used for; Changed if the key is in use. It expires after IDEMPOTENCY_SECONDS."""
    now = int(time.time())
    return {
        "Put": {
            "TableName": settings().idempotency_keys_table_name,
            "Item": {
                "idempotency_key": {"S": _scoped(owner, key)},
                "image_id": {"S": used_for.image_id},
                "fingerprint": {"S": used_for.fingerprint},
                "expires_at": {"N": str(now + settings().idempotency_seconds)},
            },
            # An expired item may still be there: DynamoDB deletes it within a few days (Developer Guide, "Time to
            # Live").
            "ConditionExpression": "attribute_not_exists(idempotency_key) OR expires_at <= :now",
            "ExpressionAttributeValues": {":now": {"N": str(now)}},
        }
    }


def _scoped(owner: str, key: str) -> str:
    return f"{owner}/{key}"  # unambiguous: a user_id has no slash
