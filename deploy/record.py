"""Chalice's record of the deployed resources of a stage, rebuilt from what exists on AWS.

Chalice keeps the record in .chalice/deployed/ and writes it at the end of a deployment. It never compares the record
with AWS. After a crash, or in another clone, Chalice would create a second API and delete nothing.
"""

import json
from collections.abc import Container, Iterator
from typing import Any

from chalice.config import Config

from chalicelib.config import Settings
from chalicelib.permissions import API, declared
from deploy import network
from deploy.target import Target
from deploy.versions import ALIAS
from project import PROJECT

Resource = dict[str, Any]  # an entry of the record: name, type, and the id by which Chalice finds the resource


def restore(target: Target, config: Config, chosen: Settings) -> list[Resource]:
    """Write the record of a stage, and return its entries."""
    resources = list(_resources(target, config, chosen))
    path = PROJECT / ".chalice" / "deployed" / f"{config.chalice_stage}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"resources": resources, "schema_version": "2.0", "backend": "api"}, indent=2) + "\n")
    return resources


def functions(target: Target, app_name: str, stage: str) -> dict[str, str]:
    """Return the ARNs of a stage's functions by their names in app.py."""
    client = target.client("lambda")
    first = f"{app_name}-{stage}"
    found = {}
    for function in _all(client, "list_functions", "Functions"):
        name, arn = function["FunctionName"], function["FunctionArn"]
        # The tag decides: "images-api-dev-eu" belongs to a stage dev-eu, not to the stage dev.
        if name == first or name.startswith(f"{first}-"):
            tag = client.list_tags(Resource=arn)["Tags"].get("aws-chalice", "")
            if tag.endswith(f":stage={stage}:app={app_name}"):
                found[name.removeprefix(first).removeprefix("-") or API] = arn
    return found


def apis(target: Target, app_name: str, stage: str) -> list[str]:
    """Return the ids of the REST APIs that invoke the stage's function: one, or more after a crash."""
    gateway = target.client("apigateway")
    handlers = tuple(f":function:{app_name}-{stage}{alias}/invocations" for alias in ("", f":{ALIAS}"))
    found = []
    for api in _all(gateway, "get_rest_apis", "items"):
        if api["name"] == app_name:
            pages = gateway.get_paginator("get_resources").paginate(restApiId=api["id"], embed=["methods"])
            methods = (m for page in pages for r in page["items"] for m in r.get("resourceMethods", {}).values())
            if any(method.get("methodIntegration", {}).get("uri", "").endswith(handlers) for method in methods):
                found.append(api["id"])
    return found


def roles(target: Target, app_name: str, stage: str, names: Container[str]) -> Iterator[Resource]:
    """Yield the roles of functions with these names, even if the function itself does not exist."""
    for role in _all(target.client("iam"), "list_roles", "Roles"):
        name = _of(role["RoleName"], app_name, stage)
        if name in names:
            yield {
                "name": f"{name}_role",
                "resource_type": "iam_role",
                "role_arn": role["Arn"],
                "role_name": role["RoleName"],
            }


def _resources(target: Target, config: Config, chosen: Settings) -> Iterator[Resource]:
    app_name, stage = config.app_name, config.chalice_stage
    arns = functions(target, app_name, stage)
    # Includes functions that app.py no longer has, so that they are deleted with their resources.
    names = {*arns, *declared(config.chalice_app)}
    yield from roles(target, app_name, stage, names)
    for name, arn in arns.items():
        yield {"name": name, "resource_type": "lambda_function", "lambda_arn": arn}
    yield from _events(target, arns, chosen)
    yield from _rules(target, app_name, stage, names)
    ids = apis(target, app_name, stage)
    for number, api in enumerate(ids):
        yield {"name": f"rest_api{number or ''}", "resource_type": "rest_api", "rest_api_id": api}
    yield from network.record(target, config, ids)


def _events(target: Target, arns: dict[str, str], chosen: Settings) -> Iterator[Resource]:
    s3 = target.client("s3")
    names = {arn: name for name, arn in arns.items()}
    for bucket in (chosen.s3_bucket_name, chosen.staged_bucket_name):
        try:
            configured = s3.get_bucket_notification_configuration(Bucket=bucket)
        except s3.exceptions.NoSuchBucket:
            continue
        for events in configured.get("LambdaFunctionConfigurations", []):
            if name := names.get(events["LambdaFunctionArn"]):
                yield {
                    "name": f"{name}-s3event",
                    "resource_type": "s3_event",
                    "bucket": bucket,
                    "lambda_arn": arns[name],
                }


def _rules(target: Target, app_name: str, stage: str, names: Container[str]) -> Iterator[Resource]:
    # Found by name: a crash can leave a rule without its target.
    for rule in _all(target.client("events"), "list_rules", "Rules"):
        name = _of(rule["Name"], app_name, stage)
        if name.removesuffix("-event") in names and name.endswith("-event"):
            yield {"name": name, "resource_type": "cloudwatch_event", "rule_name": rule["Name"]}


def _of(name: str, app_name: str, stage: str) -> str:
    """Return a name without the prefix of the stage; empty if the name does not belong to the stage."""
    first = f"{app_name}-{stage}-"
    return name.removeprefix(first) if name.startswith(first) else ""


def _all(client: Any, operation: str, key: str) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate():
        yield from page[key]
