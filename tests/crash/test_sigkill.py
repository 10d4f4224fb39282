"""Kill the whole stack during many uploads, and start it again."""

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

UPLOADS, CLIENTS, CONFIRMED_BEFORE_THE_KILL = 200, 8, 40


def test_every_confirmed_upload_is_listed_and_downloadable_after_a_kill(tmp_path: Path) -> None:
    stack = start(tmp_path / "data")
    user = User(Service(stack.url), "alice")
    confirmed: list[Json] = []
    enough = threading.Event()

    def upload(n: int) -> None:
        try:
            answer = user.try_upload(picture(seed=n, width=64, height=48), tags=["all"])
        except requests.RequestException:
            return  # the stack was killed
        if answer.status_code == 201:
            confirmed.append(answer.json()["metadata"])
        if len(confirmed) >= CONFIRMED_BEFORE_THE_KILL:
            enough.set()

    with ThreadPoolExecutor(CLIENTS) as clients:
        for n in range(UPLOADS):
            clients.submit(upload, n)
        assert enough.wait(120)
        stack.kill()
    assert CONFIRMED_BEFORE_THE_KILL <= len(confirmed) < UPLOADS

    # The stack deletes an object without a record once no request can be running: here, after one second.
    with running(tmp_path / "data", environment={"API_TIMEOUT_SECONDS": "1"}) as stack:
        service = Service(stack.url)
        listed = {image["image_id"]: image for page in service.pages(user_id="alice") for image in page}
        assert [image for image in confirmed if listed.get(image["image_id"]) != image] == []
        assert sorted(service.ids(tag="all")) == sorted(service.ids()) == sorted(listed)
        # This includes uploads that were written but not confirmed: an upload is complete or absent.
        for image_id, image in listed.items():
            downloaded = download(service.get(f"/images/{image_id}")["presigned_url"])
            assert hashlib.sha256(downloaded.content).hexdigest() == image["checksum"]
        # Objects without a record are deleted, although their events were lost when the stack was killed.
        s3 = stack.client("s3")
        deadline = time.monotonic() + 60
        while (originals := image_ids(s3)) != sorted(listed) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert originals == sorted(listed)


def image_ids(s3: Any) -> list[str]:
    """Return the ids of the images that have an original."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="images-originals")
    return sorted(entry["Key"].rpartition("/")[2] for page in pages for entry in page.get("Contents", ()))
