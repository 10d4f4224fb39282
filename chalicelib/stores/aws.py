"""The botocore clients of AWS services, and what all calls share: errors, retries, deadlines, and counts for the log.

A client is created when it is first used or, on Lambda, when the function starts. There is one per process, service and
number of attempts. Its time-outs are short, and no attempt at a call begins that may last beyond the deadline of the
request.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from chalicelib import deadline, logs
from chalicelib.config import settings
from chalicelib.errors import Unavailable

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

P = ParamSpec("P")
T = TypeVar("T")

# Error codes of calls that may succeed if they are repeated later.
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

_READS_BEGIN = ("Get", "BatchGet", "Query", "Scan", "Head", "List", "Describe")

_ITEMS = ("Item", "Items", "Responses")  # the fields of the response to a read that contain items

# How long an attempt waits for a connection, and for a response.
_CONNECT_TIMEOUT_SECONDS = 1
_READ_TIMEOUT_SECONDS = {"s3": 5, "dynamodb": 3, "ssm": 3}
_ATTEMPTS = 3

# Creating a client from a session is not thread-safe. Using a client is.
_lock = threading.RLock()


def dynamodb(attempts: int = _ATTEMPTS) -> "DynamoDBClient":
    """Return the DynamoDB client that makes this many attempts at each call."""
    with _lock:
        client: DynamoDBClient = _client("dynamodb", attempts)
        return client


def s3(attempts: int = _ATTEMPTS) -> "S3Client":
    """Return the S3 client that makes this many attempts at each call."""
    with _lock:
        client: S3Client = _client("s3", attempts)
        return client


def prepare() -> None:
    """Create both clients and find the credentials, so that the first call only has to connect.

    Opens no connection: with Lambda SnapStart, a connection would be copied to every instance and be closed by then.
    Credentials that expire are renewed when they are used.
    """
    dynamodb()
    s3()
    credentials()


def ssm() -> Any:
    """Return the SSM client."""
    with _lock:
        return _client("ssm", _ATTEMPTS)


def credentials() -> "ReadOnlyCredentials":
    """Return the credentials that requests and URLs are signed with.

    Raises RuntimeError: there are no credentials.
    """
    with _lock:
        refreshable = session().get_credentials()
    if refreshable is None:
        raise RuntimeError("There are no AWS credentials: botocore finds none in the environment or its files.")
    frozen: ReadOnlyCredentials = refreshable.get_frozen_credentials()
    return frozen


def translated(call: Callable[P, T]) -> Callable[P, T]:
    """Let a function raise Unavailable if, after the client's own retries, its store is unreachable or too busy.

    Also if there is no time for another attempt. The message says if a change may have been made.
    """

    @wraps(call)
    def translating(*args: P.args, **kwargs: P.kwargs) -> T:
        from botocore.exceptions import ClientError, HTTPClientError
        from botocore.exceptions import ConnectionError as StoreConnectionError

        try:
            return call(*args, **kwargs)
        except (StoreConnectionError, HTTPClientError) as error:
            raise deadline.unavailable("The store can't be reached; try again in a moment.") from error
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status < 500 and error.response["Error"]["Code"] not in _TRANSIENT:
                raise
            raise deadline.unavailable("The store is too busy; try again in a moment.") from error

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
def session() -> Any:
    """Return the session that creates all clients. They inherit the handlers of its events."""
    # Not at the top of the module: only Lambda needs the clients when it imports app.py. Not boto3: the service uses
    # nothing that boto3 adds, and its import would make every cold start longer.
    import botocore.session

    created = botocore.session.get_session()
    created.set_config_variable("region", settings().aws_region)
    events = created.get_component("event_emitter")
    # These handlers count calls and capacity units for the log. The clients of the session inherit them.
    events.register("before-call", _count_call)  # runs once per call, not per attempt
    events.register("before-parameter-build.dynamodb", _ask_for_units)
    events.register("after-call.dynamodb", _count_units)
    for operation in _READS:
        events.register(f"before-parse.dynamodb.{operation}", _keep_attribute_values)
    # First, so that nothing is sent for the attempt.
    events.register_first("before-send", _check_deadline)  # runs before each attempt
    events.register("needs-retry", _note_write)  # runs after each attempt
    return created


def _check_deadline(event_name: str, **_: Any) -> None:
    """Refuse an attempt that may last beyond the deadline. `event_name` is before-send.<service>.<operation>."""
    service = event_name.split(".")[1]
    deadline.check(_CONNECT_TIMEOUT_SECONDS + _READ_TIMEOUT_SECONDS[service])


def _note_write(operation: Any, response: Any, caught_exception: Exception | None, **_: Any) -> None:
    """Note a write that succeeded, or whose result is not known: there is no answer, or a server's error."""
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

    if operation.name.startswith(_READS_BEGIN):
        return
    was_sent = not isinstance(caught_exception, Unavailable | ConnectTimeoutError | EndpointConnectionError)
    was_refused = response is not None and 300 <= response[0].status_code < 500
    if was_sent and not was_refused:
        deadline.note_write()


def _keep_attribute_values(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Return items as they are in the response. botocore would look at each of their values, and return the same."""
    if response_dict["status_code"] >= HTTPStatus.MULTIPLE_CHOICES:
        return
    import orjson

    try:
        body = orjson.loads(response_dict["body"])
    except orjson.JSONDecodeError:  # damaged on its way: botocore compares its checksum, and makes the call again
        return
    customized_response_dict |= {name: body.pop(name) for name in _ITEMS if name in body}
    response_dict["body"] = orjson.dumps(body)


def _count_call(**_: Any) -> None:
    logs.add_usage(aws_calls=1)


def _ask_for_units(params: dict[str, Any], model: Any, **_: Any) -> None:
    if "ReturnConsumedCapacity" in model.input_shape.members:
        params.setdefault("ReturnConsumedCapacity", "TOTAL")


def _count_units(parsed: dict[str, Any], model: Any, **_: Any) -> None:
    consumed = parsed.get("ConsumedCapacity", [])
    by_table = consumed if isinstance(consumed, list) else [consumed]
    units = sum(table["CapacityUnits"] for table in by_table)
    if model.name in _READS:
        logs.add_usage(read_units=units)
    else:
        logs.add_usage(write_units=units)


@cache
def _client(service: str, attempts: int) -> Any:
    from botocore.config import Config

    return session().create_client(
        service,
        config=Config(
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            read_timeout=_READ_TIMEOUT_SECONDS[service],
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=32,
            tcp_keepalive=True,
            # DynamoDB and S3 validate what they get. botocore would also write the same User-Agent for each call.
            parameter_validation=False,
            user_agent="images-api",
            # Without checksums by default. The upload of an original passes its SHA-256 itself.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        ),
    )
