"""`make` installs the packages that it needs, and repairs an interrupted installation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project import PROJECT

PIP = """
import pathlib, sys
site = pathlib.Path(sys.argv[2]).parent.parent / "site"
count = len(list(site.parent.parent.glob("call-*")))
(site.parent.parent / f"call-{count}").write_text(chr(10).join(sys.argv[1:]))
site.mkdir(exist_ok=True)
(site / f"package-{count}").touch()
if count == 0:
    print("No space left on device", file=sys.stderr)
    sys.exit(2)
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the virtual environment. The first call of pip fails halfway."""
    (tmp_path / "fakes").mkdir()
    (tmp_path / "fakes" / "pip.py").write_text(PIP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fakes"), prepend=os.pathsep)
    return tmp_path / "venv"


def install(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.install", str(folder), "requirements.txt", "dev/run.txt"]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)


def test_a_failed_installation_is_repeated_in_an_empty_environment(environment: Path) -> None:
    failed = install(environment)
    assert (failed.returncode, failed.stderr) == (1, "No space left on device\npip failed.\n")
    assert (environment / "unfinished").exists()

    repaired = install(environment)
    assert (repaired.returncode, repaired.stderr) == (0, "")
    assert [file.name for file in (environment / "site").iterdir()] == ["package-1"]
    assert not (environment / "unfinished").exists()

    updated = install(environment)
    assert [line.split()[0] for line in updated.stdout.splitlines()] == ["Installing", "Installed"]
    assert len(list((environment / "site").iterdir())) == 2


def test_pip_installs_the_locked_packages_and_checks_their_hashes(environment: Path) -> None:
    install(environment)
    arguments = (environment.parent / "call-0").read_text().splitlines()
    assert arguments[:3] == ["--python", str(environment / "bin" / "python"), "install"]
    assert {"--require-hashes", "--no-deps"} < set(arguments)
    assert arguments[-4:] == ["--requirement", "requirements.txt", "--requirement", "dev/run.txt"]


def test_an_environment_with_another_python_is_replaced(environment: Path) -> None:
    install(environment)
    install(environment)
    settings = (environment / "pyvenv.cfg").read_text()
    version = ".".join(map(str, sys.version_info[:3]))
    (environment / "pyvenv.cfg").write_text(settings.replace(version, "3.10.1"))
    assert install(environment).stdout.startswith(f"Creating {environment} with Python {version} (")


def test_a_folder_with_other_files_is_left_alone(environment: Path) -> None:
    environment.mkdir()
    (environment / "letter.txt").write_text("Dear Zoe")
    refused = install(environment)
    assert (refused.returncode, refused.stderr) == (
        1,
        f"{environment} has files and is not a virtual environment; name another folder.\n",
    )
    assert [path.name for path in environment.iterdir()] == ["letter.txt"]


def test_an_unwritable_folder_is_reported_in_one_line(environment: Path, tmp_path: Path) -> None:
    environment.write_text("a file")
    refused = install(environment / "below")
    assert refused.returncode == 1
    assert "cannot be written: " in refused.stderr
    assert refused.stderr.count("\n") == 1
