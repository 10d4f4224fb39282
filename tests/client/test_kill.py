"""Kill uploads of folders by SIGKILL, and start them again."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from dev.stack import Stack
from images_api_client import Client
from project import PROJECT
from tests.client.conftest import PART_BYTES
from tests.client.folders import CountingClient, large_picture, statuses
from tests.pictures import picture

KILLS = 3

# Uploads a folder, and kills itself instead of sending a part with this number.
KILLED_AT_A_PART = """
import os, signal, sys
from pathlib import Path
from images_api_client import Client

url, user, folder, journal, number = sys.argv[1:]
client = Client(url, user=user)
store, puts = client.transport.store, []

def dying(method, *arguments, **options):
    puts.append(method)
    if puts.count("PUT") == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
    return store(method, *arguments, **options)

client.transport.store = dying
print(*client.upload_many([folder], journal=Path(journal)))
"""


def environment(stack: Stack, user: str, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(PROJECT / "client"),
        "XDG_STATE_HOME": str(folder),
        "IMAGES_URL": stack.url,
        "IMAGES_USER": user,
    }


@pytest.mark.long
def test_an_upload_that_is_killed_at_random_sends_each_file_once(other: Stack, tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    print("seed", seed)
    chosen = random.Random(seed)
    photos = tmp_path / "photos"
    contents = {f"{n:02}.png": picture(seed=n) for n in range(40)}
    contents |= {"copy.png": contents["07.png"], "20.bmp": large_picture(seed=1), "30.bmp": large_picture(11_000_000)}
    for name, content in contents.items():
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(content)
    command = [sys.executable, "-m", "images_api_client", "upload", str(photos), "--json"]
    variables = environment(other, "killed", tmp_path)

    for _ in range(KILLS):
        with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            lines = chosen.randint(1, 10)
            for line in process.stdout:
                if json.loads(line)["status"] == "uploaded" and (lines := lines - 1) == 0:
                    break
            process.send_signal(signal.SIGKILL)
    last = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    *files, totals = map(json.loads, last.stdout.splitlines())
    counts = Counter(document["status"] for document in files)
    assert totals["totals"] == {
        "found": len(contents),
        "uploaded": counts["uploaded"],
        "already_there": len(contents) - counts["uploaded"],
        "refused": 0,
        "failed": 0,
    }
    assert counts["already_there"] > 1
    stored = sorted(image.checksum for image in Client(other.url).list(user_id="killed"))
    assert stored == sorted({hashlib.sha256(content).hexdigest() for content in contents.values()})
    again = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    assert json.loads(again.stdout.splitlines()[-1])["totals"]["already_there"] == len(contents)


def test_the_totals_of_an_interrupted_upload_add_up(other: Stack, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(60):
        (photos / f"{n:02}.png").write_bytes(picture(seed=n))
    command = [sys.executable, "-m", "images_api_client", "upload", str(photos), "--json"]
    variables = environment(other, "interrupted", tmp_path)
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        lines += process.stdout
    totals = json.loads(lines[-1])["totals"]
    assert process.returncode == 130
    assert totals["uploaded"] - (len(lines) - 1) in (0, 1)  # the signal can come before a line is printed
    assert totals["found"] == totals["uploaded"] + totals["not_finished"]
    assert (totals["found"] <= 60, totals["not_finished"] > 0) == (True, True)


def test_an_upload_that_is_killed_between_two_parts_sends_only_the_others(other: Stack, tmp_path: Path) -> None:
    photos, journal = tmp_path / "photos", tmp_path / "journal.sqlite"
    photos.mkdir()
    content = large_picture(3 * PART_BYTES - 1, seed=3)
    (photos / "large.bmp").write_bytes(content)
    arguments = [other.url, "parts", str(photos), str(journal), "3"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AT_A_PART, *arguments],
        env=environment(other, "parts", tmp_path),
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL

    client = CountingClient(other.url, "parts", journal)
    assert statuses(client.upload_all(photos), photos) == {"large.bmp": "uploaded"}
    assert client.transport.sent["PUT the storage"] == 1
    [image] = client.list(user_id="parts")
    assert image.checksum == hashlib.sha256(content).hexdigest()
