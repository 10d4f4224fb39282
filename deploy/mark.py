"""The mark of a complete deployment: variables of the API's stage that say what was deployed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from deploy.target import Target


@dataclass(frozen=True, slots=True)
class Mark:
    """What the last complete deployment made. The names are those of the variables; values have no `+`, as required."""

    deployed: str  # functions.fingerprint
    code_sha256: str  # of the functions' zip, hexadecimal
    deployment_id: str  # API Gateway's


VARIABLES = frozenset(field.name for field in fields(Mark))


def read(variables: Mapping[str, str]) -> Mark | None:
    """Return the mark in the variables of an API's stage; None if the last deployment was not completed."""
    return Mark(**{name: variables[name] for name in VARIABLES}) if variables.keys() >= VARIABLES else None


def write(target: Target, api_id: str, stage: str, made: Mark) -> None:
    """Record that a deployment is complete."""
    _update(target, api_id, stage, [{"op": "replace", "path": _path(n), "value": v} for n, v in asdict(made).items()])


def remove(target: Target, api_id: str, stage: str) -> None:
    """Record that a deployment has started. Until it is complete, no run may skip it as unchanged."""
    stages = target.client("apigateway").get_stages(restApiId=api_id)["item"]
    found: Mapping[str, str] = next((each.get("variables", {}) for each in stages if each["stageName"] == stage), {})
    if there := VARIABLES & found.keys():
        _update(target, api_id, stage, [{"op": "remove", "path": _path(name)} for name in sorted(there)])


def _update(target: Target, api_id: str, stage: str, operations: list[dict[str, Any]]) -> None:
    target.client("apigateway").update_stage(restApiId=api_id, stageName=stage, patchOperations=operations)


def _path(variable: str) -> str:
    return f"/variables/{variable}"
