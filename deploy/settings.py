"""The environment variables of a stage's functions, which are in .chalice/config.json."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from chalicelib.config import Settings, read
from chalicelib.secrets import Secrets
from deploy.target import Target
from project import CannotRun
from project.stages import CONFIG, LOCAL, project_config

# A variable of each function: the version of the parameter with its secrets. A new value starts new processes.
SECRETS_VERSION = "SECRETS_VERSION"
# Another: the version of the data that the code can read (deploy/schema.py).
SCHEMA_VERSION = "SCHEMA_VERSION"

_BUCKETS = ("s3_bucket_name", "derived_bucket_name", "staged_bucket_name")
_NAMES = tuple(field.name for field in fields(Settings) if field.name.endswith(("_table_name", "_queue_name")))


def named(config: dict[str, Any], target: Target, stage: str) -> dict[str, Any]:
    """Return `config` with names for a stage's buckets, tables, queue, metrics and secrets, where it has none yet.

    A bucket's name must be unique in all of AWS, a table's name in the account and region.
    """
    stages = config["stages"]
    variables = stages[stage].get("environment_variables", {})
    missing = {name: value for name, value in _defaults(target, stage).items() if not _given(name, variables)}
    return {**config, "stages": {**stages, stage: {**stages[stage], "environment_variables": variables | missing}}}


def renamed(config: dict[str, Any], stage: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return `config` with other values for settings of a stage, which `values` has by their names in Settings."""
    spellings = {field.name: field.metadata["env"] for field in fields(Settings)}
    stages = config["stages"]
    variables = dict(stages[stage].get("environment_variables", {}))
    for name, value in values.items():
        for spelling in spellings[name]:
            variables.pop(spelling, None)
        variables[spellings[name][0]] = value
    return {**config, "stages": {**stages, stage: {**stages[stage], "environment_variables": variables}}}


def save(config: dict[str, Any]) -> None:
    """Write .chalice/config.json, if it differs."""
    if config != project_config():
        unfinished = CONFIG.with_suffix(".new")
        unfinished.write_text(json.dumps(config, indent=2) + "\n")
        unfinished.replace(CONFIG)


def of(config: Mapping[str, Any], stage: str) -> dict[str, str]:
    """Return the variables of a stage's functions that are in `config`."""
    return {**config.get("environment_variables", {}), **config["stages"][stage].get("environment_variables", {})}


def of_place(target: Target) -> dict[str, str]:
    """Return the variables that depend on the target: on LocalStack, functions reach S3 at another URL than clients."""
    return {"S3_PUBLIC_ENDPOINT_URL": target.endpoint_url} if target.endpoint_url else {}


def of_functions(variables: Mapping[str, str]) -> Settings:
    """Return the settings as the deployed functions will read them.

    Raises WrongSetting: a variable cannot be used.
    """
    return read({**variables, "AWS_LAMBDA_FUNCTION_NAME": "deployed"})


def check_names(variables: Mapping[str, str]) -> None:
    """Raise CannotRun if a variable in .chalice/config.json is a secret or no setting, for example misspelled."""
    for name in variables:
        if name in _names_of(Secrets):
            raise CannotRun(
                f".chalice/config.json: remove {name} from environment_variables. It belongs to the secrets, which are "
                "in SSM (docs/deploy.md)."
            )
        if name not in _names_of(Settings):
            raise CannotRun(f".chalice/config.json: {name} in environment_variables is not a setting of the service.")


def check(chosen: Settings, target: Target, stage: str) -> None:
    """Raise CannotRun if names belong to another account, region or stage."""
    here = f"-{target.account}-{target.region}"
    for bucket in (getattr(chosen, name) for name in _BUCKETS):
        if re.search(r"-\d{12}-[a-z]+-[a-z-]+-\d$", bucket) and not bucket.endswith(here):
            raise CannotRun(f"The bucket {bucket} of the stage {stage} is not for {target}, by its name.")
    if chosen.metrics_namespace != f"images-api/{stage}":
        raise CannotRun(
            f"METRICS_NAMESPACE of {stage} must be images-api/{stage}, which its alarms and dashboard read."
        )
    if chosen.secrets_parameter != secrets_parameter(stage):
        raise CannotRun(f"SECRETS_PARAMETER of {stage} must be {secrets_parameter(stage)}: stages share no secrets.")


def secrets_parameter(stage: str) -> str:
    """Return the name of the SSM parameter that has the secrets of a stage."""
    return f"/images-api/{stage}/secrets"


def _defaults(target: Target, stage: str) -> dict[str, str]:
    names = {field.name: field for field in fields(Settings)}
    wanted = {"metrics_namespace": f"images-api/{stage}", "secrets_parameter": secrets_parameter(stage)}
    if stage != LOCAL:
        wanted |= {name: f"{names[name].default}-{stage}-{target.account}-{target.region}" for name in _BUCKETS}
        wanted |= {name: f"{names[name].default}-{stage}" for name in _NAMES}
    return {names[name].metadata["env"][0]: value for name, value in wanted.items()}


def _names_of(kind: type) -> set[str]:
    return {name for field in fields(kind) for name in field.metadata["env"]}


def _given(variable: str, variables: Mapping[str, str]) -> bool:
    (spellings,) = (field.metadata["env"] for field in fields(Settings) if variable in field.metadata["env"])
    return any(name in variables for name in spellings)
