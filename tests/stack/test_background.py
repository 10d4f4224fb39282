"""`make sweep` and `make redrive` with a running stack."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.stack import Stack, running
from project import PROJECT
from tests.http.client import Service, User
from tests.http.uploads import wait_until_processed
from tests.pictures import picture

ARN = "arn:aws:lambda:us-east-1:000000000000:function:images-api-local-on_object_created:$LATEST"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("background")) / "data"


@pytest.fixture(scope="module")
def stack(data: Path) -> Iterator[Stack]:
    with running(data) as stack:
        yield stack


def background(data: Path, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `make sweep` or `make redrive`."""
    arguments = [sys.executable, "-m", "scripts.background", command, "local", "--data", str(data), *options]
    return subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, timeout=60)


def test_make_sweep_runs_the_schedule(stack: Stack, data: Path) -> None:
    for options in ((), ("--dry-run",)):
        done = background(data, "sweep", *options)
        assert (done.returncode, json.loads(done.stdout)) == (0, {"count": 0, "repaired": []}), done.stderr


def test_make_redrive_processes_dead_letters_and_keeps_those_that_fail_again(stack: Stack, data: Path) -> None:
    alice = User(Service(stack.url), "alice")
    image = alice.upload(picture())
    wait_until_processed(alice, image["image_id"])
    sqs: Any = stack.client("sqs")
    queue = sqs.get_queue_url(QueueName="images-dead-letters")["QueueUrl"]

    def dead_letter(event: dict[str, Any]) -> None:
        letter = {"requestContext": {"functionArn": ARN}, "requestPayload": event}
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(letter))

    s3 = {"bucket": {"name": "images-originals"}, "object": {"key": image["s3_key"]}}
    dead_letter({"Records": [{"eventTime": "2026-01-01T00:00:00.000Z", "s3": s3}]})
    done = background(data, "redrive")
    assert (done.returncode, done.stdout) == (0, "1 events processed, 0 failed again.\n"), done.stderr
    dead_letter({"Records": [{}]})
    for _ in range(2):
        failed = background(data, "redrive")
        assert (failed.returncode, failed.stdout.splitlines()) == (
            1,
            [
                "images-api-local-on_object_created failed again: "
                "event.Records[0] is not an event of S3, nor one that SNS, SQS or EventBridge delivers.",
                "0 events processed, 1 failed again.",
            ],
        )
    sqs.purge_queue(QueueUrl=queue)


def test_make_redrive_needs_a_running_stack(tmp_path: Path) -> None:
    failed = background(tmp_path, "redrive")
    assert (failed.returncode, failed.stderr) == (
        1,
        f"No service runs on the data folder {tmp_path}; `make run` starts one.\n",
    )
