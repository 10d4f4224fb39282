"""`chalice local` beside the stack that `make run` starts, in a copy of the project with its data folder."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from dev.local import watched
from dev.processes import LOOPBACK
from dev.stack import Stack, running
from project import PROJECT
from tests.pictures import picture

pytestmark = pytest.mark.long

CHALICE = Path(sys.executable).with_name("chalice")
SECONDS = 60


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the project, so that tests can change its code."""
    copy = Path(tmp_path_factory.mktemp("project"))
    ignored = shutil.ignore_patterns("__pycache__", "deployed", "deployments")
    for name in (".chalice", "chalicelib", "dev", "project"):
        shutil.copytree(PROJECT / name, copy / name, ignore=ignored)
    for name in ("app.py", "resources.yaml"):
        shutil.copy(PROJECT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def stack(project: Path) -> Iterator[Stack]:
    """Run a stack on the folder in the project that `make run` uses."""
    with running(project / ".data") as stack:
        yield stack


class Local:
    """A running `chalice local`."""

    def __init__(self, process: subprocess.Popen[str], log: Path, port: int) -> None:
        self.process, self.log = process, log
        self.url = f"http://{LOOPBACK}:{port}"

    def starts(self) -> int:
        """Return how often it has started to serve."""
        return self.log.read_text().count(f"on {self.url}")

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/health", timeout=SECONDS).ok
        except requests.ConnectionError:
            return False


def command(port: int, *options: str) -> list[str | Path]:
    return [CHALICE, "local", "--port", str(port), *options]


def environment(**variables: str) -> dict[str, str]:
    # Without bytecode, which Chalice's own file watcher would see until it is replaced.
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**others, "PYTHONDONTWRITEBYTECODE": "1", **variables}


@contextmanager
def chalice_local(project: Path, log: Path, *options: str) -> Iterator[Local]:
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            command(port, *options),
            cwd=project,
            env=environment(PYTHONUNBUFFERED="1"),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    local = Local(process, log, port)
    try:
        eventually(lambda: local.starts() == 1, log)
        yield local
    finally:
        process.terminate()
        process.wait(SECONDS)
        eventually(lambda: not local.answers(), log)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def refusal(project: Path, *options: str, **variables: str) -> tuple[int, str]:
    """Run `chalice local` that cannot start, and return its exit status and its only line."""
    port = free_port()
    line = command(port, *options)
    ended = subprocess.run(
        line, cwd=project, env=environment(**variables), capture_output=True, text=True, check=False, timeout=SECONDS
    )
    # Chalice's own file watcher may have seen a change of the data before it was replaced.
    assert set(ended.stdout.splitlines()) <= {"Restarting local dev server."}
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.returncode, ended.stderr.strip()


def test_no_upload_is_lost_while_the_stack_writes_its_data(stack: Stack, project: Path, tmp_path: Path) -> None:
    with chalice_local(project, tmp_path / "log") as local:
        for number in range(40):
            fields = {"user_id": "me", "title": f"Picture {number}"}
            files = {"file": picture(width=40 + number)}
            answer = requests.post(f"{local.url}/images", fields, files=files, timeout=SECONDS)
            assert answer.status_code == 201, answer.text
        assert local.starts() == 1
        # They are in the stack, and a request for HEAD has the answer that API Gateway gives.
        assert requests.get(f"{stack.url}/images/count?user_id=me", timeout=SECONDS).json()["count"] == 40
        assert requests.head(f"{local.url}/images", timeout=SECONDS).status_code == 200
        image_id = answer.json()["image_id"]
        link = requests.get(f"{local.url}/images/{image_id}", timeout=SECONDS).json()["presigned_url"]
        assert requests.get(link, timeout=SECONDS).status_code == 200
        assert stack.environment["AWS_ACCESS_KEY_ID"] not in link  # it opens the database


def test_it_starts_again_after_a_change_of_the_code_and_after_nothing_else(
    stack: Stack, project: Path, tmp_path: Path
) -> None:
    with chalice_local(project, tmp_path / "log") as local:
        for name in (
            ".data/file",
            ".git/index",
            "build/zip",
            ".chalice/deployments/x.zip",
            "docs/page.md",
            ".coverage",
        ):
            (project / name).parent.mkdir(exist_ok=True)
            (project / name).write_text("changed")
        code = project / "chalicelib" / "ids.py"
        text = code.read_text()
        code.write_text(f"{text}\na mistake\n")
        eventually(lambda: "SyntaxError" in local.log.read_text(), local.log)
        code.write_text(text)
        eventually(lambda: local.starts() == 2, local.log)
        assert local.answers()
        os.utime(project / ".chalice" / "config.json")
        eventually(lambda: local.starts() == 3, local.log)
        assert local.answers()


def test_only_code_and_configuration_are_watched(project: Path) -> None:
    before = watched(project)
    (project / "chalicelib" / "__pycache__").mkdir(exist_ok=True)
    for name in ("chalicelib/__pycache__/ids.cpython-313.pyc", "chalicelib/.ids.py.swp", "README.md"):
        (project / name).touch()
    assert watched(project) == before
    assert {str(path.relative_to(project)) for path in before} > {
        "app.py",
        ".chalice/config.json",
        "chalicelib/web/openapi.yaml",
        "chalicelib/images/images.py",
    }


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--no-autoreload",), 1)], ids=["reload", "no reload"])
def test_what_prevents_a_start_is_one_line_and_the_end(
    stack: Stack, project: Path, options: tuple[str, ...], status: int
) -> None:
    """Chalice's reloader ends with status 0 whatever the status of the process is that it started."""
    ended, line = refusal(project, *options, MAX_PIXELS="many")
    assert (ended, line.startswith("MAX_PIXELS must be")) == (status, True)
    busy = stack.url.rpartition(":")[2]
    assert refusal(project, *options, "--port", busy) == (
        status,
        f"Port {busy} of {LOOPBACK} cannot be used: Address already in use.",
    )
    assert refusal(project, *options, DATA="elsewhere") == (
        status,
        "No service runs on the data folder elsewhere; `make run` starts one.",
    )
    assert refusal(project, *options, "--stage", "nowhere") == (status, ".chalice/config.json has no stage 'nowhere'.")


def test_data_on_aws_is_served_only_to_callers_with_tokens(project: Path) -> None:
    ended, line = refusal(project, "--no-autoreload", IMAGES_TABLE_NAME="images-dev")
    assert (ended, line) == (1, "AUTH=jwt requires JWT_SECRET, or JWT_ISSUER and JWT_JWKS_URL.")


def test_the_server_ends_with_chalice_even_if_chalice_is_killed(stack: Stack, project: Path, tmp_path: Path) -> None:
    with chalice_local(project, tmp_path / "log") as local:
        assert local.answers()
        local.process.send_signal(signal.SIGKILL)
        eventually(lambda: not local.answers(), local.log)


def test_ctrl_c_ends_it_with_status_0(stack: Stack, project: Path, tmp_path: Path) -> None:
    with chalice_local(project, tmp_path / "log") as local:
        os.killpg(local.process.pid, signal.SIGINT)
        assert local.process.wait(SECONDS) == 0
        assert "Traceback" not in local.log.read_text()
