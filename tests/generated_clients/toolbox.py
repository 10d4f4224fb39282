"""Generators of clients, and what the clients import: installed from locks with hashes, into build and a cache."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev import install
from project import PROJECT

_HERE = Path(__file__).parent
_INSTALLED = PROJECT / "build" / "clients"
_OLDEST_NODE = 20


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The installed programs."""

    java: Path
    python: Path  # in an environment with the packages of requirements.txt
    modules: Path  # node_modules, with the packages of package-lock.json

    @property
    def openapi_generator(self) -> tuple[str, ...]:
        """Return the command. Its first compiler alone halves the time."""
        (jar,) = self.python.parent.parent.glob("lib/python*/site-packages/openapi_generator_cli/openapi-generator.jar")
        return (str(self.java), "-XX:TieredStopAtLevel=1", "-jar", str(jar))

    def npm(self, program: str) -> str:
        """Return a program of an npm package."""
        return str(self.modules / ".bin" / program)


def installed() -> Toolbox:
    """Return the programs, after installing those that are missing. Skips the test if Node is missing or too old."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        pytest.skip(f"The generated clients are not tested: Node {_OLDEST_NODE} or newer, with npm, is not installed.")
    version = run([node, "--version"])
    if int(re.findall(r"\d+", version)[0]) < _OLDEST_NODE:
        pytest.skip(f"The generated clients are not tested: Node {version.strip()} is older than {_OLDEST_NODE}.")
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        python = pool.submit(_python)
        modules = pool.submit(install.npm_modules, _HERE, "clients", "the generators of clients")
        return Toolbox(install.installed().java, python.result(), modules.result())


def run(command: list[str], folder: Path = PROJECT, environment: Mapping[str, str] | None = None) -> str:
    """Return what a program prints. Fails the test with its output if its exit status is not 0."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{json.dumps(command)} failed:\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout


def _python() -> Path:
    environment = _INSTALLED / "python"
    run([sys.executable, "-m", "scripts.install", str(environment), str(_HERE / "requirements.txt")])
    return environment / "bin" / "python"
