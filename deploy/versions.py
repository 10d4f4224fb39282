"""The published versions of the API's function, and the alias through which the API calls one of them.

Chalice changes the function itself ($LATEST). The API calls the alias, so it uses the old version until the new one can
start, and `make rollback` leads the alias back. Events and the schedule invoke their functions themselves.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from chalice.config import Config
from chalice.deploy.deployer import BaseDeployStep, Deployer
from chalice.deploy.models import RestAPI

from deploy.options import Options
from deploy.settings import SECRETS_VERSION
from deploy.target import Target
from project import CannotRun

ALIAS = "live"
_KEPT = 5  # versions: the present one, and those to which a rollback can lead
_KEPT_SNAPSHOTS = 2  # with SnapStart, each version has its price
_SNAP_START = {True: "PublishedVersions", False: "None"}  # ApplyOn of Lambda's API
_COMPARED = ("CodeSha256", "Environment", "Runtime", "MemorySize", "Timeout", "Architectures", "Role")


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
    """Publish what Chalice has deployed, and lead the alias to it when it can start. Then delete old versions."""
    client = target.client("lambda")
    if not options.provisioned_concurrency:  # first, because SnapStart and provisioned concurrency exclude each other
        configured = client.list_provisioned_concurrency_configs(FunctionName=function)
        for _ in configured["ProvisionedConcurrencyConfigs"]:  # at most that of the alias
            client.delete_provisioned_concurrency_config(FunctionName=function, Qualifier=ALIAS)
    found, wanted = client.get_function_configuration(FunctionName=function), _SNAP_START[options.snap_start]
    if found.get("SnapStart", {}).get("ApplyOn", "None") != wanted:
        client.update_function_configuration(FunctionName=function, SnapStart={"ApplyOn": wanted})
    _move(client, function, _publish(client, function))
    _allow(target, function, api)
    if options.provisioned_concurrency:
        client.put_provisioned_concurrency_config(
            FunctionName=function,
            Qualifier=ALIAS,
            ProvisionedConcurrentExecutions=options.provisioned_concurrency,
        )
    kept = _KEPT_SNAPSHOTS if options.snap_start else _KEPT
    for version in _versions(client, function)[:-kept]:
        client.delete_function(FunctionName=function, Qualifier=str(version))


def follow(target: Target, function: str) -> None:
    """Lead the alias to a version of the function as it is now, if there is an alias. So its processes are new ones."""
    client = target.client("lambda")
    if _live(client, function) and not is_released(target, function):
        _move(client, function, _publish(client, function))


def is_rolled_back(target: Target, function: str) -> bool:
    """Whether the alias leads to a version with other code or another configuration than the function itself.

    The version of its secrets does not count: a change of the secrets that was interrupted is not a rollback.
    """
    client = target.client("lambda")
    version = _live(client, function)
    if not version:
        return False
    found = [
        client.get_function_configuration(FunctionName=function, Qualifier=qualifier)
        for qualifier in ("$LATEST", str(version))
    ]
    for configured in found:
        configured.get("Environment", {}).get("Variables", {}).pop(SECRETS_VERSION, None)
    latest, live = found
    return any(latest.get(name) != live.get(name) for name in _COMPARED)


def is_released(target: Target, function: str) -> bool:
    """Whether the alias leads to a version with the code and the configuration of the function itself."""
    client = target.client("lambda")
    version = _live(client, function)
    if not version:
        return False
    latest = client.get_function_configuration(FunctionName=function)
    live = client.get_function_configuration(FunctionName=function, Qualifier=str(version))
    return all(latest.get(name) == live.get(name) for name in _COMPARED)


def roll_back(target: Target, function: str) -> tuple[int, int]:
    """Lead the alias to the version before its present one. Returns both: from, to.

    Processes and snapshots of a version keep the secrets with which they started. So a version from before a change of
    the secrets does not count.
    Raises CannotRun: there is no earlier version with the present secrets.
    """
    client = target.client("lambda")
    present = _live(client, function)
    earlier = [version for version in _versions(client, function) if version < present] if present else []
    if not earlier or len({_secrets_version(client, function, version) for version in (earlier[-1], present)}) > 1:
        name = function.rpartition(":")[2]
        raise CannotRun(f"{name} has no earlier version with its present secrets. Deploy an earlier commit instead.")
    _move(client, function, earlier[-1])
    return present, earlier[-1]


def _live(client: Any, function: str) -> int:
    """Return the version to which the alias leads; 0 if there is no alias."""
    try:
        return int(client.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"])
    except client.exceptions.ResourceNotFoundException:
        return 0


def _secrets_version(client: Any, function: str, version: int) -> str:
    configured = client.get_function_configuration(FunctionName=function, Qualifier=str(version))
    return str(configured.get("Environment", {}).get("Variables", {}).get(SECRETS_VERSION, ""))


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
    change = {"FunctionName": function, "Name": ALIAS, "FunctionVersion": str(version)}
    if _live(client, function):
        client.update_alias(**change)
    else:
        client.create_alias(**change)


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
