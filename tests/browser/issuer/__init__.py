"""A real OIDC issuer on this machine: oauth2-mock-server, installed by npm into build/issuer from a lock with hashes.

It signs everyone in as `johndoe`, without a question, if the client proves its code by PKCE.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from project import PROJECT

USER = "johndoe"

_HERE = Path(__file__).parent
_INSTALLED = PROJECT / "build" / "issuer"


@contextmanager
def running() -> Iterator[str]:
    """Run the issuer for the length of the block, and yield its URL. Skips the test if there is no Node."""
    command = ["node", str(_installed()), "-a", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            lines = (re.search(r"issuer is (\S+)", line) for line in process.stdout)
            yield next(found[1] for found in lines if found)
        finally:
            process.terminate()


def id_token(issuer: str, client_id: str) -> str:
    """Return an ID token of the issuer, as a user could copy it from another client."""
    form = {"grant_type": "password", "username": USER, "client_id": client_id}
    answer = requests.post(f"{issuer}/token", data=form, timeout=10)
    return str(answer.json()["id_token"])


def _installed() -> Path:
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("Signing in at an issuer is not tested: Node with npm is not installed.")
    lock, complete = _HERE / "package-lock.json", _INSTALLED / "installed-lock.json"
    if not complete.exists() or complete.read_bytes() != lock.read_bytes():
        _INSTALLED.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / name, _INSTALLED)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=_INSTALLED, check=True, capture_output=True)
        shutil.copy(lock, complete)
    return _INSTALLED / "node_modules/oauth2-mock-server/dist/oauth2-mock-server.mjs"
