"""The published versions of the API's function, and the alias through which the API calls one of them.

Chalice changes the function itself ($LATEST). The API calls the alias, so it uses the old version until the new one can
start, and `make rollback` leads the alias back. Events and the schedule invoke their functions themselves.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import stamina
from chalice.config import Config
from chalice.deploy.deployer import BaseDeployStep, Deployer
from chalice.deploy.models import RestAPI

from deploy.options import Options
from deploy.settings import SCHEMA_VERSION, SECRETS_VERSION
from deploy.target import Target
from project import CannotRun

ALIAS = "live"
_KEPT = 5  # versions: the present one, and those to which a rollback can lead
_KEPT_SNAPSHOTS = 2  # with SnapStart, each version has its price
_SNAP_START = {True: "PublishedVersions", False: "None"}  # ApplyOn of Lambda's API
_SHIFT_SECONDS = 600  # for provisioned instances of a new version to start
_COMPARED = ("CodeSha256", "Environment", "Runtime", "MemorySize", "Timeout", "Architectures", "Role")


class _Shifting(Exception):
    """Lambda leads a part of the requests to an earlier version."""


class _CallAlias(BaseDeployStep):
    """A step of Chalice's build, after the one that writes the API's document."""

    def handle_restapi(self, config: Config, resource: RestAPI) -> None:
        """Let the integrations of the API call the alias."""
        document: Any = resource.swagger_doc
        for path in document["paths"].values():
            for method in path.values():
                uri = method["x-amazon-apigateway-integration"]["uri"]
                uri.template = uri.template.replace("{api_handler_lambda_arn}", f"{{api_handler_lambda_arn}}:{ALIAS}")


def call_alias(deployer: Deployer) -> None:
    """Let Chalice deploy an API that calls the alias."""
    deployer._build_stage._steps.append(_CallAlias())  # Chalice has no public way to add a step


def prepare(target: Target, function: str, apis: Iterable[str]) -> None:
    """Before Chalice changes a function that has no alias: create it, so that the API can call what is there now."""
    client = target.client("lambda")
    try:
        client.get_function_configuration(FunctionName=function)
    except client.exceptions.ResourceNotFoundException:
        return
    if not _live(client, function):
        _move(client, function, _publish(client, function))
    for api in apis:
        _allow(target, function, api)


def release(target: Target, function: str, api: str, options: Options) -> None:
    """Publish what Chalice has deployed, and lead the alias to it when it can start. Then delete old versions.

    Raises CannotRun: Lambda cannot start the new version in time.
    """
    client = target.client("lambda")
    provisioned = _provisioned(client, function)
    if not options.provisioned_concurrency:  # first, because SnapStart and provisioned concurrency exclude each other
        for qualifier in provisioned:
            client.delete_provisioned_concurrency_config(FunctionName=function, Qualifier=qualifier)
    found, wanted = client.get_function_configuration(FunctionName=function), _SNAP_START[options.snap_start]
    if found.get("SnapStart", {}).get("ApplyOn", "None") != wanted:
        client.update_function_configuration(FunctionName=function, SnapStart={"ApplyOn": wanted})
    _move(client, function, _publish(client, function))
    _allow(target, function, api)
    _allow_no_others(client, function, api)
    if options.provisioned_concurrency not in (0, provisioned.get(ALIAS)):
        client.put_provisioned_concurrency_config(
            FunctionName=function,
            Qualifier=ALIAS,
            ProvisionedConcurrentExecutions=options.provisioned_concurrency,
        )
    _delete_old(client, function, options.snap_start)


def follow(target: Target, function: str) -> bool:
    """Lead the alias to a version of the function as it is now, so that its processes are new ones.

    Returns whether this was necessary. Without an alias, it is not.
    """
    client = target.client("lambda")
    if not _live(client, function) or is_released(target, function):
        return False
    _move(client, function, _publish(client, function))
    found = client.get_function_configuration(FunctionName=function)
    _delete_old(client, function, found.get("SnapStart", {}).get("ApplyOn") == _SNAP_START[True])
    return True


def is_rolled_back(target: Target, function: str) -> bool:
    """Whether the alias leads to a version with other code or another configuration than the function itself.

    The version of its secrets does not count: a change of the secrets that was interrupted is not a rollback.
    """
    found = _latest_and_live(target.client("lambda"), function)
    for configured in found:
        configured.get("Environment", {}).get("Variables", {}).pop(SECRETS_VERSION, None)
    return bool(found) and not _are_alike(found)


def is_released(target: Target, function: str) -> bool:
    """Whether the alias leads to a version with the code and the configuration of the function itself."""
    client = target.client("lambda")
    found = _latest_and_live(client, function)
    return bool(found) and _are_alike(found) and not _weights(_alias(client, function))


def roll_back(target: Target, function: str) -> tuple[int, int]:
    """Lead the alias to the version before its present one. Returns both: from, to.

    Processes and snapshots of a version keep the secrets with which they started, and code of an earlier schema version
    must not run on newer data. So a version from before such a change does not count.
    Raises CannotRun: there is no earlier version that can be used.
    """
    client = target.client("lambda")
    present = _live(client, function)
    earlier = [version for version in _usable(client, function) if version < present] if present else []
    if not earlier:
        name = function.rpartition(":")[2]
        raise CannotRun(f"{name} has no earlier version with its present secrets. Deploy an earlier commit instead.")
    _move(client, function, earlier[-1])
    return present, earlier[-1]


def _alias(client: Any, function: str) -> dict[str, Any]:
    """Return what Lambda says of the alias; nothing if there is none."""
    try:
        found: dict[str, Any] = client.get_alias(FunctionName=function, Name=ALIAS)
    except client.exceptions.ResourceNotFoundException:
        return {}
    return found


def _live(client: Any, function: str) -> int:
    """Return the version to which the alias leads; 0 if there is no alias."""
    return int(_alias(client, function).get("FunctionVersion", 0))


def _latest_and_live(client: Any, function: str) -> list[dict[str, Any]]:
    """Return the configurations of the function itself and of the version that is live; nothing without an alias."""
    version = _live(client, function)
    qualifiers = ("$LATEST", str(version)) if version else ()
    return [client.get_function_configuration(FunctionName=function, Qualifier=each) for each in qualifiers]


def _are_alike(configurations: list[dict[str, Any]]) -> bool:
    first, second = configurations
    return all(first.get(name) == second.get(name) for name in _COMPARED)


def _usable(client: Any, function: str) -> list[int]:
    """Return the versions with the secrets and the schema version of the one that is live, the oldest first."""

    def epoch(version: int) -> list[str | None]:
        configured = client.get_function_configuration(FunctionName=function, Qualifier=str(version))
        variables = configured.get("Environment", {}).get("Variables", {})
        return [variables.get(name) for name in (SECRETS_VERSION, SCHEMA_VERSION)]

    present = epoch(_live(client, function))
    return [version for version in _versions(client, function) if epoch(version) == present]


def _delete_old(client: Any, function: str, snap_start: bool) -> None:
    """Delete the versions to which no rollback shall lead. They may have secrets in their variables."""
    kept = _usable(client, function)[-(_KEPT_SNAPSHOTS if snap_start else _KEPT) :]
    for version in set(_versions(client, function)) - {*kept, _live(client, function)}:
        client.delete_function(FunctionName=function, Qualifier=str(version))


def _provisioned(client: Any, function: str) -> dict[str, int]:
    """Return the provisioned concurrency of each alias and version that has some."""
    found = client.list_provisioned_concurrency_configs(FunctionName=function)["ProvisionedConcurrencyConfigs"]
    return {each["FunctionArn"].rpartition(":")[2]: each["RequestedProvisionedConcurrentExecutions"] for each in found}


def _versions(client: Any, function: str) -> list[int]:
    """Return all published versions, the oldest first."""
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    found = (version["Version"] for page in pages for version in page["Versions"])
    return sorted(int(version) for version in found if version != "$LATEST")


def _publish(client: Any, function: str) -> int:
    """Return a version of the function as it is, when it can start. Lambda publishes none if nothing has changed."""
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    version: str = client.publish_version(FunctionName=function)["Version"]
    # With SnapStart, this takes minutes.
    client.get_waiter("published_version_active").wait(FunctionName=function, Qualifier=version)
    return int(version)


def _move(client: Any, function: str, version: int) -> None:
    """Lead the alias to a version, and wait until it leads there alone.

    If the alias has provisioned concurrency, Lambda itself leads requests to the version before until the new instances
    are ready. Raises CannotRun: they are not ready in time.
    """
    change = {"FunctionName": function, "Name": ALIAS, "FunctionVersion": str(version)}
    if not _live(client, function):
        client.create_alias(**change)
        return
    client.update_alias(**change, RoutingConfig={"AdditionalVersionWeights": {}})
    try:
        for attempt in stamina.retry_context(_Shifting, attempts=None, timeout=_SHIFT_SECONDS, wait_max=10):
            with attempt:
                if _weights(_alias(client, function)):
                    raise _Shifting
    except _Shifting:
        raise CannotRun(
            f"After {_SHIFT_SECONDS} s, Lambda still leads requests to the version before {version}: its instances "
            f"cannot start. See the log of {function.rpartition(':')[2]}, then deploy again."
        ) from None


def _weights(alias: dict[str, Any]) -> dict[str, float]:
    """Return the share of requests that an alias leads to further versions."""
    found: dict[str, float] = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    return found


def _allow(target: Target, function: str, api: str) -> None:
    """Let an API invoke the alias. A permission of the function itself does not apply to it."""
    client = target.client("lambda")
    with suppress(client.exceptions.ResourceConflictException):  # the permission is there already
        client.add_permission(
            FunctionName=function,
            Qualifier=ALIAS,
            StatementId=f"api-{api}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"{target.arn('execute-api', api)}/*",
        )


def _allow_no_others(client: Any, function: str, api: str) -> None:
    """Remove permissions to invoke the alias that another API had, or that somebody added."""
    policy = json.loads(client.get_policy(FunctionName=function, Qualifier=ALIAS)["Policy"])
    for sid in {statement["Sid"] for statement in policy["Statement"]} - {f"api-{api}"}:
        client.remove_permission(FunctionName=function, Qualifier=ALIAS, StatementId=sid)
