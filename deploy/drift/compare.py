"""Compare what AWS has with what a deployment makes. Pure: each function returns sentences for a person.

No value of an environment variable is ever in a sentence, because some are secrets.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jmespath
from chalice.deploy.models import ManagedIAMRole

from deploy import functions, mark
from deploy.drift.actual import Actual
from deploy.drift.expected import Document, Expected, Grant
from deploy.drift.properties import (
    API,
    API_STAGE,
    DOMAIN,
    ENDPOINT,
    FAILURES,
    FUNCTION,
    METHOD,
    ROLE,
    RULE,
    Property,
    plain,
)


def differences(expected: Expected, actual: Actual) -> list[str]:
    """Return one sentence per difference; none if AWS has exactly this deployment."""
    return [
        *_deployment(expected, actual),
        *_functions(expected, actual),
        *_roles(expected, actual),
        *_notifications(expected, actual),
        *_schedules(expected, actual),
        *_apis(expected, actual),
        *_domain(expected, actual),
    ]


def notifications(expected: Expected, bucket: str, configured: Document) -> list[Document]:
    """Return a bucket's notifications of functions, without those that lead to the stage's functions in a wrong way."""
    arns = {expected.arn(name): name for name in expected.functions}
    wanted = {each.lambda_function.resource_name: each for each in expected.notifications if each.bucket == bucket}
    kept = []
    for each in configured.get("LambdaFunctionConfigurations", []):
        name = arns.get(each["LambdaFunctionArn"])
        if name is None:
            kept.append(each)
        elif name in wanted and each["Events"] == wanted[name].events and "Filter" not in each:
            kept.append(each)
            del wanted[name]
    return kept


def foreign_grants(expected: Expected, name: str, actual: Actual) -> list[Document]:
    """Return the statements of a function's resource policy that no deployment makes.

    Operators may grant others to invoke the direct functions. So only functions that a service invokes are compared.
    """
    wanted = expected.grants(name, _api_id(actual))
    return [each for each in _statements(actual, name) if _grant(each) not in wanted]


def same_trust(model: ManagedIAMRole, role: Document) -> bool:
    """Return whether exactly Lambda may assume a role."""
    return _without_ids(role["AssumeRolePolicyDocument"]) == _without_ids(model.trust_policy)


def _deployment(expected: Expected, actual: Actual) -> Iterator[str]:
    for api in actual.apis:
        made = mark.read((api["stage"] or {}).get("variables", {}))
        if made is None:
            yield "The last deployment was not completed, or an older version or `chalice deploy` made it."
            continue
        if made.deployed != expected.fingerprint:
            yield "The code or the configuration differs from what was deployed last."
        if api["stage"]["deploymentId"] != made.deployment_id:
            yield "API: its stage shows another deployment than the last one of `make deploy`."
        for name, function in actual.functions.items():
            if functions.code_sha256(function["Configuration"]) != made.code_sha256:
                yield f"{name}: the code is not that of the last deployment."


def _functions(expected: Expected, actual: Actual) -> Iterator[str]:
    for name, model in expected.functions.items():
        found = actual.functions.get(name)
        if found is None:
            yield f"{name}: the function does not exist."
            continue
        yield from _table(name, FUNCTION, model, found)
        if (role := found["Configuration"]["Role"]) != expected.role_arn(name):
            yield f"{name}: the role is {role}, not {expected.role_arn(name)}."
        environment = jmespath.search("Configuration.Environment.Variables", found) or {}
        yield from _names(name, "environment variables", model.environment_variables, environment)
        tags = {tag: value for tag, value in found.get("Tags", {}).items() if tag in model.tags}  # others may add tags
        yield from _names(name, "tags", model.tags, tags)
        if name in expected.failures:
            if name in actual.failures:
                yield from _table(name, FAILURES, expected.failures[name], actual.failures[name])
            else:
                yield f"{name}: its failed events do not go to a queue."
        yield from _grants(expected, actual, name)
    yield from _alias(expected, actual)
    for name in actual.others:
        yield f"{name}: app.py has no such function."


def _alias(expected: Expected, actual: Actual) -> Iterator[str]:
    """Yield what is wrong with the alias by which the API calls its function."""
    name = expected.api.lambda_function.resource_name
    if name in actual.functions and not actual.released:
        yield f"{name}: the API does not call the function as it is, but an earlier version or none."
    callers = {_grant(each) for each in json.loads(actual.callers.get("Policy", '{"Statement": []}'))["Statement"]}
    wanted = {grant for grant in expected.grants(name, _api_id(actual)) if grant.service == "apigateway"}
    if name in actual.functions and callers != wanted:
        yield f"{name}: not exactly the API may call the function by its alias."


def _grants(expected: Expected, actual: Actual, name: str) -> Iterator[str]:
    found = {_grant(each) for each in _statements(actual, name)}
    for missing in sorted(expected.grants(name, _api_id(actual)) - found, key=str):
        yield f"{name}: {missing.service} has no permission to invoke it for {missing.source_arn}."
    for foreign in foreign_grants(expected, name, actual):
        yield f"{name}: the permission {foreign.get('Sid', foreign)} is not one of the deployment."


def _roles(expected: Expected, actual: Actual) -> Iterator[str]:
    for name, model in expected.roles.items():
        role, found = model.role_name, actual.roles.get(name)
        if found is None:
            yield f"The role {role} does not exist."
            continue
        yield from _table(f"The role {role}", ROLE, model, found)
        if role in found["Inline"] and found["Inline"][role] != expected.policies[name]:
            yield f"The role {role}: its inline policy is not the one of the deployment."
        if not same_trust(model, found):
            yield f"The role {role}: another service or account than Lambda may assume it."


def _notifications(expected: Expected, actual: Actual) -> Iterator[str]:
    for each in expected.notifications:
        name, configured = each.lambda_function.resource_name, actual.notifications.get(each.bucket, {})
        kept = notifications(expected, each.bucket, configured)
        if expected.arn(name) not in {one["LambdaFunctionArn"] for one in kept}:
            yield f"{name}: the bucket {each.bucket} does not invoke it for {', '.join(each.events)}."
        elif kept != configured.get("LambdaFunctionConfigurations", []):
            yield f"The bucket {each.bucket} has other notifications of the stage's functions than the deployment."


def _schedules(expected: Expected, actual: Actual) -> Iterator[str]:
    for model in expected.schedules:
        name, found = model.lambda_function.resource_name, actual.rules.get(model.rule_name)
        if found is None:
            yield f"{name}: the rule {model.rule_name} does not exist."
            continue
        yield from _table(f"The rule {model.rule_name}", RULE, model, found)
        if [target["Arn"] for target in found["Targets"]] != [expected.arn(name)]:
            yield f"The rule {model.rule_name}: its target is not exactly the function {name}."


def _apis(expected: Expected, actual: Actual) -> Iterator[str]:
    if len(actual.apis) != 1:
        yield f"The stage has {len(actual.apis) or 'no'} API{'s' if actual.apis else ''}, not one."
    for found in actual.apis:
        # LocalStack makes every API edge-optimized.
        yield from _table("API", API if expected.place.endpoint_url else (ENDPOINT, *API), expected, found)
        if found["stage"] is None:
            yield "API: its stage does not exist."
        else:
            yield from _table("API", API_STAGE, expected, found["stage"])
            for variable in sorted(found["stage"].get("variables", {}).keys() - mark.VARIABLES):
                yield f"API: the stage variable {variable} is not one of the deployment."
        yield from _routes(expected, found)
        for kind, response in expected.responses.items():
            shown = found["responses"].get(kind, {})
            if any(plain(shown.get(key)) != plain(value) for key, value in response.items()):
                yield f"API: the response {kind} is not the one of the deployment."


def _domain(expected: Expected, actual: Actual) -> Iterator[str]:
    model, found = expected.api.domain_name, actual.domain
    if model is None:
        return
    subject = f"The domain {model.domain_name}"
    if found is None:
        yield f"{subject} does not exist."
        return
    yield from _table(subject, DOMAIN, model, found)
    wanted = (model.api_mapping.mount_path.strip("/"), _api_id(actual), model.api_mapping.api_gateway_stage)
    if wanted not in {(each["basePath"], each["restApiId"], each.get("stage")) for each in found["Mappings"]}:
        yield f"{subject} does not lead to the API."


def _routes(expected: Expected, api: Document) -> Iterator[str]:
    routes = expected.routes()
    found = {
        (each["path"], name): method
        for each in api["resources"]
        for name, method in each.get("resourceMethods", {}).items()
    }
    for path, methods in _by_path(routes.keys() - found.keys()).items():
        yield f"API: {path} has no method {methods}."
    for path, methods in _by_path(found.keys() - routes.keys()).items():
        yield f"API: app.py has no route {methods} {path}."
    for path, name in sorted(routes.keys() & found.keys()):
        yield from _table(f"API: {name} {path}", METHOD, routes[path, name], found[path, name])


def _by_path(routes: Iterable[tuple[str, str]]) -> dict[str, str]:
    grouped: dict[str, list[str]] = {}
    for path, method in sorted(routes):
        grouped.setdefault(path, []).append(method)
    return {path: ", ".join(methods) for path, methods in grouped.items()}


def _table(subject: str, table: Iterable[Property], model: Any, found: Document) -> Iterator[str]:
    return (each.sentence(subject, model, found) for each in table if each.differs(model, found))


def _names(subject: str, what: str, expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    """Yield which entries are missing, added or changed, without their values."""
    kinds = {
        "that are missing": expected.keys() - found.keys(),
        "that no deployment sets": found.keys() - expected.keys(),
        "with another value": {name for name in expected.keys() & found.keys() if expected[name] != found[name]},
    }
    for kind, names in kinds.items():
        if names:
            yield f"{subject}: {what} {kind}: {', '.join(sorted(names))}."


def _api_id(actual: Actual) -> str:
    """Return the id of the only API; empty if there is none, or several."""
    return actual.apis[0]["id"] if len(actual.apis) == 1 else ""


def _statements(actual: Actual, name: str) -> list[Document]:
    policy = actual.policies.get(name)
    statements: list[Document] = json.loads(policy["Policy"])["Statement"] if policy else []
    return statements


def _grant(statement: Document) -> Grant | None:
    """Return the permission that Lambda's AddPermission made from its arguments; None if it is of another kind."""
    match statement:
        case {
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Principal": {"Service": str(service)},
            "Condition": {"ArnLike": {"AWS:SourceArn": str(arn)}, **others},
        }:
            return Grant(
                service.partition(".")[0], arn, jmespath.search('StringEquals."AWS:SourceAccount"', others) or ""
            )
    return None


def _without_ids(policy: Document) -> list[Document]:
    return [{name: value for name, value in each.items() if name != "Sid"} for each in policy["Statement"]]
