"""The Python client over API Gateway, and `make export` and `make import` with the rights of an operator.

Deleting the images stands for a new stage, which takes longer to deploy. The tests of two embedded stacks compare
everything: tests/stack/test_archive.py. LocalStack does not check the signatures of S3: that is for these tests, too.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from images_api_client import Client
from images_api_client.model import Document, Visibility
from project import PROJECT
from tests.deployed.conftest import KEPT
from tests.pictures import picture

OWNER = "Bob & Söhne 名"
LARGE = picture(width=1_500, height=1_350)  # too large for a form
IN_PARTS = picture("JPEG").ljust(51_000_000, b"\0")  # decoders ignore what follows the image
# A proxy cannot reach the port that the command serves.
ENVIRONMENT = {**os.environ, "PYTHONPATH": "client", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "localhost"}


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address, user=OWNER) as client:
        yield client
        for image in client.list(user_id=OWNER):
            client.delete(image)


def archive(command: str, folder: Path) -> list[str]:
    """Run `make export` or `make import`, and return the lines that it prints."""
    line = [sys.executable, "-m", "scripts.archive", command, "local", str(folder)]
    ended = subprocess.run(line, cwd=PROJECT, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.splitlines()


def listed(client: Client) -> list[Document]:
    return [image.document for image in client.list(user_id=OWNER)]


def test_what_the_client_uploads_can_be_exported_deleted_and_imported(client: Client, tmp_path: Path) -> None:
    form = client.upload(picture(), tags=["sea"], visibility="private")
    assert (form.user_id, form.description, form.tags, form.visibility) == (OWNER, "", ("sea",), Visibility.PRIVATE)
    changed = client.update(client.upload(LARGE, filename="dünen.png", wait=True), title="Dunes")
    assert (changed.title, changed.version) == ("Dunes", 2)
    client.upload(IN_PARTS, wait=True)
    before = listed(client)
    assert len(before) == 3

    exported = archive("export", tmp_path)
    assert {f"{OWNER}: 3 exported.", f"{KEPT}: 1 exported."} <= set(exported)
    owners = len(exported) - 1  # other tests of this stage have owners of their own
    assert exported[-1] == f"{owners} of {owners} owners are complete."
    for image in before:
        client.delete(image["image_id"])
    assert listed(client) == []
    imported = archive("import", tmp_path)
    assert {f"{OWNER}: 3 imported.", f"{KEPT}: 1 already there."} <= set(imported)
    assert imported[-1] == f"{owners} of {owners} owners are complete."
    assert listed(client) == before
    assert f"{OWNER}: 3 already there." in archive("export", tmp_path)
