"""`make up` and `make down`, with a fake `docker` command on PATH."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from project import PROJECT

Docker = Callable[[str], None]
ECHO = 'echo "$PWD: $*"\n'


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Return a function that puts this script on PATH as the only `docker`."""
    folder = tmp_path / "docker"
    folder.mkdir()
    # PATH has the programs that make runs, and no docker that is installed beside them.
    for program in ("make", "sh"):
        (folder / program).symlink_to(next(path for path in candidates(program) if path.exists()))
    monkeypatch.setenv("PATH", str(folder))

    def install(script: str) -> None:
        program = folder / "docker"
        program.write_text(f"#!/bin/sh\n{script}")
        program.chmod(stat.S_IRWXU)

    return install


def candidates(program: str) -> list[Path]:
    return [Path(folder) / program for folder in os.environ["PATH"].split(os.pathsep)]


def make(target: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--silent", "--directory", str(PROJECT), target]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("target", "verb"), [("up", "up --detach --wait"), ("down", "down")])
def test_make_up_and_down_run_docker_compose_in_the_repository(docker: Docker, target: str, verb: str) -> None:
    docker(f'case "$*" in info | "compose version") echo noise; echo noise >&2 ;; *) {ECHO} ;; esac')
    ended = make(target)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{PROJECT}: compose {verb}\n", "")


def test_an_error_of_docker_compose_is_shown(docker: Docker) -> None:
    docker('case "$*" in "compose up"*) echo "port is already allocated" >&2; exit 7 ;; esac')
    ended = make("up")
    assert ended.returncode != 0
    assert ended.stderr.startswith("port is already allocated\n")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (None, "There is no docker command on PATH"),
        ('[ "$1" != compose ] || { echo "unknown command" >&2; exit 1; }', "The docker command has no compose plugin"),
        ('[ "$1" != info ] || { echo "Cannot connect" >&2; exit 1; }', "No Docker daemon answers the docker command"),
    ],
    ids=["command", "plugin", "daemon"],
)
@pytest.mark.parametrize("target", ["up", "down"])
def test_missing_software_is_reported_in_one_line(
    docker: Docker, target: str, script: str | None, problem: str
) -> None:
    if script:
        docker(script)
    ended = make(target)
    assert ended.stdout == ""
    line, make_error = ended.stderr.splitlines()
    assert line == f"{problem}; `make run` starts the service without Docker."
    assert make_error.startswith("make: ***")
    assert make_error.endswith("Error 1")
