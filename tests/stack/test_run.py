"""What who types `make run` sees."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from dev.samples import SAMPLES
from dev.stack import Stack, running, start
from project import PROJECT, CannotRun

COFFEE = PROJECT / "samples" / "coffee.jpg"
# What leads elsewhere, on the machine of someone who has a real account or sits behind a proxy.
HOSTILE = {
    "AWS_PROFILE": "production",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "http_proxy": "http://127.0.0.1:1",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("stacks"))


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    with running(folder / "data", environment=HOSTILE | {"MAX_DESCRIPTION_CHARS": "60"}) as stack:
        yield stack


def pasted(stack: Stack) -> list[str]:
    """The commands that the stack proposes."""
    return [line for line in stack.log.read_text().splitlines() if line.startswith("  ") and "curl" in line]


def typed(command: str) -> str:
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, timeout=60).stdout


def refusal(*options: str | Path) -> str:
    """What a stack that can't start says: one line on stderr, status 1."""
    command = [sys.executable, "-m", "dev", "run", "--port", "0", *map(str, options)]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    return ended.stderr.strip()


def alive(pids: tuple[int, ...]) -> list[int]:
    """Which of the processes are there; a killed one whose parent hasn't asked for it isn't."""
    states = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-p", ",".join(map(str, pids))], capture_output=True, text=True, check=False
    ).stdout
    return [int(line.split()[0]) for line in states.splitlines() if "Z" not in line.split()[1]]


def gone(pids: tuple[int, ...]) -> bool:
    """Whether the processes end, given a while."""
    deadline = time.monotonic() + 60
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pids)


def test_the_proposed_commands_upload_list_and_view_a_photograph(stack: Stack) -> None:
    upload, show, view = pasted(stack)
    image_id = json.loads(typed(upload))["image_id"]
    assert [image["image_id"] for image in json.loads(typed(show))["images"]] == [image_id]
    viewed = json.loads(typed(view))
    assert viewed["image_id"] == image_id
    assert requests.get(viewed["presigned_url"], timeout=60).content == COFFEE.read_bytes()


def test_the_proposed_settings_lead_boto3_to_the_stack_and_nowhere_else(stack: Stack) -> None:
    settings = dict(re.findall(r"^  export (\w+)=(\S+)$", stack.log.read_text(), re.MULTILINE))
    look = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'], boto3.client('dynamodb').list_tables())"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | settings
    seen = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True)
    assert "images-originals" in seen.stdout
    assert "image_tags" in seen.stdout


def test_the_functions_of_the_stack_are_asked_for_at_its_url(stack: Stack) -> None:
    functions = stack.client("lambda")
    with pytest.raises(functions.exceptions.ResourceNotFoundException, match="Function not found: no_such_function"):
        functions.invoke(FunctionName="no_such_function")


def test_objects_are_private_without_a_signature(stack: Stack) -> None:
    stack.client("s3").put_object(Bucket="images-originals", Key="someone/thing", Body=b"x")
    url = f"{stack.environment['AWS_ENDPOINT_URL_S3']}/images-originals/someone/thing"
    assert requests.get(url, timeout=60).status_code == 403


def test_make_samples_loads_every_photograph(stack: Stack) -> None:
    command = [sys.executable, "-m", "dev", "samples", "--url", stack.url]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60).stdout
    images = requests.get(f"{stack.url}/images", {"user_id": "samples"}, timeout=60).json()["images"]
    assert {image["title"] for image in images} == {sample.title for sample in SAMPLES}
    assert all(image["image_id"] in said for image in images)
    link = re.search(r"http\S*X-Amz-Signature\S*", said)
    assert link
    assert requests.get(link[0], timeout=60).status_code == 200


def test_samples_without_a_service_is_one_line() -> None:
    command = [sys.executable, "-m", "dev", "samples", "--url", "http://127.0.0.1:1"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == "No service answers at http://127.0.0.1:1; `make run` starts one.\n"


def test_every_sample_is_small_and_credited() -> None:
    credited = (PROJECT / "samples" / "CREDITS.md").read_text()
    files = {file.name for file in (PROJECT / "samples").glob("*.jpg")}
    assert files == {sample.file for sample in SAMPLES} == set(re.findall(r"^\| `(\S+)` \|", credited, re.MULTILINE))
    assert all((PROJECT / "samples" / name).stat().st_size < 150_000 for name in files)


def test_settings_of_the_service_reach_it_and_those_of_a_real_account_do_not(stack: Stack) -> None:
    assert requests.get(f"{stack.url}/health", timeout=60).json()["status"] == "ok"
    body = {"user_id": "me", "image_data": "", "description": "x" * 61}
    assert "60" in requests.post(f"{stack.url}/images", json=body, timeout=60).json()["error"]


def test_two_stacks_beside_each_other_share_nothing(stack: Stack, folder: Path) -> None:
    with running(folder / "other") as other:
        mine = json.loads(typed(pasted(other)[0]))["image_id"]
        assert requests.get(f"{other.url}/images/{mine}", timeout=60).status_code == 200
        assert requests.get(f"{stack.url}/images/{mine}", timeout=60).status_code == 404
        assert set(other.environment.values()) & set(stack.environment.values()) == {"us-east-1"}


def kill_the_stack_alone(stack: Stack) -> None:
    stack.process.kill()
    stack.process.wait()


def test_every_start_finds_the_images_of_those_before_however_they_ended(folder: Path) -> None:
    kept: list[str] = []
    for end in (kill_the_stack_alone, Stack.kill, Stack.stop):
        stack = start(folder / "kept")
        for image_id in kept:
            viewed = requests.get(f"{stack.url}/images/{image_id}", timeout=60).json()
            assert requests.get(viewed["presigned_url"], timeout=60).content == COFFEE.read_bytes()
        kept.append(json.loads(typed(pasted(stack)[0]))["image_id"])
        end(stack)
        assert gone(stack.pids)
    assert len(kept) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_that_was_started_in_good_time(folder: Path, number: signal.Signals) -> None:
    stack = start(folder / "ended")
    stack.process.send_signal(number)
    # Status 0: no engine had to be killed because it took too long.
    assert stack.process.wait(60) == 0
    assert alive(stack.pids) == []
    assert stack.log.read_text().endswith("Press Ctrl-C to stop. The data stays in the data folder.\n\n")
    assert not (folder / "ended" / "events-at-risk").exists()


def test_a_stack_whose_engine_ended_ends_and_says_which(folder: Path) -> None:
    stack = start(folder / "halved")
    os.kill(stack.pids[1], signal.SIGKILL)
    assert stack.process.wait(60) == 1
    assert stack.log.read_text().splitlines()[-1].startswith("ministack ended with status -9; see ")
    assert alive(stack.pids) == []


def test_a_stack_whose_engine_could_not_end_in_order_says_so_and_owes_its_events(folder: Path) -> None:
    stack = start(folder / "stopped")
    os.kill(stack.pids[1], signal.SIGSTOP)
    assert stack.stop() == 1
    assert stack.log.read_text().splitlines()[-1] == "ministack did not end in 5 s and had to be killed."
    assert alive(stack.pids) == []
    assert (folder / "stopped" / "events-at-risk").exists()


def test_while_dynamodb_hangs_a_bad_request_is_refused(folder: Path) -> None:
    with running(folder / "hanging") as stack:
        os.kill(stack.pids[2], signal.SIGSTOP)
        try:
            answer = requests.post(f"{stack.url}/images", "{", headers={"Content-Type": "application/json"}, timeout=60)
        finally:
            os.kill(stack.pids[2], signal.SIGCONT)
    # A request that waits for DynamoDB is answered 503.
    assert answer.status_code == 400


def test_a_busy_port_is_one_line(stack: Stack, folder: Path) -> None:
    for option, url in (
        ("--port", stack.url),
        ("--s3-port", stack.environment["AWS_ENDPOINT_URL_S3"]),
        ("--dynamodb-port", stack.environment["AWS_ENDPOINT_URL_DYNAMODB"]),
    ):
        port = url.rpartition(":")[2]
        line = refusal("--data", folder / "busy", option, port)
        assert line == f"Port {port} of 127.0.0.1 cannot be used: Address already in use."
        assert not (folder / "busy").exists()


def test_a_folder_in_use_is_one_line(stack: Stack, folder: Path) -> None:
    assert refusal("--data", folder / "data").endswith("/data is in use by another stack.")


def test_a_folder_of_something_else_is_left_alone(folder: Path) -> None:
    other = folder / "home"
    other.mkdir()
    (other / "diary.txt").write_text("dear diary")
    assert "contains other files" in refusal("--data", other)
    assert [file.name for file in other.iterdir()] == ["diary.txt"]


def test_a_file_for_a_folder_is_one_line(folder: Path) -> None:
    file = folder / "file"
    file.touch()
    assert refusal("--data", file) == f"The data folder {file} cannot be used: it is a file."
    assert "Not a directory" in refusal("--data", file / "below")


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda whole: b"garbage" * 1_000,
        lambda whole: whole[:5_000],
        lambda whole: whole[:4_096] + bytes(8_192) + whole[12_288:],
    ],
    ids=["overwritten", "cut off", "holed"],
)
def test_a_damaged_database_is_one_line_that_names_it(
    stack: Stack, folder: Path, tmp_path: Path, spoiled: Callable[[bytes], bytes]
) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    (database,) = (tmp_path / "data" / "dynamodb").glob("*.db")
    database.write_bytes(spoiled(database.read_bytes()))
    assert (
        refusal("--data", tmp_path / "data")
        == f"The data folder is damaged: {database} is not a valid SQLite database."
    )


def test_damaged_credentials_are_one_line(stack: Stack, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    (tmp_path / "data" / "credentials.json").write_text("{")
    assert "credentials.json cannot be read" in refusal("--data", tmp_path / "data")


def test_a_home_that_the_shell_left_as_typed_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "home-file").touch()
    monkeypatch.setenv("HOME", str(folder))
    assert refusal("--data", "~/home-file") == f"The data folder {folder}/home-file cannot be used: it is a file."


def test_a_wrong_setting_is_one_line_before_anything_starts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_PIXELS", "many")
    assert refusal("--data", folder / "unmade").startswith("MAX_PIXELS must be")
    assert not (folder / "unmade").exists()


def test_a_failed_start_shows_its_reason_to_tests_too(stack: Stack, folder: Path) -> None:
    with pytest.raises(CannotRun, match="it is a file"):
        start(folder / "data" / "lock")
