"""`make run`: what it prints, how it starts and how it ends."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3.session
import pytest
import requests

from dev.samples import SAMPLES
from dev.stack import Stack, running, start
from project import PROJECT, CannotRun
from tests.http.client import Service, User
from tests.http.uploads import wait_until_processed

COFFEE = PROJECT / "samples" / "coffee.jpg"
# Variables of a machine with a real AWS account or a proxy. They must not lead the stack elsewhere.
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


def printed_commands(stack: Stack) -> list[str]:
    """Return the commands that the stack prints for users to paste."""
    return [line for line in stack.log.read_text().splitlines() if line.startswith("  ") and "curl" in line]


def output_of(command: str) -> str:
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, timeout=60).stdout


def refusal(*options: str | Path) -> str:
    """Start a stack that cannot start, and return its one line on stderr."""
    command = [sys.executable, "-m", "dev", "run", "--port", "0", *map(str, options)]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    return ended.stderr.strip()


def alive(pids: tuple[int, ...]) -> list[int]:
    """Return the processes that still run. A zombie does not run."""
    states = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-p", ",".join(map(str, pids))], capture_output=True, text=True, check=False
    ).stdout
    return [int(line.split()[0]) for line in states.splitlines() if "Z" not in line.split()[1]]


def all_end(pids: tuple[int, ...]) -> bool:
    """Return whether the processes end within a minute."""
    return eventually(lambda: not alive(pids))


def eventually(condition: Callable[[], bool]) -> bool:
    """Return whether a condition becomes true within a minute."""
    deadline = time.monotonic() + 60
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return met


def test_the_printed_commands_upload_list_and_view_a_photograph(stack: Stack) -> None:
    upload, list_, view = printed_commands(stack)
    image_id = json.loads(output_of(upload))["image_id"]
    assert json.loads(output_of(list_))["images"][0]["image_id"] == image_id  # the newest; other tests upload, too
    image = json.loads(output_of(view))
    assert image["image_id"] == image_id
    assert requests.get(image["presigned_url"], timeout=60).content == COFFEE.read_bytes()


def test_the_printed_settings_connect_boto3_to_the_stack(stack: Stack) -> None:
    settings = dict(re.findall(r"^  export (\w+)=(\S+)$", stack.log.read_text(), re.MULTILINE))
    script = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'], boto3.client('dynamodb').list_tables())"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | settings
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "images-originals" in ended.stdout
    assert "image_tags" in ended.stdout


def test_the_lambda_endpoint_leads_to_the_functions_of_the_stack(stack: Stack) -> None:
    functions = stack.client("lambda")
    with pytest.raises(functions.exceptions.ResourceNotFoundException, match="Function not found: no_such_function"):
        functions.invoke(FunctionName="no_such_function")


def test_an_object_cannot_be_read_without_a_signature(stack: Stack) -> None:
    stack.client("s3").put_object(Bucket="images-originals", Key="someone/thing", Body=b"x")
    url = f"{stack.environment['AWS_ENDPOINT_URL_S3']}/images-originals/someone/thing"
    assert requests.get(url, timeout=60).status_code == 403


def test_the_key_id_in_a_presigned_url_does_not_open_the_database(stack: Stack) -> None:
    image_id = json.loads(output_of(printed_commands(stack)[0]))["image_id"]
    url = requests.get(f"{stack.url}/images/{image_id}", timeout=60).json()["presigned_url"]
    (key_id,) = re.findall(r"X-Amz-Credential=(\w+)", url)
    stranger: Any = boto3.session.Session(key_id, "any", region_name="us-east-1")
    tables = stranger.client("dynamodb", endpoint_url=stack.environment["AWS_ENDPOINT_URL_DYNAMODB"]).list_tables()
    assert tables["TableNames"] == []
    assert stack.client("dynamodb").list_tables()["TableNames"] != []


def test_make_samples_uploads_every_photograph(stack: Stack) -> None:
    command = [sys.executable, "-m", "dev", "samples", "--url", stack.url]
    output = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60).stdout
    images = requests.get(f"{stack.url}/images", {"user_id": "samples"}, timeout=60).json()["images"]
    assert {image["title"] for image in images} == {sample.title for sample in SAMPLES}
    assert all(image["image_id"] in output for image in images)
    link = re.search(r"http\S*X-Amz-Signature\S*", output)
    assert link
    assert requests.get(link[0], timeout=60).status_code == 200


def test_make_samples_reports_a_missing_service_in_one_line() -> None:
    command = [sys.executable, "-m", "dev", "samples", "--url", "http://127.0.0.1:1"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == "No service answers at http://127.0.0.1:1; `make run` starts one.\n"


def test_every_sample_is_small_and_credited() -> None:
    credited = (PROJECT / "samples" / "CREDITS.md").read_text()
    files = {file.name for file in (PROJECT / "samples").glob("*.jpg")}
    assert files == {sample.file for sample in SAMPLES} == set(re.findall(r"^\| `(\S+)` \|", credited, re.MULTILINE))
    assert all((PROJECT / "samples" / name).stat().st_size < 150_000 for name in files)


def test_the_service_gets_its_settings_and_not_those_of_a_real_account(stack: Stack) -> None:
    assert requests.get(f"{stack.url}/health", timeout=60).json()["status"] == "ok"
    body = {"user_id": "me", "image_data": "", "description": "x" * 61}
    assert "60" in requests.post(f"{stack.url}/images", json=body, timeout=60).json()["error"]


def thread_states(pid: int) -> set[str]:
    """Return the states of a process's threads, such as "S (sleeping)"."""
    states = set[str]()
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            states.add(re.findall(r"^State:\s+(.*)", status.read_text(), re.MULTILINE)[0])
    return states


def suspend(pid: int) -> None:
    """Stop a process by SIGSTOP, and wait until all its threads have stopped."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 60
    while thread_states(pid) != {"T (stopped)"}:
        assert time.monotonic() < deadline, f"The process {pid} does not stop."
        time.sleep(0.01)


def test_each_of_two_workers_answers_requests_in_a_process_of_its_own(folder: Path) -> None:
    with running(folder / "workers", "--workers", "2") as stack:
        _, _, _, first, second, _ = stack.pids
        for stopped in (first, second):
            suspend(stopped)
            assert requests.get(f"{stack.url}/health", timeout=60).status_code == 200
            os.kill(stopped, signal.SIGCONT)


def test_two_running_stacks_share_nothing(stack: Stack, folder: Path) -> None:
    with running(folder / "other") as other:
        image_id = json.loads(output_of(printed_commands(other)[0]))["image_id"]
        assert requests.get(f"{other.url}/images/{image_id}", timeout=60).status_code == 200
        assert requests.get(f"{stack.url}/images/{image_id}", timeout=60).status_code == 404
        assert set(other.environment.values()) & set(stack.environment.values()) == {"us-east-1"}


def kill_the_stack_alone(stack: Stack) -> None:
    stack.process.kill()
    stack.process.wait()


def test_images_outlive_a_stack_however_it_ends(folder: Path) -> None:
    image_ids: list[str] = []
    for end in (kill_the_stack_alone, Stack.kill, Stack.stop):
        stack = start(folder / "restarted")
        for image_id in image_ids:
            view = requests.get(f"{stack.url}/images/{image_id}", timeout=60).json()
            assert requests.get(view["presigned_url"], timeout=60).content == COFFEE.read_bytes()
        image_ids.append(json.loads(output_of(printed_commands(stack)[0]))["image_id"])
        end(stack)
        assert all_end(stack.pids)
    assert len(image_ids) == 3


def test_a_presigned_url_and_a_form_work_after_a_restart(folder: Path) -> None:
    with running(folder / "urls") as stack:
        upload = requests.post(
            f"{stack.url}/images",
            data={"user_id": "me"},
            files={"file": ("coffee.jpg", COFFEE.read_bytes())},
            timeout=60,
        ).json()
        url = requests.get(f"{stack.url}/images/{upload['image_id']}", timeout=60).json()["presigned_url"]
        announced = {
            "user_id": "me",
            "filename": "coffee.jpg",
            "content_type": "image/jpeg",
            "size": upload["metadata"]["size"],
        }
        form = requests.post(f"{stack.url}/images/direct-upload", json=announced, timeout=60).json()
    with running(folder / "urls"):
        assert requests.get(url, timeout=60).content == COFFEE.read_bytes()
        sent = requests.post(form["url"], form["fields"], files={"file": COFFEE.read_bytes()}, timeout=60)
        assert sent.status_code == 204


def test_s3_gets_another_port_if_its_own_is_in_use_and_the_start_says_so(folder: Path) -> None:
    data = folder / "moved"
    with running(data) as stack:
        before = port_of_s3(stack)
    with socket.create_server(("127.0.0.1", before)), running(data) as stack:
        after = port_of_s3(stack)
        line = f"Another program uses port {before}; S3 gets port {after}, so earlier presigned URLs do not work.\n"
        assert line in stack.log.read_text()
    with running(data, "--s3-port", str(before)) as stack:
        assert port_of_s3(stack) == before


def port_of_s3(stack: Stack) -> int:
    return int(stack.environment["AWS_ENDPOINT_URL_S3"].rpartition(":")[2])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_every_process_in_time(folder: Path, number: signal.Signals) -> None:
    stack = start(folder / "ended")
    send = os.killpg if number == signal.SIGINT else os.kill  # a terminal sends Ctrl-C to every process
    send(stack.process.pid, number)
    # Status 0: no engine had to be killed because it took too long.
    assert stack.process.wait(60) == 0
    assert alive(stack.pids) == []
    assert stack.log.read_text().endswith("Press Ctrl-C to stop. The data stays in the data folder.\n\n")
    assert not (folder / "ended" / "events-at-risk").exists()


def test_a_stack_whose_engine_ends_stops_and_names_the_engine(folder: Path) -> None:
    stack = start(folder / "halved")
    os.kill(stack.pids[1], signal.SIGKILL)
    assert stack.process.wait(60) == 1
    assert stack.log.read_text().splitlines()[-1].startswith("ministack ended with status -9; see ")
    assert alive(stack.pids) == []


def test_each_process_that_ends_is_started_again_and_the_service_goes_on(stack: Stack, folder: Path) -> None:
    before = announced_pids(folder / "data")
    for pid in before[3:]:  # after the stack itself and its engines
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not set(announced_pids(folder / "data")) & set(before[3:]))
    assert len(announced_pids(folder / "data")) == len(before)
    assert "is started again" in stack.log.read_text()
    service = Service(stack.url)
    wait_until_processed(User(service, "me"), User(service, "me").upload(COFFEE.read_bytes())["image_id"])


def announced_pids(data: Path) -> list[int]:
    pids: list[int] = json.loads((data / "stack.json").read_text())["pids"]
    return pids


def test_a_stack_that_must_kill_an_engine_reports_it_and_sends_events_again_later(folder: Path) -> None:
    stack = start(folder / "stopped")
    suspend(stack.pids[1])
    assert stack.stop() == 1
    assert stack.log.read_text().splitlines()[-1] == "ministack did not end in 5 s and had to be killed."
    assert alive(stack.pids) == []
    assert (folder / "stopped" / "events-at-risk").exists()


def test_a_bad_request_is_refused_while_dynamodb_hangs(folder: Path) -> None:
    with running(folder / "hanging") as stack:
        suspend(stack.pids[2])
        try:
            answer = requests.post(f"{stack.url}/images", "{", headers={"Content-Type": "application/json"}, timeout=60)
        finally:
            os.kill(stack.pids[2], signal.SIGCONT)
    # A request that waits for DynamoDB is answered 503.
    assert answer.status_code == 400


def test_a_busy_port_is_reported_in_one_line(stack: Stack, folder: Path) -> None:
    for option, url in (
        ("--port", stack.url),
        ("--s3-port", stack.environment["AWS_ENDPOINT_URL_S3"]),
        ("--dynamodb-port", stack.environment["AWS_ENDPOINT_URL_DYNAMODB"]),
    ):
        port = url.rpartition(":")[2]
        line = refusal("--data", folder / "busy", option, port)
        assert line == f"Port {port} of 127.0.0.1 cannot be used: Address already in use."
        assert not (folder / "busy").exists()


def test_a_data_folder_in_use_is_reported_in_one_line(stack: Stack, folder: Path) -> None:
    assert refusal("--data", folder / "data").endswith("/data is in use by another stack.")


def test_a_folder_with_other_files_is_not_used(folder: Path) -> None:
    other = folder / "home"
    other.mkdir()
    (other / "diary.txt").write_text("dear diary")
    assert "contains other files" in refusal("--data", other)
    assert [file.name for file in other.iterdir()] == ["diary.txt"]


def test_a_file_as_data_folder_is_reported_in_one_line(folder: Path) -> None:
    file = folder / "file"
    file.touch()
    assert refusal("--data", file) == f"The data folder {file} cannot be used: it is a file."
    assert "Not a directory" in refusal("--data", file / "below")


@pytest.mark.parametrize(
    "damage",
    [
        lambda database: b"garbage" * 1_000,
        lambda database: database[:5_000],
        lambda database: database[:4_096] + bytes(8_192) + database[12_288:],
    ],
    ids=["overwritten", "truncated", "partly zero"],
)
def test_a_damaged_database_is_named_in_one_line(
    stack: Stack, folder: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    (database,) = (tmp_path / "data" / "dynamodb").glob(f"{stack.environment['AWS_ACCESS_KEY_ID']}_*.db")
    database.write_bytes(damage(database.read_bytes()))
    assert (
        refusal("--data", tmp_path / "data")
        == f"The data folder is damaged: {database} is not a valid SQLite database."
    )


def test_a_missing_part_of_the_data_is_reported_in_one_line_and_nothing_is_deleted(
    stack: Stack, folder: Path, tmp_path: Path
) -> None:
    requests.post(f"{stack.url}/images", {"user_id": "reader"}, files={"file": COFFEE.read_bytes()}, timeout=60)
    for part, problem in (
        ("dynamodb", "has originals, but its database "),
        ("s3", " has no bucket images-originals; "),
    ):
        data = tmp_path / part
        shutil.copytree(folder / "data", data)
        shutil.rmtree(data / part)
        files = sorted(data.rglob("*.*"))
        assert problem in refusal("--data", data)
        assert sorted(data.rglob("*.*")) == [file for file in files if file != data / "stack.json"]


def test_damaged_credentials_are_reported_in_one_line(stack: Stack, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    (tmp_path / "data" / "credentials.json").write_text("{")
    assert "credentials.json cannot be read" in refusal("--data", tmp_path / "data")


def test_a_tilde_in_the_data_folder_is_expanded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "home-file").touch()
    monkeypatch.setenv("HOME", str(folder))
    assert refusal("--data", "~/home-file") == f"The data folder {folder}/home-file cannot be used: it is a file."


def test_an_invalid_setting_is_reported_before_anything_starts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_PIXELS", "many")
    assert refusal("--data", folder / "unmade").startswith("MAX_PIXELS must be")
    assert not (folder / "unmade").exists()


def test_start_raises_the_reason_of_a_failure(stack: Stack, folder: Path) -> None:
    with pytest.raises(CannotRun, match="it is a file"):
        start(folder / "data" / "lock")
