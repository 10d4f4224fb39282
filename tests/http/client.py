"""A client of contract B, as its users write them."""

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
    in_base64: bool = False  # whether what stands before it leaves bytes in base64, as the function gave them

    def bytes_of(self, answer: requests.Response) -> bytes:
        """The bytes of an answer that is a file."""
        return base64.b64decode(answer.content) if self.in_base64 else answer.content

    def call(self, method: str, path: str, **how: Any) -> requests.Response:
        """Send a request; its answer is as the OpenAPI document says, and every error has the one shape."""
        answer = requests.request(method, self.url + path, timeout=TIMEOUT_SECONDS, **how)
        document.check(method, path, (answer.history or [answer])[0])
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"] == "application/json"
            assert method == "HEAD" or isinstance(answer.json()["error"], str)
        return answer

    def get(self, path: str, **parameters: object) -> Json:
        """The JSON that a GET is answered with."""
        answer = self.call("GET", path, params=parameters)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def pages(
        self, path: str = "/images", headers: dict[str, str] | None = None, /, **query: object
    ) -> Iterator[list[Json]]:
        """The images of a list, page by page."""
        more: Json = {}
        while True:
            answer = self.call("GET", path, headers=headers, params={**query, **more})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert page["count"] == len(page["images"])
            yield page["images"]
            if not page["has_more"]:
                return
            more = {"last_evaluated_key": page["last_evaluated_key"]}

    def ids(self, **query: object) -> list[str]:
        """The ids of a whole list."""
        return [image["image_id"] for page in self.pages(**query) for image in page]


@dataclass(frozen=True, slots=True)
class User:
    """Someone who uses the service under a name of their own."""

    service: Service
    user_id: str

    def try_upload(self, photo: bytes, **fields: Any) -> requests.Response:
        """Upload a photo."""
        body = {"user_id": self.user_id, "image_data": base64.b64encode(photo).decode(), **fields}
        return self.service.call("POST", "/images", json=body)

    def upload(self, photo: bytes, **fields: Any) -> Json:
        """Upload a photo; its metadata."""
        answer = self.try_upload(photo, **fields)
        assert answer.status_code == 201, answer.text
        metadata: Json = answer.json()["metadata"]
        return metadata

    def delete_all(self) -> None:
        """Delete whatever is theirs."""
        for image_id in self.service.ids(user_id=self.user_id):
            assert self.service.call("DELETE", f"/images/{image_id}?user_id={self.user_id}").status_code == 200


def eventually(look: Callable[[], object], wanted: object) -> None:
    """See what is wanted within a minute: on AWS, lists follow writes a moment later."""
    deadline = time.monotonic() + 60
    while (found := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == wanted


def download(url: str) -> requests.Response:
    """Open a presigned URL."""
    return requests.get(url, timeout=TIMEOUT_SECONDS)
