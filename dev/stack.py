"""The stack for tests and benchmarks: `python -m dev run` in a process of its own, on free ports.

with running(tmp_path) as stack:
    requests.get(stack.url + "/images", timeout=5)
    stack.client("s3").list_buckets()
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session

from project import PROJECT, CannotRun

_START_SECONDS = 600  # includes installing the engines into an empty cache
_STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Stack:
    """A ready stack."""

    url: str  # of the API
    environment: Mapping[str, str]  # the AWS_* variables that lead boto3 and `aws` to it
    pids: tuple[int, ...]  # of the stack itself, then of its engines, then of its workers
    process: subprocess.Popen[str]
    log: Path  # what it prints

    def client(self, service: str) -> Any:
        """Return a boto3 client of `s3`, `sqs`, `dynamodb` or `lambda` on this stack."""
        session: Any = boto3.session.Session(
            self.environment["AWS_ACCESS_KEY_ID"],
            self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.environment["AWS_REGION"],
        )
        return session.client(service, endpoint_url=self.environment[f"AWS_ENDPOINT_URL_{service.upper()}"])

    def stop(self) -> int:
        """Stop the stack by SIGTERM, and return its exit status."""
        self.process.terminate()
        return self.process.wait(_STOP_SECONDS)

    def kill(self) -> None:
        """Kill the stack, its engines and its workers by SIGKILL, as a power failure would."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def start(data: Path, *options: str, environment: Mapping[str, str] | None = None) -> Stack:
    """Start a stack and return it when it is ready. `options` are those of `python -m dev run`.

    `environment` adds environment variables. Raises CannotRun: the stack ended; the message is its output.
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    log = data.with_name(f"{data.name}.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dev", "run", "--data", str(data.absolute()), "--port", "0", *options],
            cwd=PROJECT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        # A killed stack does not remove its announcement.
        with suppress(OSError, ValueError):
            found = json.loads((data / "stack.json").read_text())
            if found["pids"][0] == process.pid:
                return Stack(found["url"], found["environment"], tuple(found["pids"]), process, log)
        if process.poll() is not None:
            raise CannotRun(log.read_text())
        time.sleep(0.02)
    process.kill()
    raise CannotRun(f"The stack was not ready in {_START_SECONDS} s: {log.read_text()}")


@contextmanager
def running(data: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Run a stack for the length of the block."""
    stack = start(data, *options, environment=environment)
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.stop()
