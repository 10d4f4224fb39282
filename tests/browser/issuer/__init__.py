"""A real OIDC issuer on this machine: oauth2-mock-server, installed by npm from a lock with hashes.

It signs everyone in as `johndoe`, without a question, if the client proves its code by PKCE.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from dev import install

USER = "johndoe"

_HERE = Path(__file__).parent


@contextmanager
def running() -> Iterator[str]:
    """Run the issuer for the length of the block, and yield its URL."""
    modules = install.npm_modules(_HERE, "issuer", "an OIDC issuer for tests")
    program = modules / "oauth2-mock-server" / "dist" / "oauth2-mock-server.mjs"
    command = [install.node(), str(program), "-a", "127.0.0.1", "-p", "0"]
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
