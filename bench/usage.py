"""Count the AWS calls and DynamoDB capacity units that this process uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.client import BaseClient

_READS = {"GetItem", "BatchGetItem", "Query", "Scan"}


@dataclass
class Usage:
    """AWS calls, and the capacity units that they consumed."""

    calls: int = 0
    read_units: float = 0
    write_units: float = 0


@contextmanager
def counted() -> Iterator[Usage]:
    """Count the calls of every client in this process, and the capacity units of DynamoDB calls."""
    usage = Usage()
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counting(client: BaseClient, operation: str, params: dict[str, Any]) -> Any:
        usage.calls += 1
        if client.meta.service_model.service_name != "dynamodb":
            return call(client, operation, params)
        answer = call(client, operation, {**params, "ReturnConsumedCapacity": "TOTAL"})
        consumed = answer["ConsumedCapacity"]
        units = sum(part["CapacityUnits"] for part in (consumed if isinstance(consumed, list) else [consumed]))
        if operation in _READS:
            usage.read_units += units
        else:
            usage.write_units += units
        return answer

    BaseClient._make_api_call = counting  # type: ignore[attr-defined]
    try:
        yield usage
    finally:
        BaseClient._make_api_call = call  # type: ignore[attr-defined]
