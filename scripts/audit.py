"""Check the packages that the deployed functions contain: known vulnerabilities and licences.

`make audit` runs this in the repository's root: python -m scripts.audit .venv-audit. It writes build/sbom.json, a
software bill of materials in the CycloneDX format, and build/licences.md. The bill also has the libraries of the pages.
"""

import argparse
import base64
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from project import PROJECT, CannotRun
from project.command_line import one_line_errors
from scripts import vendor

LOCKS = ("requirements.txt", "dev/run.txt")  # what the functions contain, and what runs and deploys the service
OUT = PROJECT / "build"
# Permissive licences by the names that packages use for them, and MPL-2.0, which covers only the package's own files.
LICENCES = (
    "3-Clause BSD License",
    "Apache Software License",
    "Apache-2.0",
    "Apache-2.0 OR BSD-3-Clause",
    "BSD License",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "MIT",
    "MIT License",
    "MIT-CMU",
    "MIT-0",
    "MPL-2.0 AND (Apache-2.0 OR MIT)",
)


@one_line_errors()
def main() -> None:
    """End with exit status 1 if a vulnerability is known, or a licence is not one of LICENCES."""
    parser = argparse.ArgumentParser(description="Check the packages of the deployed functions.")
    parser.add_argument("tools", type=Path, help="virtual environment of scripts/audit.txt")
    tools = parser.parse_args().tools / "bin"
    OUT.mkdir(exist_ok=True)
    print(_vulnerabilities(tools))
    with TemporaryDirectory() as folder:
        environment = Path(folder) / "deployed"
        _run([sys.executable, "-m", "scripts.install", environment, LOCKS[0]])
        _run([tools / "cyclonedx-py", "environment", environment, "--output-reproducible", "-o", OUT / "sbom.json"])
        _add_to_bill(components(vendor.packages()))
        licences = [tools / "pip-licenses", f"--python={environment / 'bin' / 'python'}", "--format=markdown"]
        _run([*licences, "--with-urls", f"--output-file={OUT / 'licences.md'}", f"--allow-only={';'.join(LICENCES)}"])
    print("build/sbom.json and build/licences.md list the packages of the functions; each licence is allowed.")


def _vulnerabilities(tools: Path) -> str:
    """Return a sentence about the vulnerabilities of all pinned packages, also if PyPI can't be reached.

    Raises CannotRun: at least one is known.
    """
    requirements = [f"--requirement={lock}" for lock in LOCKS]
    # The locks have all packages with their hashes, so pip is not needed to find more.
    command: list[str | Path] = [
        tools / "pip-audit",
        *requirements,
        "--disable-pip",
        "--require-hashes",
        "--format=json",
    ]
    audited = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if not audited.stdout:
        return f"Vulnerabilities were not checked: {audited.stderr.strip().splitlines()[-1]}"
    return report(json.loads(audited.stdout)["dependencies"])


def report(packages: list[dict[str, Any]]) -> str:
    """Return how many packages have no known vulnerability, and how many the database does not know.

    Raises CannotRun: at least one vulnerability is known.
    """
    found = [
        f"{package['name']} {package['version']} has {known['id']}, fixed in {', '.join(known['fix_versions']) or '-'}."
        for package in packages
        for known in package.get("vulns", ())
    ]
    if found:
        raise CannotRun("\n".join(found))
    unknown = sum("skip_reason" in package for package in packages)
    checked = f"No vulnerability is known of {len(packages) - unknown} packages."
    return checked if not unknown else f"{checked} {unknown} were not checked: PyPI has no answer about them."


def components(packages: list[vendor.Package]) -> list[dict[str, Any]]:
    """Return the entries of npm packages in a bill of materials (CycloneDX 1.6, "components").

    Raises CannotRun: a licence is not one of LICENCES.
    """
    for package in packages:
        for part in (package, *package.get("contains", ())):
            if part["licence"] not in LICENCES:
                raise CannotRun(f"The licence {part['licence']} of {part['name']} is not allowed.")
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:npm/{package['name']}@{package['version']}",
            "name": package["name"],
            "version": package["version"],
            "purl": f"pkg:npm/{package['name']}@{package['version']}",
            "hashes": [{"alg": "SHA-512", "content": base64.b64decode(package["sha512"]).hex()}],
            "licenses": [{"license": {"id": package["licence"]}}],
        }
        for package in packages
    ]


def _add_to_bill(added: list[dict[str, Any]]) -> None:
    bill = json.loads((OUT / "sbom.json").read_text())
    bill["components"] += added
    (OUT / "sbom.json").write_text(json.dumps(bill, indent=2) + "\n")


def _run(command: list[str | Path]) -> None:
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise CannotRun(f"{Path(command[0]).name} failed: {ended.stdout}{ended.stderr}".strip())


if __name__ == "__main__":
    main()
