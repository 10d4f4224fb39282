"""What `python -m scripts.browser` prints and runs. apt-get is a script of the test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from project import PROJECT


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return the only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def program(path: Path, text: str) -> None:
    path.write_text(f"#!{shutil.which('sh')}\n{text}\n")
    path.chmod(0o755)


def printed(programs: Path) -> str:
    environment = {"PATH": str(programs), "HOME": str(programs.parent)}
    command = [sys.executable, "-m", "scripts.browser"]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True, text=True).stdout


def test_a_machine_with_chromium_installs_nothing(programs: Path) -> None:
    program(programs / "chromium", "")
    program(programs / "apt-get", "exit 1")
    assert printed(programs) == ""


def test_a_machine_without_apt_prints_why_tests_are_skipped(programs: Path) -> None:
    assert printed(programs) == (
        "The tests of the pages will be skipped, because there is no Chromium: "
        "install the package chromium to run them.\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can install a package.")
def test_root_installs_chromium(programs: Path) -> None:
    installed = f"echo > {programs}/chromium; {shutil.which('chmod')} 755 {programs}/chromium"
    program(programs / "apt-get", f'case "$*" in *" install "*chromium*) {installed};; esac')
    assert printed(programs) == "Installing Chromium for the tests of the pages ...\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can install a package.")
def test_a_failed_installation_ends_no_test_run(programs: Path) -> None:
    program(programs / "apt-get", "echo 'E: Unable to locate package chromium' >&2; exit 100")
    assert printed(programs).splitlines()[-1] == (
        "The tests of the pages will be skipped, because there is no Chromium: E: Unable to locate package chromium."
    )
