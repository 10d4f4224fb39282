"""What happens in the background, made to happen now: `sweep` runs the schedule, `redrive` what failed again and again.

What `make sweep` and `make redrive` run, in the repository's root.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.config import settings
from chalicelib.permissions import lambda_name
from project import CannotRun
from project.command_line import one_line_errors
from project.environment import enter_stage

_MOST_SECONDS = 900  # Lambda's longest timeout


def sweep(function: str, *, dry_run: bool) -> None:
    """Let the schedule come round, or say what it would mend; print what it was.

    Raises CannotRun: it failed.
    """
    failure, answer = _invoked(function, {"dry_run": dry_run})
    if failure:
        raise CannotRun(f"{function} failed: {failure}")
    print(json.dumps(answer, indent=2))


def redrive() -> None:
    """Process the events of the dead-letter queue again; those that succeed leave it.

    Raises CannotRun: some failed again, and stay.
    """
    sqs = _client("sqs")
    queue = sqs.get_queue_url(QueueName=settings().dead_letter_queue_name)["QueueUrl"]
    done, failed = 0, dict[str, str]()  # receipts of those that stay, by message
    # One at a time: while it is processed it is hidden, and not those behind it.
    while messages := sqs.receive_message(QueueUrl=queue, VisibilityTimeout=_MOST_SECONDS).get("Messages"):
        (message,) = messages
        if message["MessageId"] in failed:
            break
        letter = json.loads(message["Body"])
        function = letter["requestContext"]["functionArn"].removesuffix(":$LATEST")
        failure, _ = _invoked(function, letter["requestPayload"])
        if failure:
            failed[message["MessageId"]] = message["ReceiptHandle"]
            print(f"{function.rpartition(':')[2]} failed again: {failure}")
        else:
            done += 1
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    for receipt in failed.values():
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0)
    print(f"{done} events processed, {len(failed)} failed again.")
    if failed:
        raise CannotRun("The log says why; they are in the queue still.")


def _invoked(function: str, event: dict[str, Any]) -> tuple[str, Any]:
    """What a function fails with, if it does, and what it returns."""
    answer = _client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    body = json.loads(answer["Payload"].read() or "null")
    return (str(body.get("errorMessage")) if "FunctionError" in answer else ""), body


def _client(service: Any) -> Any:
    once = Config(read_timeout=_MOST_SECONDS, retries={"total_max_attempts": 1})
    return boto3.session.Session(region_name=settings().aws_region).client(service, config=once)


@one_line_errors()
def main() -> None:
    """Find the stack, and do what the command line says."""
    parser = argparse.ArgumentParser(description="Run now what happens in the background.")
    parser.add_argument("command", choices=("sweep", "redrive"))
    parser.add_argument("stage", help="of .chalice/config.json")
    parser.add_argument(
        "--data", type=Path, help="data folder of a running stack, to reach that; else boto3's environment decides"
    )
    parser.add_argument("--dry-run", action="store_true", help="sweep: only say what would be mended")
    asked = parser.parse_args()
    if asked.dry_run and asked.command != "sweep":
        parser.error("only a sweep can be dry")
    config = enter_stage(asked.stage, asked.data)
    try:
        if asked.command == "sweep":
            sweep(lambda_name(config.chalice_app, "sweep", asked.stage), dry_run=asked.dry_run)
        else:
            redrive()
    except (ClientError, BotoCoreError) as error:
        raise CannotRun(str(error)) from None


if __name__ == "__main__":
    main()
