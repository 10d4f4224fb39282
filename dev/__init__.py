"""The embedded stack: the service with an S3 emulator and DynamoDB Local on one machine, data on disk."""

from http import HTTPStatus


class Refused(Exception):
    """A request that doesn't reach the app, or whose answer must not reach the client."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
