"""The boto3 clients: made when first used, one per process and service, with short time-outs."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from chalicelib import logs
from chalicelib.config import settings
from chalicelib.errors import Unavailable

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

P = ParamSpec("P")
T = TypeVar("T")

# Error codes of calls that may succeed later.
_TRANSIENT = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "SlowDown",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
}

_READS = {"GetItem", "BatchGetItem", "Query", "Scan"}

# Seconds to wait for an answer, in each of three attempts: at most 15 for S3 and 9 for DynamoDB. An upload that hangs
# in one call still answers within the 29 seconds of API Gateway.
_READ_TIMEOUT = {"s3": 5, "dynamodb": 3}
_TRIES = 3

# Making a client is not thread-safe in a session; using a client is.
_lock = threading.RLock()


def dynamodb(tries: int = _TRIES) -> "DynamoDBClient":
    """Return the DynamoDB client that makes this many attempts at each call."""
    with _lock:
        client: DynamoDBClient = _client("dynamodb", tries)
        return client


def s3(tries: int = _TRIES) -> "S3Client":
    """Return the S3 client that makes this many attempts at each call."""
    with _lock:
        client: S3Client = _client("s3", tries)
        return client


def credentials() -> "ReadOnlyCredentials":
    """Return the credentials that requests and URLs are signed with.

    Raises RuntimeError: there are none.
    """
    with _lock:
        found = _session().get_credentials()
    if found is None:
        raise RuntimeError("No AWS credentials in the environment.")
    frozen: ReadOnlyCredentials = found.get_frozen_credentials()
    return frozen


def translated(call: Callable[P, T]) -> Callable[P, T]:
    """Make a call raise Unavailable if, after the client's own retries, its store is unreachable or too busy."""

    @wraps(call)
    def translating(*args: P.args, **kwargs: P.kwargs) -> T:
        from botocore.exceptions import ClientError, HTTPClientError
        from botocore.exceptions import ConnectionError as StoreConnectionError

        try:
            return call(*args, **kwargs)
        except (StoreConnectionError, HTTPClientError) as error:
            raise Unavailable("The store can't be reached; try again in a moment.") from error
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status < 500 and error.response["Error"]["Code"] not in _TRANSIENT:
                raise
            raise Unavailable("The store is too busy; try again in a moment.") from error

    return translating


@contextmanager
def raised_as(raised: type[Exception], codes: Collection[str]) -> Iterator[None]:
    """Raise `raised` in place of a ClientError with one of these error codes."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in codes:
            raise
        raise raised from None


def answers(call: Callable[[], object]) -> bool:
    """Whether a call to a store succeeds."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        call()
    except (BotoCoreError, ClientError):
        return False
    return True


@cache
def _session() -> Any:
    # Imported here, so that a cold start does not pay for it.
    import boto3.session

    session = boto3.session.Session(region_name=settings().aws_region)
    # Handlers that count calls and capacity units for the log; the session's clients inherit them.
    session.events.register("before-call", _count_call)  # once per call, not per attempt
    session.events.register("before-parameter-build.dynamodb", _ask_for_units)
    session.events.register("after-call.dynamodb", _count_units)
    return session


def _count_call(**_: Any) -> None:
    if (usage := logs.usage()) is not None:
        usage.aws_calls += 1


def _ask_for_units(params: dict[str, Any], model: Any, **_: Any) -> None:
    if "ReturnConsumedCapacity" in model.input_shape.members:
        params.setdefault("ReturnConsumedCapacity", "TOTAL")


def _count_units(parsed: dict[str, Any], model: Any, **_: Any) -> None:
    usage, consumed = logs.usage(), parsed.get("ConsumedCapacity", [])
    if usage is None:
        return
    units = sum(each["CapacityUnits"] for each in (consumed if isinstance(consumed, list) else [consumed]))
    if model.name in _READS:
        usage.read_units += units
    else:
        usage.write_units += units


@cache
def _client(service: str, tries: int) -> Any:
    from botocore.config import Config

    return _session().client(
        service,
        config=Config(
            connect_timeout=1,
            read_timeout=_READ_TIMEOUT[service],
            retries={"mode": "standard", "total_max_attempts": tries},
            max_pool_connections=32,
            tcp_keepalive=True,
            # Only the upload of an original has a checksum, its SHA-256.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        ),
    )
