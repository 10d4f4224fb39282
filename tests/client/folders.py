"""Uploads of folders for tests: a client that counts what it sends, and files to upload."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import requests
from requests import codes

from images_api_client import Client, Forbidden
from images_api_client.credentials import NamedUser
from images_api_client.folders.model import UploadOutcome
from images_api_client.transport import Answer, Transport
from tests.pictures import picture

DIRECT_BYTES = 5_000_000  # more than a form takes


class CountingTransport(Transport):
    """Counts the requests to the service and to the storage, by method and path."""

    def __init__(self, url: str, user: str) -> None:
        super().__init__(url, NamedUser(user))
        self.sent: Counter[str] = Counter()
        self.forbids_changes = False  # as a service does whose token has too few rights

    def json(self, method: str, path: str, **options: Any) -> Answer:
        self.sent[f"{method} {path}"] += 1
        if self.forbids_changes and method != "GET":
            raise Forbidden(codes.forbidden, "You may not do this.")
        return super().json(method, path, **options)

    def store(self, method: str, url: str, **options: Any) -> requests.Response:
        self.sent[f"{method} the storage"] += 1
        return super().store(method, url, **options)


class CountingClient(Client):
    """A client whose requests are counted, with a journal in a folder of the test."""

    def __init__(self, url: str, user: str, journal: Path) -> None:
        super().__init__(url, user=user)
        self.transport: CountingTransport = CountingTransport(url, user)
        self._journal = journal

    def upload_all(self, *paths: Path, **options: Any) -> list[UploadOutcome]:
        """Upload files and folders, and return the outcomes in the order of the paths."""
        outcomes = self.upload_many(paths, journal=self._journal, **options)
        return sorted(outcomes, key=lambda outcome: outcome.path)

    def changes(self) -> list[str]:
        """Return the requests since the last call that send or change anything."""
        changes = [request for request in self.transport.sent.elements() if not request.startswith("GET ")]
        self.transport.sent.clear()
        return changes


def write(folder: Path, files: Iterable[str]) -> None:
    """Write different pictures to paths in a folder."""
    for seed, name in enumerate(files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(seed=hash_of(name) + seed))


def hash_of(name: str) -> int:
    """Return a number for a name, the same in each run."""
    return int.from_bytes(name.encode()[-6:], "big")


def large_picture(size: int = DIRECT_BYTES, *, seed: int = 0) -> bytes:
    """Return a picture in a file of a size; the file has more bytes than the picture needs."""
    small = picture("BMP", seed=seed)
    return small + bytes(size - len(small))


def statuses(outcomes: Iterable[UploadOutcome], folder: Path) -> dict[str, str]:
    """Return the status of each file by its path in a folder."""
    return {outcome.path.relative_to(folder).as_posix(): str(outcome.status) for outcome in outcomes}
