"""On a full disk, nothing that is confirmed is lost, and the service says that the disk is full."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from dev.stack import Stack, running, start
from project import CannotRun
from tests.http.client import Service, User, eventually
from tests.http.uploads import announce, send, wait_until_processed
from tests.pictures import picture

Mount = Callable[[Path, int], None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Return a function that mounts a file system of some bytes on an empty folder, or resizes it."""
    with ExitStack() as mounted:

        def tmpfs(folder: Path, size: int) -> None:
            again = folder.is_mount()
            folder.mkdir(parents=True, exist_ok=True)
            options = f"{'remount,' if again else ''}size={size}"
            command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                pytest.skip("This machine has no mount command.")
            if done.returncode:
                pytest.skip(f"This process may not mount a small file system: {done.stderr.strip()}")
            if not again:
                mounted.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)

        yield tmpfs


def upload(stack: Stack, number: int) -> requests.Response:
    """Upload a picture whose index rows need about 100 KB in the database: each contains the description."""
    words = " ".join(f"word{number}x{i}" for i in range(12))
    data = {"user_id": "me", "title": words, "description": f"{words} {'-' * 4_000}"}
    return requests.post(f"{stack.url}/images", data, files={"file": picture()}, timeout=60)


def assert_all_are_there(stack: Stack, image_ids: list[str]) -> None:
    listed = requests.get(f"{stack.url}/images", {"user_id": "me", "limit": "1000"}, timeout=60).json()["images"]
    assert {image["image_id"] for image in listed} == set(image_ids)
    for image_id in image_ids:
        view = requests.get(f"{stack.url}/images/{image_id}", timeout=60).json()
        assert requests.get(view["presigned_url"], timeout=60).content == picture()


def fill(folder: Path, left: int = 0) -> Path:
    """Fill the file system of a folder by one file, except for some bytes."""
    filler = folder / "logs" / "filler"
    with filler.open("ab", buffering=0) as stream:
        try:
            while (free := shutil.disk_usage(folder).free - left) > 0:
                stream.write(bytes(min(free, 1_000_000)))
        except OSError:
            return filler
    return filler


def keys(s3: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket="images-derived").get("Contents", [])]


def test_no_confirmed_upload_is_lost_when_the_database_cannot_grow(tmp_path: Path, mount: Mount) -> None:
    data = tmp_path / "data"
    with running(data):
        pass
    shutil.move(data / "dynamodb", tmp_path / "database")
    used = sum(file.stat().st_blocks * 512 for file in (tmp_path / "database").rglob("*"))
    mount(data / "dynamodb", used + 1_000_000)
    shutil.copytree(tmp_path / "database", data / "dynamodb", dirs_exist_ok=True)
    confirmed: list[str] = []
    refusals: list[str] = []
    # Without a margin, writes go on until they fail.
    with running(data, "--min-free-mb", "0") as stack:
        while len(refusals) < 4:
            answer = upload(stack, len(confirmed))
            if answer.status_code == 201:
                confirmed.append(answer.json()["image_id"])
            else:
                assert answer.status_code == 503
                refusals.append(answer.json()["error"])
        assert any("the disk is full" in refusal.lower() for refusal in refusals), refusals
        assert len(confirmed) > 1
        assert_all_are_there(stack, confirmed)
        stack.kill()
    mount(data / "dynamodb", 8_000_000)
    with running(data, "--min-free-mb", "1") as stack:
        assert_all_are_there(stack, confirmed)
        confirmed.append(upload(stack, len(confirmed)).json()["image_id"])
        assert_all_are_there(stack, confirmed)


def test_no_confirmed_object_is_lost_when_the_bucket_cannot_grow(tmp_path: Path, mount: Mount) -> None:
    data = tmp_path / "data"
    mount(data, 12_000_000)
    with running(data, "--min-free-mb", "0") as stack:
        s3 = stack.client("s3")
        where = {"Bucket": "images-derived", "Key": "me/large"}
        upload_id = s3.create_multipart_upload(**where)["UploadId"]
        part = s3.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=bytes(400_000))
        fill(data, left=300_000)
        s3.put_object(Bucket="images-derived", Key="me/small", Body=bytes(100_000))
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        # Only the emulator notices that the whole object does not fit.
        for store in (
            partial(s3.complete_multipart_upload, **where, UploadId=upload_id, MultipartUpload=parts),
            partial(s3.put_object, **where, Body=bytes(400_000)),
        ):
            with pytest.raises(ClientError, match="The disk of the data folder is full") as refused:
                store()
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
        assert keys(s3) == ["me/small"]
        stack.kill()
    (data / "logs" / "filler").unlink()
    with running(data, "--min-free-mb", "0") as stack:
        assert keys(stack.client("s3")) == ["me/small"]


def test_a_service_on_a_full_disk_says_so_deletes_and_recovers_without_a_restart(tmp_path: Path, mount: Mount) -> None:
    data = tmp_path / "data"
    mount(data, 60_000_000)
    with running(data, "--min-free-mb", "20") as stack:
        alice = User(Service(stack.url), "me")
        first, second = (upload(stack, number).json()["image_id"] for number in range(2))
        for image_id in (first, second):
            wait_until_processed(alice, image_id)
        direct = announce(alice, picture())
        waiting = upload(stack, 4).json()["image_id"]  # its event comes when the disk is full
        fill(data, left=19_000_000)
        for refused in (upload(stack, 2), requests.get(f"{stack.url}/health", timeout=60)):
            assert refused.status_code == 503
            assert refused.json()["error"].startswith("The disk is full: ")
            assert "MIN_FREE_MB is 20" in refused.json()["error"]
        form = send(direct, picture())
        assert (form.status_code, "The disk of the data folder is full" in form.text) == (507, True)

        filler = fill(data)
        assert requests.get(f"{stack.url}/images/{first}", timeout=60).status_code == 200
        assert requests.delete(f"{stack.url}/images/{first}", timeout=60).status_code == 200
        assert requests.get(f"{stack.url}/images/{first}", timeout=60).status_code == 404

        eventually(lambda: " ERROR The disk is full: " in stack.log.read_text(), True)
        filler.unlink()
        assert requests.get(f"{stack.url}/health", timeout=60).json()["status"] == "ok"
        form = send(direct, picture())
        assert form.status_code == 204
        third = upload(stack, 3).json()["image_id"]
        for image_id in (direct["image_id"], third, waiting):
            wait_until_processed(alice, image_id)
        assert stack.stop() == 0


def test_a_service_starts_on_a_full_disk_so_that_images_can_be_deleted(tmp_path: Path, mount: Mount) -> None:
    data = tmp_path / "data"
    mount(data, 40_000_000)
    with running(data, "--min-free-mb", "10") as stack:
        image_id = upload(stack, 0).json()["image_id"]
    fill(data)
    with running(data, "--min-free-mb", "10") as stack:
        assert requests.get(f"{stack.url}/health", timeout=60).status_code == 503
        assert requests.delete(f"{stack.url}/images/{image_id}", timeout=60).status_code == 200
        assert stack.stop() == 0
    fill(data)
    (data / "dynamodb" / "reserve").unlink(missing_ok=True)
    fill(data)
    with pytest.raises(CannotRun) as refused:
        start(data)
    sentence = f"The disk of the data folder {data} is full; free some space, then start again."
    assert str(refused.value).splitlines()[-1] == sentence
