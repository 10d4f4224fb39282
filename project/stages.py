"""The stages in .chalice/config.json."""

import json
from typing import Any

from chalice.cli.factory import CLIFactory
from chalice.config import Config

from project import PROJECT, CannotRun

CONFIG = PROJECT / ".chalice" / "config.json"
# The only stage that lets callers name themselves (AUTH=open): for `make run` and LocalStack.
LOCAL = "local"


def project_config() -> dict[str, Any]:
    """Read .chalice/config.json.

    Raises CannotRun: the file cannot be read, or its stages or their variables have the wrong type.
    """
    try:
        config = json.loads(CONFIG.read_text())
    except (OSError, ValueError) as error:
        raise CannotRun(f".chalice/config.json cannot be read: {error}.") from None
    stages = config.get("stages") if isinstance(config, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise CannotRun(".chalice/config.json must have an object `stages` whose values are objects.")
    for variables in (part.get("environment_variables", {}) for part in (config, *stages.values())):
        if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
            raise CannotRun(".chalice/config.json: environment_variables must be an object of strings.")
    whole: dict[str, Any] = config
    return whole


def stage_config(stage: str) -> Config:
    """Return Chalice's configuration of a stage.

    Raises CannotRun: .chalice/config.json has no such stage.
    """
    if stage not in project_config()["stages"]:
        raise CannotRun(f".chalice/config.json has no stage {stage!r}.")
    return CLIFactory(str(PROJECT)).create_config_obj(stage)
