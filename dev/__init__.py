"""The embedded stack: the service, an S3 emulator and DynamoDB Local on one machine, with their data on disk."""

from http import HTTPStatus


class Refused(Exception):
    """A request that the local server answers itself: it does not reach the app, or the app's answer is withheld."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
