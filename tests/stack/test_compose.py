"""`make up` and `make down`, with programs named docker on PATH in place of Docker's."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from project import PROJECT

Docker = Callable[[str], None]
SAYS = 'echo "$PWD: $*"\n'


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Puts a docker of this script, and no other, on PATH."""
    folder = tmp_path / "docker"
    folder.mkdir()
    # What make itself runs is found, a docker beside it is not.
    for program in ("make", "sh"):
        (folder / program).symlink_to(next(path for path in found(program) if path.exists()))
    monkeypatch.setenv("PATH", str(folder))

    def install(script: str) -> None:
        program = folder / "docker"
        program.write_text(f"#!/bin/sh\n{script}")
        program.chmod(stat.S_IRWXU)

    return install


def found(program: str) -> list[Path]:
    return [Path(folder) / program for folder in os.environ["PATH"].split(os.pathsep)]


def make(target: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--silent", "--directory", str(PROJECT), target]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("target", "verb"), [("up", "up --detach --wait"), ("down", "down")])
def test_make_up_and_down_are_docker_composes_in_the_repository(docker: Docker, target: str, verb: str) -> None:
    docker(f'case "$*" in info | "compose version") echo noise; echo noise >&2 ;; *) {SAYS} ;; esac')
    ended = make(target)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{PROJECT}: compose {verb}\n", "")


def test_what_docker_compose_says_of_a_failure_is_seen(docker: Docker) -> None:
    docker('case "$*" in "compose up"*) echo "port is already allocated" >&2; exit 7 ;; esac')
    ended = make("up")
    assert ended.returncode != 0
    assert ended.stderr.startswith("port is already allocated\n")


@pytest.mark.parametrize(
    ("script", "what"),
    [
        (None, "There is no docker command on PATH"),
        ('[ "$1" != compose ] || { echo "unknown command" >&2; exit 1; }', "The docker command has no compose plugin"),
        ('[ "$1" != info ] || { echo "Cannot connect" >&2; exit 1; }', "No Docker daemon answers the docker command"),
    ],
    ids=["command", "plugin", "daemon"],
)
@pytest.mark.parametrize("target", ["up", "down"])
def test_what_is_missing_is_said_in_one_sentence(docker: Docker, target: str, script: str | None, what: str) -> None:
    if script:
        docker(script)
    ended = make(target)
    assert ended.stdout == ""
    line, made = ended.stderr.splitlines()
    assert line == f"{what}; `make run` starts the service without Docker."
    assert made.startswith("make: ***")
    assert made.endswith("Error 1")
