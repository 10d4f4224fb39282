"""Install what `make` needs into a virtual environment, and on request the engines of the embedded stack beside it.

make runs this with a Python that has nothing installed: python -m scripts.install .venv requirements.txt dev/run.txt
So it may import the standard library alone, and modules of this project that do the same.

An installation that was interrupted leaves the file `unfinished` in the environment. The next one then starts with an
empty environment, because pip takes a package for installed whose files are only half there.
"""

import argparse
import fcntl
import importlib.util
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from dev import install as engines
from project import CannotRun
from project.command_line import one_line_errors


@one_line_errors()
def main() -> None:
    """Install, and print one line for each step."""
    parser = argparse.ArgumentParser(description="Install what make needs.")
    parser.add_argument("environment", type=Path, help="folder of the virtual environment")
    parser.add_argument("locks", nargs="+", help="files of pinned requirements")
    parser.add_argument("--engines", action="store_true", help="also install the engines of the embedded stack")
    parser.add_argument("--compile", action="store_true", help="compile all modules, not only those that are imported")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        with _locked(options.environment):
            _install(options)
    except KeyboardInterrupt:
        raise CannotRun("Interrupted; run the same command again.") from None
    except OSError as error:
        raise CannotRun(f"{options.environment} cannot be written: {error.strerror} ({error.filename}).") from None
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)


def _install(options: argparse.Namespace) -> None:
    pip, is_in_environment = _environment(options.environment)
    with ThreadPoolExecutor() as pool:
        packages = pool.submit(_packages, pip, options.environment, options.locks, compiled=options.compile)
        if is_in_environment:  # installing the packages replaces this pip, so nothing else may use it meanwhile
            packages.result()
        if options.engines:
            engines.installed(pip)
        packages.result()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time install into an environment."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environment(folder: Path) -> tuple[tuple[str, ...], bool]:
    """Create the virtual environment unless there is a usable one.

    Returns the pip command for it, and whether that pip is in the environment itself.
    Raises CannotRun: the folder has other files, or this Python has neither pip nor ensurepip.
    """
    has_pip = importlib.util.find_spec("pip") is not None
    python = folder / "bin" / "python"
    unfinished = folder / "unfinished"
    if unfinished.exists() or not _is_of_this_python(folder) or not (has_pip or _has_pip(folder)):
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
            raise CannotRun(f"{folder} has files and is not a virtual environment; name another folder.")
        print(f"Creating {folder} with Python {_version()} ({sys.executable}) ...", flush=True)
        # This Python's pip installs into the environment, which saves installing pip there first. Debian can lack it.
        try:
            venv.create(folder, clear=True, symlinks=True, with_pip=not has_pip)
        except subprocess.CalledProcessError:
            advice = "on Debian and Ubuntu, install the package python3-venv"
            raise CannotRun(f"{sys.executable} has neither pip nor ensurepip; {advice}.") from None
    unfinished.touch()
    if has_pip:
        return (sys.executable, "-m", "pip", "--python", str(python)), False
    return (str(python), "-m", "pip"), True


def _has_pip(folder: Path) -> bool:
    return any(folder.glob("lib/python*/site-packages/pip/__main__.py"))


def _is_of_this_python(folder: Path) -> bool:
    try:
        lines = (folder / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        return False
    settings = dict(line.split(" = ", 1) for line in lines if " = " in line)
    return settings.get("version") == _version() and (folder / "bin" / "python").exists()


def _packages(pip: Sequence[str], folder: Path, locks: Sequence[str], *, compiled: bool) -> None:
    print(f"Installing the Python packages of {', '.join(locks)} into {folder} ...", flush=True)
    requirements = [argument for lock in locks for argument in ("--requirement", lock)]
    done = subprocess.run([*pip, *engines.PIP_INSTALL, *requirements], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise CannotRun("pip failed.")
    if compiled:
        # With all processors, unlike pip. Some packages contain files for other versions of Python.
        python, site_packages = str(folder / "bin" / "python"), str(next((folder / "lib").glob("python*")))
        subprocess.run([python, "-m", "compileall", "-q", "-j", "0", site_packages], capture_output=True, check=False)
    (folder / "unfinished").unlink()


def _version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


if __name__ == "__main__":
    main()
