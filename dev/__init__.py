"""The embedded stack: the service with an S3 emulator and DynamoDB Local on one machine, data on disk."""

from pathlib import Path

PROJECT = Path(__file__).parent.parent


class CannotRun(SystemExit):
    """The stack can't start or go on: ends the process with one line on stderr and exit status 1."""
