"""The whole stack is killed in the middle of many uploads; then `make run` starts it again."""

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from dev.stack import running, start
from tests.http.client import Json, Service, User, download
from tests.pictures import picture

UPLOADS, CLIENTS, ANSWERED_BEFORE_THE_KILL = 400, 8, 100


def test_every_upload_that_was_answered_is_listed_and_opens_after_a_kill(tmp_path: Path) -> None:
    stack = start(tmp_path / "data")
    user = User(Service(stack.url), "alice")
    answered: list[Json] = []
    enough = threading.Event()

    def upload(n: int) -> None:
        try:
            answer = user.try_upload(picture(seed=n, width=64, height=48), tags=["all"])
        except requests.RequestException:
            return  # the stack is gone
        if answer.status_code == 201:
            answered.append(answer.json()["metadata"])
        if len(answered) >= ANSWERED_BEFORE_THE_KILL:
            enough.set()

    with ThreadPoolExecutor(CLIENTS) as clients:
        for n in range(UPLOADS):
            clients.submit(upload, n)
        assert enough.wait(120)
        stack.kill()
    assert ANSWERED_BEFORE_THE_KILL <= len(answered) < UPLOADS

    # What outlives the API's longest request is left over; a second will do here.
    with running(tmp_path / "data", environment={"API_TIMEOUT_SECONDS": "1"}) as stack:
        service = Service(stack.url)
        listed = {image["image_id"]: image for page in service.pages(user_id="alice") for image in page}
        assert [image for image in answered if listed.get(image["image_id"]) != image] == []
        assert sorted(service.ids(tag="all")) == sorted(service.ids()) == sorted(listed)
        # Also those that were written and not answered any more: an upload is whole, or it is not there.
        for image_id, image in listed.items():
            opened = download(service.get(f"/images/{image_id}")["presigned_url"])
            assert hashlib.sha256(opened.content).hexdigest() == image["checksum"]
        # And the objects of those that had no record yet are removed, though the kill took their events with it.
        s3 = stack.client("s3")
        deadline = time.monotonic() + 60
        while (kept := objects(s3)) != sorted(listed) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert kept == sorted(listed)


def objects(s3: Any) -> list[str]:
    """The ids of the images whose originals are kept."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="images-originals")
    return sorted(found["Key"].rpartition("/")[2] for page in pages for found in page.get("Contents", ()))
