"""`chalice local`: the API alone, started again when the app changes.

Chalice's own file watcher watches the whole project, and so the data of the stack: each upload would restart the
server. app.py therefore lets this module take the place of the process that Chalice's reloader starts.
"""

import os
import time
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from chalice.cli.filewatch import RESTART_REQUEST_RC

from chalicelib.config import WrongSetting
from dev.processes import end_on_signals
from project import PROJECT, CannotRun

_POLL_SECONDS = 0.5


def run(stage: str, host: str, port: int, reload: bool) -> None:
    """Serve a stage until Ctrl-C or SIGTERM. With `reload`, also end when a file of the app changes or Chalice ends.

    The exit status after a change tells Chalice's reloader to start this process again.
    Raises CannotRun, WrongSetting.
    """
    end_on_signals()
    parent, before = os.getppid(), watched(PROJECT)
    with ExitStack() as stack:
        try:
            from dev.api import serving  # imports the app's code

            url = stack.enter_context(serving(stage, host, port))
            print(f"Serving the stage {stage} on {url}", flush=True)
        except (CannotRun, WrongSetting):
            raise
        except Exception:
            if not reload:
                raise
            traceback.print_exc()  # a mistake in the code: its correction is the next change
        while not reload or (watched(PROJECT) == before and os.getppid() == parent):
            time.sleep(_POLL_SECONDS)
    raise SystemExit(RESTART_REQUEST_RC)


def watched(project: Path) -> Mapping[Path, int]:
    """Return when each file was modified that the app is made of: its code, and .chalice/config.json."""
    sources = (path for path in (project / "chalicelib").rglob("*") if path.suffix in (".py", ".yaml"))
    found = {}
    for path in (project / "app.py", project / ".chalice" / "config.json", *sources):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # an editor may replace a file by a new one
            continue
    return found
