"""Run background work now: `sweep` runs the schedule, `redrive` reprocesses failed events (dead letters).

`make sweep` and `make redrive` run this in the repository's root: python -m scripts.background
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

_MOST_SECONDS = 900  # Lambda's maximum timeout


def sweep(function: str, *, dry_run: bool) -> None:
    """Invoke the function of the schedule, and print what it repaired, or with `dry_run` what it would repair.

    Raises CannotRun: the function failed.
    """
    failure, answer = _invoked(function, {"dry_run": dry_run})
    if failure:
        raise CannotRun(f"{function} failed: {failure}")
    print(json.dumps(answer, indent=2))


def redrive() -> None:
    """Process the events in the dead-letter queue again, and delete those that succeed from the queue.

    Raises CannotRun: some events failed again. They stay in the queue.
    """
    sqs = _client("sqs")
    queue = sqs.get_queue_url(QueueName=settings().dead_letter_queue_name)["QueueUrl"]
    done, failed = 0, dict[str, str]()  # receipt handles of the messages that stay, by message id
    # One message at a time, so that only the message that is being processed is hidden from others.
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
        raise CannotRun("The log contains the reasons. The events that failed stay in the queue.")


def _invoked(function: str, event: dict[str, Any]) -> tuple[str, Any]:
    """Invoke a function. Returns its error message, empty if it succeeded, and what it returned."""
    answer = _client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    body = json.loads(answer["Payload"].read() or "null")
    return (str(body.get("errorMessage")) if "FunctionError" in answer else ""), body


def _client(service: Any) -> Any:
    once = Config(read_timeout=_MOST_SECONDS, retries={"total_max_attempts": 1})
    return boto3.session.Session(region_name=settings().aws_region).client(service, config=once)


@one_line_errors()
def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(description="Run background work now.")
    parser.add_argument("command", choices=("sweep", "redrive"))
    parser.add_argument("stage", help="a stage of .chalice/config.json")
    parser.add_argument(
        "--data", type=Path, help="data folder of a running stack; without it, boto3's environment leads to the stage"
    )
    parser.add_argument("--dry-run", action="store_true", help="sweep: only print what would be repaired")
    asked = parser.parse_args()
    if asked.dry_run and asked.command != "sweep":
        parser.error("only sweep has --dry-run")
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
