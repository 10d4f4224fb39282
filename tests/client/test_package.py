"""The client as pip installs it into an empty environment, with the dependencies that it declares."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from images_api_client import __version__
from project import PROJECT

CLIENT = PROJECT / "client"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the client into an empty environment, and return the folder of its programs."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", "--quiet"]
    run(*pip, "--no-compile", str(CLIENT))
    return environment / "bin"


def run(*command: str | Path) -> str:
    """Return what a command prints. It runs outside the repository, where Python finds only what is installed."""
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_line_says_its_version(programs: Path) -> None:
    assert __version__ in run(programs / "images", "--version")


def test_the_module_runs_as_the_command_does(programs: Path) -> None:
    assert run(programs / "python", "-m", "images_api_client", "--version") == run(programs / "images", "--version")


def test_the_package_has_its_types_its_licence_and_its_version(programs: Path) -> None:
    script = """
from importlib import metadata
import images_api_client
package = metadata.distribution("images-api-client")
print(package.version, *sorted(file.name for file in package.files if file.name in ("py.typed", "LICENSE")))
"""
    assert run(programs / "python", "-c", script).split() == [__version__, "LICENSE", "py.typed"]


def test_the_package_has_the_licence_of_the_repository() -> None:
    assert (CLIENT / "LICENSE").read_bytes() == (PROJECT / "LICENSE").read_bytes()
