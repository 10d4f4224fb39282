"""Fetch and check the files of other projects that the pages load.

`vendored.json`, beside the files, names the npm package of each with its version, licence and checksums. `make vendor`
runs python -m scripts.vendor: it writes the files, and the licences that must travel with them. `make lint` runs it
with --check, which only reads.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dev import install
from project import PROJECT, CannotRun
from project.command_line import one_line_errors

FOLDER = PROJECT / "chalicelib" / "web" / "static" / "vendor"
LIST = "vendored.json"
LICENCES = "LICENSES.txt"

Package = dict[str, Any]

# The text of a package that names the licence and does not include it (https://spdx.org/licenses/MIT.html).
_MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def faults(folder: Path = FOLDER) -> Iterator[str]:
    """Yield a sentence for each file that is not the one in `vendored.json`, that it lacks, or that is missing."""
    named = {name: file["sha256"] for package in packages(folder) for name, file in package["files"].items()}
    there = {path.name: path for path in folder.iterdir()}
    for name in sorted(named.keys() - there.keys()):
        yield f"{name} is missing."
    for name in sorted(there.keys() - named.keys() - {LIST, LICENCES}):
        yield f"{LIST} does not name {name}."
    for name in sorted(named.keys() & there.keys()):
        if _sha256(there[name].read_bytes()) != named[name]:
            yield f"{name} is not the file that {LIST} names."
    licences = there[LICENCES].read_text() if LICENCES in there else ""
    for package in packages(folder):
        if f"\n{_title(package)}\n" not in f"\n{licences}":
            yield f"{LICENCES} has not the licence of {_title(package)}."


def packages(folder: Path = FOLDER) -> list[Package]:
    """Return the packages in `vendored.json`."""
    listed: list[Package] = json.loads((folder / LIST).read_text())["packages"]
    return listed


@one_line_errors()
def main() -> None:
    """Write the files, or check them and end with exit status 1 if one differs."""
    parser = argparse.ArgumentParser(description="Fetch or check the files of other projects that the pages load.")
    parser.add_argument("--check", action="store_true", help="only compare the files with their checksums")
    parser.add_argument("--newest", action="store_true", help="take the newest version of each package")
    options = parser.parse_args()
    if not options.check:
        _fetch(newest=options.newest)
    if found := list(faults()):
        raise CannotRun("\n".join([*found, "Run `make vendor`."]))


def _fetch(*, newest: bool) -> None:
    """Write all files from their packages. With `newest`, also write the new versions and checksums to the list."""
    listed = packages()
    licences = ["The files in this folder belong to these projects.\n"]
    contents: dict[str, bytes] = {}
    for package in listed:
        if newest:
            _renew(package)
        with TemporaryDirectory() as folder:
            root = install.npm_package(_title(package, "@"), package["sha512"], Path(folder))
            for name, file in package["files"].items():
                contents[name] = (root / file["source"]).read_bytes()
                if newest:
                    file["sha256"] = _sha256(contents[name])
            licences.append(_licences(package, root))
    for name, content in contents.items():
        (FOLDER / name).write_bytes(content)
    (FOLDER / LICENCES).write_text("\n".join(licences))
    (FOLDER / LIST).write_text(json.dumps({"packages": listed}, indent=2) + "\n")


def _renew(package: Package) -> None:
    """Set the newest version of a package, and its checksum."""
    newest = json.loads(install.run([*install.npm(), "view", package["name"], "version", "dist.integrity", "--json"]))
    kind, _, digest = newest["dist.integrity"].partition("-")
    if kind != "sha512":
        raise CannotRun(f"npm has no SHA-512 of {package['name']}.")
    print(f"{_title(package)}: {newest['version']}")
    package["version"], package["sha512"] = newest["version"], digest


def _licences(package: Package, root: Path) -> str:
    texts = [(root / name).read_text().strip("\n") for name in package.get("licences", ())]
    texts += [f"{package['copyright']}\n\n{_MIT}"] if "copyright" in package else []
    texts += [
        f"Contains {part['name']} ({part['licence']}):\n{part['copyright']}\n\n{_MIT}"
        for part in package.get("contains", ())
    ]
    title = _title(package)
    return "\n\n".join(
        [f"{title}\n{'=' * len(title)}\n{package['licence']}: {', '.join(package['files'])}", *texts, ""]
    )


def _title(package: Package, separator: str = " ") -> str:
    return f"{package['name']}{separator}{package['version']}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
