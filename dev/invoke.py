"""Invoke a Lambda function of a running service, as on AWS."""

from pathlib import Path

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from project import CannotRun
from project.environment import announced


def invoke(function: str, event: str, url: str, data: Path) -> None:
    """Print what a function returns for an event. `event` is JSON, or `@FILE` with JSON.

    The request is signed with the key of the stack that runs on `data`.

    Raises CannotRun: no service answers at `url`, the file cannot be read, the event is refused, the function is
    unknown, or it raised an exception.
    """
    if not function:
        raise CannotRun("Name a function: make invoke FUNCTION=list_images.")
    payload = _payload(event)
    once = Config(retries={"total_max_attempts": 1})  # a retry could do the work twice
    try:
        session = boto3.session.Session(*_key(data), region_name="us-east-1")
        client = session.client("lambda", endpoint_url=url, config=once)
        answer = client.invoke(FunctionName=function, Payload=payload)
        body = answer["Payload"].read().decode()
    except (NoConnection, HTTPClientError):
        raise CannotRun(f"No service answers at {url}; `make run` starts one.") from None
    except ClientError as error:
        raise CannotRun(error.response["Error"]["Message"] or str(error)) from None
    except (BotoCoreError, ValueError) as error:  # boto3 refuses to send the event
        raise CannotRun(str(error)) from None
    if "FunctionError" in answer:
        raise CannotRun(f"{function} failed: {body}")
    print(body)


def _payload(event: str) -> bytes:
    if not event.startswith("@"):
        return event.encode()
    try:
        return Path(event[1:]).read_bytes()
    except OSError as error:
        raise CannotRun(f"{event[1:]} cannot be read: {error.strerror}.") from None


def _key(data: Path) -> tuple[str, str]:
    """Return the access key of the stack that runs on a data folder, or the one that LocalStack accepts."""
    try:
        environment = announced(data)
    except CannotRun:
        return "test", "test"
    return environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
