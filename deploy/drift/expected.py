"""What a deployment makes of a stage's functions, roles, events and API, by Chalice's own models. Nothing is built."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalice.deploy.appgraph import ApplicationGraphBuilder, DependencyBuilder
from chalice.deploy.deployer import BuildStage, InjectDefaults
from chalice.deploy.models import LambdaFunction, ManagedIAMRole, RestAPI, S3BucketNotification, ScheduledEvent
from chalice.deploy.swagger import TemplatedSwaggerGenerator

from deploy import functions, gateway
from deploy.options import Options
from deploy.stage import Stage
from deploy.target import Target
from deploy.versions import ALIAS
from project import PROJECT
from project.policies import policies

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission of an AWS service to invoke a function."""

    service: str  # without its domain: s3
    source_arn: str
    source_account: str = ""


@dataclass(frozen=True, slots=True)
class Failures:
    """How Lambda handles failed events of a function."""

    queue_arn: str
    attempts_after_the_first: int
    event_age_seconds: int


@dataclass(frozen=True, slots=True)
class Expected:
    """A complete deployment."""

    functions: Mapping[str, LambdaFunction]  # by their names in app.py
    roles: Mapping[str, ManagedIAMRole]  # by the names of their functions
    policies: Mapping[str, Document]  # the inline policy of each role
    failures: Mapping[str, Failures]  # of the functions with dead letters
    notifications: tuple[S3BucketNotification, ...]
    schedules: tuple[ScheduledEvent, ...]
    api: RestAPI
    swagger: Document  # Chalice's document of the API
    responses: Mapping[str, Document]  # API Gateway's own, by type
    options: Options
    fingerprint: str
    place: Target
    stage: str

    @property
    def closed(self) -> bool:
        """Whether the address that API Gateway gives the API is closed. LocalStack has no other."""
        return self.options.close_execute_api and not self.place.endpoint_url

    @property
    def web_acl_arn(self) -> str:
        """The web ACL of the API's stage; empty if there is none. LocalStack has none."""
        return "" if self.place.endpoint_url else self.options.web_acl_arn

    @property
    def access_log(self) -> tuple[str, str]:
        """The log group of the access log, and its format; empty texts if there is none."""
        if not self.options.access_logs:
            return "", ""
        return gateway.access_log_arn(self.place, self.stage), gateway.ACCESS_LOG

    def arn(self, name: str) -> str:
        """Return the ARN of a function."""
        return self.place.arn("lambda", f"function:{self.functions[name].function_name}")

    def role_arn(self, name: str) -> str:
        """Return the ARN of a function's role."""
        return f"arn:{self.place.partition}:iam::{self.place.account}:role/{self.roles[name].role_name}"

    def grants(self, name: str, api_id: str) -> set[Grant]:
        """Return who may invoke a function. `api_id` is empty if there is no API yet."""
        place = self.place
        granted = {
            Grant("s3", f"arn:{place.partition}:s3:::{each.bucket}", place.account)
            for each in self.notifications
            if each.lambda_function.resource_name == name
        }
        granted |= {
            Grant("events", place.arn("events", f"rule/{each.rule_name}"))
            for each in self.schedules
            if each.lambda_function.resource_name == name
        }
        if api_id and name == self.api.lambda_function.resource_name:
            granted.add(Grant("apigateway", place.arn("execute-api", f"{api_id}/*")))
        return granted

    def routes(self) -> dict[tuple[str, str], str]:
        """Return the function's URI for each path and method of the API."""
        handler = f"{self.arn(self.api.lambda_function.resource_name)}:{ALIAS}"
        place = self.place
        uri = f"arn:{place.partition}:apigateway:{place.region}:lambda:path/2015-03-31/functions/{handler}/invocations"
        return {(path, method.upper()): uri for path, methods in self.swagger["paths"].items() for method in methods}


def of(stage: Stage) -> Expected:
    """Return what a deployment of a stage makes."""
    config, place = stage.config, stage.place
    application = ApplicationGraphBuilder().build(config, stage.name)
    resources = DependencyBuilder().build_dependencies(application)
    BuildStage([InjectDefaults()]).execute(config, resources)
    made = {each.resource_name: each for each in resources if isinstance(each, LambdaFunction)}
    texts = policies(config, place.account, place.region, stage.options.secrets_kms_key_arn)
    queue_arn = place.arn("sqs", stage.settings.dead_letter_queue_name)
    failures = Failures(queue_arn, functions.ATTEMPTS_AFTER_THE_FIRST, stage.options.event_age_seconds)
    (api,) = (each for each in resources if isinstance(each, RestAPI))
    swagger = TemplatedSwaggerGenerator().generate_swagger(config.chalice_app, api)
    return Expected(
        functions=made,
        roles={name: role for name, each in made.items() if isinstance(role := each.role, ManagedIAMRole)},
        policies={
            name: json.loads(texts[PROJECT / ".chalice" / config.scope(stage.name, name).iam_policy_file])
            for name in made
        },
        failures=dict.fromkeys(functions.with_dead_letters(config.chalice_app), failures),
        notifications=tuple(each for each in resources if isinstance(each, S3BucketNotification)),
        schedules=tuple(each for each in resources if isinstance(each, ScheduledEvent)),
        api=api,
        swagger=swagger,
        responses=gateway.responses(stage.settings),
        options=stage.options,
        fingerprint=functions.fingerprint(stage),
        place=place,
        stage=stage.name,
    )
