"""Check that the files of pinned requirements fit the .in files that they are made from.

`make lint` runs this in the repository's root: python -m scripts.locks. It only reads files, so it does not notice that
a newer release exists.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from project import PROJECT, CannotRun
from project.command_line import one_line_errors

LOCKS = (
    "requirements",
    "dev/run",
    "requirements-dev",
    "dev/ministack",
    "dev/java",
    "dev/npm",
    "tests/generated_clients/requirements",
    "bench/peers/requirements",
    "scripts/audit",
)

_PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)")
_VIA = re.compile(r"\s+#(?: via|  )? +-r (\S+)")


def faults(name: str, root: Path = PROJECT) -> Iterator[str]:
    """Yield a sentence for each difference between a lock and what it is made from. `name` is its path without `.txt`.

    Pins are compared with the requirements of the .in file, and with the other locks that the .in file names by `-c`.
    """
    lock = f"{name}.txt"
    pins, requested = _locked((root / lock).read_text())
    requirements, constraints = _wanted(root / f"{name}.in")
    for requirement in requirements:
        wanted = canonicalize_name(requirement.name)
        if wanted not in requested:
            yield f"{lock} does not pin {requirement.name} for {name}.in."
        elif not requirement.specifier.contains(pins[wanted], prereleases=True):
            yield f"{lock} pins {wanted} {pins[wanted]}, but {name}.in asks for {requirement}."
    for extra in sorted(requested - {canonicalize_name(requirement.name) for requirement in requirements}):
        yield f"{lock} pins {extra}, which {name}.in does not name any more."
    for constraint in constraints:
        others, _ = _locked(constraint.read_text())
        for shared in sorted(pins.keys() & others.keys()):
            if pins[shared] != others[shared]:
                other = constraint.relative_to(root.resolve())
                yield f"{lock} pins {shared} {pins[shared]}, but {other} pins {others[shared]}."


@one_line_errors()
def main() -> None:
    """End with exit status 1 if a lock does not fit."""
    if found := [fault for name in LOCKS for fault in faults(name)]:
        raise CannotRun("\n".join([*found, "Run `make lock`."]))


def _locked(text: str) -> tuple[dict[str, str], set[str]]:
    """Return the version of each package, and the packages that a .in file names, by uv's comments `# via -r …`."""
    pins: dict[str, str] = {}
    requested: set[str] = set()
    package = ""
    for line in text.splitlines():
        if pin := _PIN.match(line):
            package = canonicalize_name(pin[1])
            pins[package] = pin[2]
        elif _VIA.match(line):
            requested.add(package)
    return pins, requested


def _wanted(file: Path) -> tuple[list[Requirement], list[Path]]:
    """Return the requirements of a .in file and of those that it includes by `-r`, and the locks named by `-c`."""
    requirements: list[Requirement] = []
    constraints: list[Path] = []
    for line in (line.split("#")[0].strip() for line in file.read_text().splitlines()):
        match line.split():
            case ["-r", other]:
                included, _ = _wanted(file.parent / other)
                requirements += included
            case ["-c", other]:
                constraints.append((file.parent / other).resolve())
            case [_, *_]:
                requirements.append(Requirement(line))
    return requirements, constraints


if __name__ == "__main__":
    main()
