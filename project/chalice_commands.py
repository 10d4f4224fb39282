"""Commands of Chalice that would do a part of their work, or harm. The project's own commands take their place.

Chalice's command line loads app.py before it changes anything, and app.py calls `hand_over` first. Commands that do not
load app.py cannot be replaced here: docs/chalice.md describes all of them.
"""

import os
import re
import sys
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, NoReturn

import click
from chalice.cli import cli
from chalice.local import HTTPServerThread

from project import PROJECT, CannotRun
from project.command_line import one_line_errors

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@one_line_errors()
def hand_over() -> None:
    """Replace this process by the project's command for the same task, if there is one. Else return.

    Ends the process with one line if the command or one of its options cannot be used here.
    """
    thread = threading.current_thread()
    if isinstance(thread, HTTPServerThread):  # `chalice local`, in the process that its reloader starts again
        start: Any = thread._server_factory  # a partial of chalice.cli.create_local_server
        _, host, port, stage = start.args
        _become(["dev", "local", *_where({"host": host, "port": port, "stage": stage}), "--reload"], {})
    context = click.get_current_context(silent=True)
    if context and context.find_root().command is cli and (chosen := command(str(context.info_name), context.params)):
        _become(chosen, context.params)


def command(name: str, options: Mapping[str, Any]) -> list[str]:
    """Return the module and the arguments that take the place of a command of Chalice; none if Chalice's own is right.

    Raises CannotRun: the command or an option cannot be used. The message says what to run instead.
    """
    stage = options.get("stage")
    match name:
        case "deploy":
            _check_deploy(options)
            return ["deploy", "deploy", str(stage)]
        case "delete":
            return ["deploy", "delete", str(stage)]
        case "package":
            for option in ("single_file", "merge_template"):
                if options[option]:
                    raise CannotRun(f"{_spelled(option)} is not supported: {_package(stage)} writes a folder.")
            if options["template_format"] != "json":
                raise CannotRun(f"{_spelled('template_format')} must be json: {_package(stage)} writes no YAML.")
            return ["deploy", "package", str(stage), "--format", options["pkg_format"], "--out", options["out"]]
        case "local":
            return ["dev", "local", *_where(options)]
        case "plan":
            raise CannotRun(
                "`chalice dev plan` would plan a deployment without the stage's resources and secrets: "
                f"{_package(stage)} writes everything that a deployment consists of."
            )
    return []


def environment(variables: Mapping[str, str], profile: str | None) -> dict[str, str]:
    """Return the environment of a command that takes the place of one of Chalice."""
    changed = {name: value for name, value in variables.items() if name != "AWS_CHALICE_CLI_MODE"}
    if profile:
        # Chalice's --profile wins over keys in the environment. For AWS_PROFILE it is the other way round.
        changed = {name: value for name, value in changed.items() if name not in _KEYS} | {"AWS_PROFILE": profile}
    return changed


def _check_deploy(options: Mapping[str, Any]) -> None:
    stage = options["stage"]
    instead = f"run `chalice deploy --stage {stage}` or `make deploy STAGE={stage}` without it."
    if options["autogen_policy"]:
        raise CannotRun(f"--autogen-policy contradicts app.py, which declares each permission with @needs: {instead}")
    if options["api_gateway_stage"] not in (None, stage):
        raise CannotRun(f"--api-gateway-stage must be the name of the stage, {stage}: {instead}")
    if options["connection_timeout"] is not None:
        raise CannotRun(f"--connection-timeout is not supported: {instead}")


def _become(chosen: list[str], options: Mapping[str, Any]) -> NoReturn:
    # A user of Chalice may have installed requirements.txt only.
    needed = re.findall(r"^\w+$", (PROJECT / "dev" / "run.in").read_text(), re.MULTILINE)
    if missing := [name for name in needed if find_spec(name) is None]:
        raise CannotRun(f"{missing[0]} is not installed: run `{sys.executable} -m pip install -r dev/run.txt`.")
    sys.stdout.flush()
    variables = environment(os.environ, options.get("profile"))
    os.execve(sys.executable, [sys.executable, "-m", *chosen], variables)  # noqa: S606 - no shell is wanted


def _where(options: Mapping[str, Any]) -> list[str]:
    return [f"--{name}={options[name]}" for name in ("stage", "host", "port")]


def _package(stage: object) -> str:
    return f"`make package STAGE={stage}`"


def _spelled(option: str) -> str:
    return f"--{option.replace('_', '-')}"
