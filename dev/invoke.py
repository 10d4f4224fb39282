"""A plain function of a running service, invoked directly as on AWS Lambda."""

from pathlib import Path

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from project import CannotRun


def invoke(function: str, event: str, url: str) -> None:
    """Print what a function returns for an event: JSON, or `@` and the file that has it.

    Raises CannotRun: no service answers at `url`, the file can't be read, the event isn't taken, or the function is
    unknown or raised.
    """
    if not function:
        raise CannotRun("Say which function: make invoke FUNCTION=list_images.")
    payload = _payload(event)
    once = Config(retries={"total_max_attempts": 1})  # a second call could do the work twice
    try:
        session = boto3.session.Session("any", "any", region_name="us-east-1")  # any key does
        client = session.client("lambda", endpoint_url=url, config=once)
        answer = client.invoke(FunctionName=function, Payload=payload)
        body = answer["Payload"].read().decode()
    except (NoConnection, HTTPClientError):
        raise CannotRun(f"No service answers at {url}; `make run` starts one.") from None
    except ClientError as error:
        raise CannotRun(error.response["Error"]["Message"] or str(error)) from None
    except (BotoCoreError, ValueError) as error:  # what boto3 doesn't send at all
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
        raise CannotRun(f"{event[1:]} can't be read: {error.strerror}.") from None
