"""Run the command line: in the process of the tests, in a process of its own, or on a terminal."""

import os
import pty
import re
import select
import subprocess
import sys
import termios
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from images_api_client.cli.app import app
from project import PROJECT

COMMAND = (sys.executable, "-m", "images_api_client")

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Return the lines of stdout."""
        return self.out.splitlines()


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell of a user who has a home folder and environment variables."""

    home: Path
    variables: Mapping[str, str]

    def having(self, **variables: str) -> "Shell":
        """Return the shell with more variables."""
        return Shell(self.home, {**self.variables, **variables})

    @property
    def environment(self) -> dict[str, str]:
        """Return the whole environment."""
        folders = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config")}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT / "client"), **folders, **self.variables}

    @property
    def config(self) -> Path:
        """Return the file with the profiles."""
        return self.home / ".config" / "images-api" / "config.toml"

    def images(self, *arguments: str, stdin: str = "") -> Ended:
        """Run a command in the process of the tests, which is quick. No stream is a terminal."""
        others = dict.fromkeys(name for name in os.environ if name.startswith("IMAGES_"))
        ended = CliRunner(env={**others, **self.environment}).invoke(app, arguments, input=stdin, prog_name="images")
        if ended.exception and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command in a process of its own, with pipes."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def on_terminal(self, *arguments: str, typed: str = "", columns: int = 120) -> Ended:
        """Run a command on a terminal, and type something as soon as it asks with a colon. `out` is what is seen."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, columns))
        environment = {"TERM": "xterm-256color", **self.environment}
        with subprocess.Popen(
            [*COMMAND, *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        ) as process:
            os.close(theirs)
            seen = b""
            with suppress(OSError):  # Linux: the terminal was closed by its last process
                while select.select([ours], [], [], _SECONDS)[0] and (read := os.read(ours, 4096)):
                    seen += read
                    if typed and seen.endswith(b": "):  # a hidden prompt prints the space once nothing is echoed
                        os.write(ours, typed.encode())
                        typed = ""
            os.close(ours)
            if process.poll() is None:
                process.terminate()
            return Ended(process.wait(), seen.decode().replace("\r\n", "\n"), "")


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for a process."""
    out, err = process.communicate(timeout=_SECONDS)
    return Ended(process.returncode, out, err)


def without_escapes(text: str) -> str:
    """Return a text as a terminal shows it."""
    return _ESCAPES.sub("", text)
