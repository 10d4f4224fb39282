"""An HTTP client of the service, as its users would write it."""

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests

from tests.http import document

TIMEOUT_SECONDS = 30

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    url: str

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request. Check the response against the OpenAPI document, and an error for the common shape."""
        answer = requests.request(method, self.url + path, timeout=TIMEOUT_SECONDS, **options)
        document.check(method, path, (answer.history or [answer])[0])
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"] == "application/json"
            assert method == "HEAD" or isinstance(answer.json()["error"], str)
        return answer

    def get(self, path: str, **parameters: object) -> Json:
        """Send a GET, and return the JSON of the response."""
        answer = self.call("GET", path, params=parameters)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    def pages(
        self, path: str = "/images", headers: dict[str, str] | None = None, /, **query: object
    ) -> Iterator[list[Json]]:
        """Yield the images of a list, page by page."""
        cursor: Json = {}
        while True:
            answer = self.call("GET", path, headers=headers, params={**query, **cursor})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert page["count"] == len(page["images"])
            yield page["images"]
            if not page["has_more"]:
                return
            cursor = {"last_evaluated_key": page["last_evaluated_key"]}

    def ids(self, **query: object) -> list[str]:
        """Return the ids of a whole list."""
        return [image["image_id"] for page in self.pages(**query) for image in page]


@dataclass(frozen=True, slots=True)
class User:
    """A user of the service."""

    service: Service
    user_id: str

    def try_upload(self, photo: bytes, **fields: Any) -> requests.Response:
        """Upload a photo, and return the response."""
        body = {"user_id": self.user_id, "image_data": base64.b64encode(photo).decode(), **fields}
        return self.service.call("POST", "/images", json=body)

    def upload(self, photo: bytes, **fields: Any) -> Json:
        """Upload a photo, and return its metadata."""
        answer = self.try_upload(photo, **fields)
        assert answer.status_code == 201, answer.text
        metadata: Json = answer.json()["metadata"]
        return metadata

    def delete_all(self) -> None:
        """Delete all images of the user."""
        for image_id in self.service.ids(user_id=self.user_id):
            assert self.service.call("DELETE", f"/images/{image_id}?user_id={self.user_id}").status_code == 200


def eventually(read: Callable[[], object], expected: object) -> None:
    """Read until the result is as expected, for up to a minute: on AWS, lists are eventually consistent."""
    deadline = time.monotonic() + 60
    while (current := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert current == expected


def download(url: str) -> requests.Response:
    """Open a presigned URL."""
    return requests.get(url, timeout=TIMEOUT_SECONDS)
