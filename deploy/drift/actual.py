"""What AWS has of a stage's functions, roles, events and API, as AWS answers it."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy import record, versions
from deploy.drift.expected import Expected
from deploy.stage import Stage
from deploy.target import Target

Document = dict[str, Any]

_MISSING = {"ResourceNotFoundException", "NoSuchEntity", "NotFoundException", "NoSuchBucket"}
_THREADS = 8  # about 55 calls are made; one after the other, they would take seconds


@dataclass(frozen=True, slots=True)
class Actual:
    """What exists. A missing resource is missing in its mapping."""

    functions: Mapping[str, Document]  # GetFunction, by name in app.py
    released: bool  # whether the API calls its function as it is, by the alias
    callers: Document  # GetPolicy of the alias
    others: tuple[str, ...]  # names of functions that carry the stage's tag and are not in app.py
    policies: Mapping[str, Document]  # who may invoke a function: GetPolicy
    failures: Mapping[str, Document]  # GetFunctionEventInvokeConfig
    roles: Mapping[str, Document]  # GetRole, with `Inline` (name to document) and `Attached` (ARNs)
    notifications: Mapping[str, Document]  # GetBucketNotificationConfiguration, by bucket
    rules: Mapping[str, Document]  # DescribeRule, with `Targets`
    apis: tuple[Document, ...]  # GetRestApis, with `resources`, `stage` and `responses`
    domain: Document | None  # GetDomainName of the stage's custom domain, with `Mappings`

    @property
    def empty(self) -> bool:
        """Whether the stage has not been deployed."""
        return not self.functions and not self.apis


def read(stage: Stage, expected: Expected) -> Actual:
    """Read the state of a stage. Makes about 55 AWS calls for 8 functions, and needs read permissions only."""
    reader = _Reader(stage.place, stage.config.app_name, stage.name)
    names = {name: function.function_name for name, function in expected.functions.items()}
    roles = {name: role.role_name for name, role in expected.roles.items()}
    buckets = {each.bucket: each.bucket for each in expected.notifications}
    rules = {each.rule_name: each.rule_name for each in expected.schedules}
    invoked = {name: called for name, called in names.items() if expected.grants(name, "any")}
    with ThreadPoolExecutor(_THREADS) as threads:

        def each(read_one: Callable[[str], Document | None], called: Mapping[str, str]) -> Callable[[], dict[str, Any]]:
            pending = {name: threads.submit(read_one, called[name]) for name in called}
            return lambda: {name: found for name, future in pending.items() if (found := future.result()) is not None}

        functions = each(reader.function, names)
        policies = each(reader.policy, invoked)
        failures = each(reader.failures, {name: names[name] for name in expected.failures})
        found_roles = each(reader.role, roles)
        notifications = each(reader.notifications, buckets)
        found_rules = each(reader.rule, rules)
        # Meanwhile in this thread, because these two create clients, which boto3 allows in one thread only.
        others = record.configurations(stage.place, stage.config.app_name, stage.name, known=names)
        apis = reader.apis()
        called = names[expected.api.lambda_function.resource_name]
        return Actual(
            functions=functions(),
            released=versions.is_released(stage.place, called),
            callers=reader.policy(f"{called}:{versions.ALIAS}") or {},
            others=tuple(sorted(others)),
            policies=policies(),
            failures=failures(),
            roles=found_roles(),
            notifications=notifications(),
            rules=found_rules(),
            apis=apis,
            domain=reader.domain(expected.api.domain_name.domain_name) if expected.api.domain_name else None,
        )


class _Reader:
    """Reads one resource."""

    def __init__(self, place: Target, app_name: str, stage: str):
        self._place, self._app_name, self._stage = place, app_name, stage
        self._lambda = place.client("lambda")
        self._iam = place.client("iam")
        self._s3 = place.client("s3")
        self._events = place.client("events")
        self._gateway = place.client("apigateway")

    def function(self, name: str) -> Document | None:
        return _if_exists(self._lambda.get_function, FunctionName=name)

    def policy(self, name: str) -> Document | None:
        return _if_exists(self._lambda.get_policy, FunctionName=name)

    def failures(self, name: str) -> Document | None:
        return _if_exists(self._lambda.get_function_event_invoke_config, FunctionName=name)

    def role(self, name: str) -> Document | None:
        iam = self._iam
        found = _if_exists(iam.get_role, RoleName=name)
        if found is None:
            return None
        inline = {
            policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        }
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return {**found["Role"], "Inline": inline, "Attached": [policy["PolicyArn"] for policy in attached]}

    def notifications(self, bucket: str) -> Document | None:
        return _if_exists(self._s3.get_bucket_notification_configuration, Bucket=bucket)

    def rule(self, name: str) -> Document | None:
        found = _if_exists(self._events.describe_rule, Name=name)
        return found and {**found, "Targets": self._events.list_targets_by_rule(Rule=name)["Targets"]}

    def apis(self) -> tuple[Document, ...]:
        gateway = self._gateway
        found = []
        for api in record.rest_apis(self._place, self._app_name, self._stage):
            stages = gateway.get_stages(restApiId=api["id"])["item"]
            responses = gateway.get_gateway_responses(restApiId=api["id"], limit=500)["items"]
            stage = next((each for each in stages if each["stageName"] == self._stage), None)
            found.append({**api, "stage": stage, "responses": {each["responseType"]: each for each in responses}})
        return tuple(found)

    def domain(self, name: str) -> Document | None:
        found = _if_exists(self._gateway.get_domain_name, domainName=name)
        return found and {**found, "Mappings": self._gateway.get_base_path_mappings(domainName=name).get("items", [])}


def _if_exists(call: Callable[..., Document], **arguments: str) -> Document | None:
    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise
