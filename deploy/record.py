"""Chalice's record of what a stage has, made from what is there.

Chalice keeps it in .chalice/deployed/, writes it when all is done, and believes it: after a crash, or in another clone,
it would make a second API, and delete nothing.
"""

import json
from collections.abc import Container, Iterator
from typing import Any

from chalice.config import Config

from chalicelib.config import Settings
from chalicelib.permissions import API, declared
from deploy.target import Target
from project import PROJECT

Resource = dict[str, str]  # as in the record: its name and type, and what Chalice finds it by


def restore(target: Target, config: Config, chosen: Settings) -> list[Resource]:
    """Write the record of a stage; what it lists."""
    resources = list(_resources(target, config, chosen))
    path = PROJECT / ".chalice" / "deployed" / f"{config.chalice_stage}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"resources": resources, "schema_version": "2.0", "backend": "api"}, indent=2) + "\n")
    return resources


def functions(target: Target, app_name: str, stage: str) -> dict[str, str]:
    """The ARNs of a stage's functions, by their names in app.py."""
    client = target.client("lambda")
    first = f"{app_name}-{stage}"
    found = {}
    for function in _all(client, "list_functions", "Functions"):
        name, arn = function["FunctionName"], function["FunctionArn"]
        # By its tag too: "images-api-dev-eu" is the API of a stage dev-eu, and no function of the stage dev.
        if name == first or name.startswith(f"{first}-"):
            tag = client.list_tags(Resource=arn)["Tags"].get("aws-chalice", "")
            if tag.endswith(f":stage={stage}:app={app_name}"):
                found[name.removeprefix(first).removeprefix("-") or API] = arn
    return found


def apis(target: Target, app_name: str, stage: str) -> list[str]:
    """The ids of the REST APIs whose requests the stage's function answers: one, but after a crash."""
    gateway = target.client("apigateway")
    handler = f":function:{app_name}-{stage}/invocations"
    found = []
    for api in _all(gateway, "get_rest_apis", "items"):
        if api["name"] == app_name:
            pages = gateway.get_paginator("get_resources").paginate(restApiId=api["id"], embed=["methods"])
            methods = (m for page in pages for r in page["items"] for m in r.get("resourceMethods", {}).values())
            if any(method.get("methodIntegration", {}).get("uri", "").endswith(handler) for method in methods):
                found.append(api["id"])
    return found


def roles(target: Target, app_name: str, stage: str, names: Container[str]) -> Iterator[Resource]:
    """The roles of functions of these names, also where the function itself is not there."""
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
    # A function that is gone from app.py goes with all that it has.
    names = {*arns, *declared(config.chalice_app)}
    yield from roles(target, app_name, stage, names)
    for name, arn in arns.items():
        yield {"name": name, "resource_type": "lambda_function", "lambda_arn": arn}
    yield from _events(target, arns, chosen)
    yield from _rules(target, app_name, stage, names)
    for number, api in enumerate(apis(target, app_name, stage)):
        yield {"name": f"rest_api{number or ''}", "resource_type": "rest_api", "rest_api_id": api}


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
    # By their names: a rule without its target is what a crash between the two has left.
    for rule in _all(target.client("events"), "list_rules", "Rules"):
        name = _of(rule["Name"], app_name, stage)
        if name.removesuffix("-event") in names and name.endswith("-event"):
            yield {"name": name, "resource_type": "cloudwatch_event", "rule_name": rule["Name"]}


def _of(name: str, app_name: str, stage: str) -> str:
    """The last part of a stage's name of something; empty: it is not the stage's."""
    first = f"{app_name}-{stage}-"
    return name.removeprefix(first) if name.startswith(first) else ""


def _all(client: Any, operation: str, key: str) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate():
        yield from page[key]
