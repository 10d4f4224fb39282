"""The environment variables of a stage's functions: names in .chalice/config.json, secrets in no file."""

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from chalicelib.config import Settings, read
from deploy.target import Target
from project import CannotRun
from project.stages import CONFIG, LOCAL, project_config

# Never in a file: a deployment reads them from its own environment, and later deployments from the deployed functions.
# The CDN's URL and key id are included because settings require all three, and `make sweep` does not have the key.
SECRETS = ("JWT_SECRET", "CURSOR_SECRET", "CDN_URL", "CDN_KEY_PAIR_ID", "CDN_PRIVATE_KEY")

_BUCKETS = ("s3_bucket_name", "derived_bucket_name", "staged_bucket_name")
_NAMES = tuple(field.name for field in fields(Settings) if field.name.endswith(("_table_name", "_queue_name")))


def named(config: dict[str, Any], target: Target, stage: str) -> dict[str, Any]:
    """Return `config` with names for a stage's buckets, tables, queue and metrics, where it has none yet.

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


def given_secrets(configured: Mapping[str, str], deployed: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets of a stage that are in no file.

    `configured` are the variables in .chalice/config.json, `deployed` those of the deployed functions. A secret stays
    the same unless the environment of this process has another one.
    """
    found = {}
    for name in SECRETS:
        if name not in configured and (value := os.environ.get(name) or deployed.get(name)):
            found[name] = value
    if "CURSOR_SECRET" not in configured:
        found.setdefault("CURSOR_SECRET", secrets.token_urlsafe(32))
    return found


def of_place(target: Target) -> dict[str, str]:
    """Return the variables that depend on the target: on LocalStack, functions reach S3 at another URL than clients."""
    return {"S3_PUBLIC_ENDPOINT_URL": target.endpoint_url} if target.endpoint_url else {}


def of_functions(variables: Mapping[str, str]) -> Settings:
    """Return the settings as the deployed functions will read them.

    Raises WrongSetting: a variable cannot be used.
    """
    return read({**variables, "AWS_LAMBDA_FUNCTION_NAME": "deployed"})


def unknown(variables: Mapping[str, str]) -> list[str]:
    """Return the names that are not settings of the service, for example misspelled ones."""
    known = {name for field in fields(Settings) for name in field.metadata["env"]}
    return sorted(set(variables) - known)


def check(chosen: Settings, target: Target, stage: str) -> None:
    """Raise CannotRun if the names belong to another account or region, or the alarms do not read these metrics."""
    here = f"-{target.account}-{target.region}"
    for bucket in (getattr(chosen, name) for name in _BUCKETS):
        if re.search(r"-\d{12}-[a-z]+-[a-z-]+-\d$", bucket) and not bucket.endswith(here):
            raise CannotRun(f"The bucket {bucket} of the stage {stage} is not for {target}, by its name.")
    if chosen.metrics_namespace != f"images-api/{stage}":
        raise CannotRun(
            f"METRICS_NAMESPACE of {stage} must be images-api/{stage}, which its alarms and dashboard read."
        )


def _defaults(target: Target, stage: str) -> dict[str, str]:
    names = {field.name: field for field in fields(Settings)}
    wanted = {"metrics_namespace": f"images-api/{stage}"}
    if stage != LOCAL:
        wanted |= {name: f"{names[name].default}-{stage}-{target.account}-{target.region}" for name in _BUCKETS}
        wanted |= {name: f"{names[name].default}-{stage}" for name in _NAMES}
    return {names[name].metadata["env"][0]: value for name, value in wanted.items()}


def _given(variable: str, variables: Mapping[str, str]) -> bool:
    (spellings,) = (field.metadata["env"] for field in fields(Settings) if variable in field.metadata["env"])
    return any(name in variables for name in spellings)
