"""Put right what Chalice's deployer leaves as it is. Called before the deployer, which does the rest."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deploy import mark
from deploy.drift import compare, properties
from deploy.drift.actual import Actual
from deploy.drift.expected import Document, Expected
from deploy.drift.properties import Property
from deploy.record import Resource
from deploy.stage import Stage
from deploy.target import Target

_CONFIGURATION: Mapping[Property, Callable[[Any], Document]] = {
    properties.HANDLER: lambda function: {"Handler": function.handler},
    properties.TRACING: lambda function: {"TracingConfig": {"Mode": properties.TRACING.expected(function)}},
}


def repair(stage: Stage, expected: Expected, actual: Actual) -> None:
    """Remove what was added to a stage, and set what the deployer does not set in existing resources."""
    _functions(stage.place, expected, actual)
    _roles(stage.place, expected, actual)
    _notifications(stage.place, expected, actual)
    _schedules(stage.place, actual)
    _apis(stage, actual)


def detach(place: Target, recorded: Iterable[Resource]) -> None:
    """Remove what would stop the deletion of a stage's roles and rules: attached policies, and further targets."""
    iam, events = place.client("iam"), place.client("events")
    for resource in recorded:
        if role := resource.get("role_name"):
            attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
            _detach(iam, role, [policy["PolicyArn"] for policy in attached])
        if rule := resource.get("rule_name"):
            _remove_targets(events, rule, events.list_targets_by_rule(Rule=rule)["Targets"])


def _functions(place: Target, expected: Expected, actual: Actual) -> None:
    client = place.client("lambda")
    for name, found in actual.functions.items():
        model = expected.functions[name]
        changes: Document = {}
        for each, arguments in _CONFIGURATION.items():
            if each.differs(model, found):
                changes |= arguments(model)
        if changes:
            client.update_function_configuration(FunctionName=model.function_name, **changes)
            client.get_waiter("function_updated_v2").wait(FunctionName=model.function_name)
        for foreign in compare.foreign_grants(expected, name, actual):
            client.remove_permission(FunctionName=model.function_name, StatementId=foreign["Sid"])


def _roles(place: Target, expected: Expected, actual: Actual) -> None:
    iam = place.client("iam")
    for name, found in actual.roles.items():
        model = expected.roles[name]
        if not compare.same_trust(model, found):
            trust = json.dumps(model.trust_policy)
            iam.update_assume_role_policy(RoleName=model.role_name, PolicyDocument=trust)
        for policy in found["Inline"].keys() - {model.role_name}:
            iam.delete_role_policy(RoleName=model.role_name, PolicyName=policy)
        _detach(iam, model.role_name, found["Attached"])


def _notifications(place: Target, expected: Expected, actual: Actual) -> None:
    s3 = place.client("s3")
    for bucket, configured in actual.notifications.items():
        kept = compare.notifications(expected, bucket, configured)
        if kept != configured.get("LambdaFunctionConfigurations", []):
            whole = {**configured, "LambdaFunctionConfigurations": kept}
            del whole["ResponseMetadata"]
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=whole)


def _schedules(place: Target, actual: Actual) -> None:
    events = place.client("events")
    for name, found in actual.rules.items():
        if found["State"] != "ENABLED":
            events.enable_rule(Name=name)
        _remove_targets(events, name, found["Targets"])


def _apis(stage: Stage, actual: Actual) -> None:
    gateway, place = stage.place.client("apigateway"), stage.place
    for api in actual.apis:
        if api.get("policy"):
            change = {"op": "replace", "path": "/policy", "value": ""}
            gateway.update_rest_api(restApiId=api["id"], patchOperations=[change])
        if found := api["stage"]:
            paths = [f"/variables/{name}" for name in found.get("variables", {}).keys() - mark.VARIABLES]
            # LocalStack cannot remove settings of methods, but it resets them with each deployment.
            if not place.endpoint_url:
                paths += [f"/{key}" for key in found.get("methodSettings", {}).keys() - {"*/*"}]
            operations = [{"op": "remove", "path": path} for path in sorted(paths)]
            if found.get("cacheClusterEnabled"):
                operations.append({"op": "replace", "path": "/cacheClusterEnabled", "value": "false"})
            if operations:
                gateway.update_stage(restApiId=api["id"], stageName=stage.name, patchOperations=operations)


def _detach(iam: Any, role: str, policy_arns: Iterable[str]) -> None:
    for arn in policy_arns:
        iam.detach_role_policy(RoleName=role, PolicyArn=arn)


def _remove_targets(events: Any, rule: str, targets: Iterable[Document]) -> None:
    # Chalice's target is number 1. Chalice removes only this one when it deletes the rule.
    if others := [target["Id"] for target in targets if target["Id"] != "1"]:
        events.remove_targets(Rule=rule, Ids=others)
