"""The embedded stack: the service with an S3 emulator and DynamoDB Local on one machine, data on disk."""

from http import HTTPStatus
from pathlib import Path

PROJECT = Path(__file__).parent.parent


class CannotRun(SystemExit):
    """The stack can't start or go on: ends the process with one line on stderr and exit status 1."""


class Refused(Exception):
    """A request that doesn't reach the app, or whose answer must not reach the client."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
