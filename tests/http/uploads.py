"""Direct uploads over HTTP, as a client makes them."""

import time
from typing import Any

import requests

from tests.http.client import TIMEOUT_SECONDS, Json, User

PROCESSED_SECONDS = 150  # more than the 60 seconds after which the local stack repeats a failed event


def announce(user: User, content: bytes, content_type: str = "image/png", **fields: Any) -> Json:
    """Announce a direct upload, and return the response."""
    body = {"user_id": user.user_id, "content_type": content_type, "size": len(content), **fields}
    answer = user.service.call("POST", "/images/direct-upload", json=body)
    assert answer.status_code == 201, answer.text
    announced: Json = answer.json()
    return announced


def send(announced: Json, content: bytes, **changed: str) -> requests.Response:
    """POST the form, as a browser does."""
    fields = {**announced["fields"], **changed}
    return requests.post(announced["url"], data=fields, files={"file": content}, timeout=TIMEOUT_SECONDS)


def wait_until_processed(user: User, image_id: str) -> Json:
    """Wait until an image is neither awaiting its upload nor being processed, and return its view."""
    deadline = time.monotonic() + PROCESSED_SECONDS
    while time.monotonic() < deadline:
        view = user.service.get(f"/images/{image_id}", user_id=user.user_id)
        if view["state"] not in ("awaiting_upload", "processing"):
            return view
        time.sleep(0.3)
    raise AssertionError(f"The image is still {view['state']}.")
