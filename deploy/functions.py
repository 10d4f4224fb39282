"""The functions and the API of a stage, which Chalice deploys, and the function settings that Chalice cannot set."""

import base64
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import stamina
from chalice.app import Chalice
from chalice.cli.factory import CLIFactory
from chalice.config import Config
from chalice.deploy.deployer import ChaliceDeploymentError
from chalice.utils import UI

from chalicelib.permissions import DEAD_LETTERS, declared
from deploy import bundle, record, versions
from deploy.options import Options
from deploy.settings import SECRETS_VERSION
from deploy.stage import Stage
from deploy.target import Target
from project import PROJECT, CannotRun
from project.policies import policies
from project.stages import project_config

ATTEMPTS_AFTER_THE_FIRST = 2  # Lambda's maximum
_UNRESERVED = 100  # concurrent executions that Lambda keeps for functions without a reservation


def check_concurrency(target: Target, config: Config, options: Options) -> None:
    """Raise CannotRun if the account cannot reserve the concurrency that a stage needs."""
    client, stage = target.client("lambda"), config.chalice_stage
    wanted = options.provisioned_concurrency
    wanted += sum(config.scope(stage, name).reserved_concurrency or 0 for name in declared(config.chalice_app))
    arns = record.functions(target, config.app_name, stage).values()
    reserved = [
        client.get_function_concurrency(FunctionName=arn).get("ReservedConcurrentExecutions", 0) for arn in arns
    ]
    free = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] + sum(reserved)
    if wanted and free - wanted < _UNRESERVED:
        raise CannotRun(
            f"The stage {stage} reserves {wanted} concurrent executions, but the account has only {free}, and "
            f"{_UNRESERVED} of them cannot be reserved. Request a larger quota, or lower reserved_concurrency in "
            ".chalice/config.json."
        )


def deploy(config: Config) -> None:
    """Deploy functions and API, as `chalice deploy` does.

    Raises CannotRun: Chalice failed.
    """
    factory = CLIFactory(str(PROJECT))
    deployer = factory.create_default_deployer(factory.create_botocore_session(), config, UI())
    bundle.add_to(deployer)
    versions.call_alias(deployer)
    try:
        deployer.deploy(config, config.chalice_stage)
    except ChaliceDeploymentError as error:
        raise CannotRun(str(error)) from None


def delete(config: Config) -> None:
    """Delete what the record lists, as `chalice delete` does.

    Raises CannotRun: Chalice failed.
    """
    factory = CLIFactory(str(PROJECT))
    try:
        factory.create_deletion_deployer(factory.create_botocore_session(), UI()).deploy(config, config.chalice_stage)
    except ChaliceDeploymentError as error:
        raise CannotRun(str(error)) from None


def finish(stage: Stage, arns: Mapping[str, str]) -> None:
    """Let Lambda send failed events to the dead-letter queue, for the functions that have the permission."""
    client = stage.place.client("lambda")
    queue_arn = stage.place.arn("sqs", stage.settings.dead_letter_queue_name)
    for name in with_dead_letters(stage.config.chalice_app):
        # Lambda checks that the function may send there. A new IAM policy takes some seconds to become effective.
        for attempt in stamina.retry_context(client.exceptions.InvalidParameterValueException, attempts=10, timeout=60):
            with attempt:
                client.put_function_event_invoke_config(
                    FunctionName=arns[name],
                    MaximumRetryAttempts=ATTEMPTS_AFTER_THE_FIRST,
                    MaximumEventAgeInSeconds=stage.options.event_age_seconds,
                    DestinationConfig={"OnFailure": {"Destination": queue_arn}},
                )


def with_dead_letters(app: Chalice) -> list[str]:
    """Return the functions whose failed events go to the dead-letter queue."""
    return [
        name
        for name, handlers in declared(app).items()
        if any(DEAD_LETTERS.send in permissions for permissions in handlers.values())
    ]


def variables(target: Target, app_name: str, stage: str) -> dict[str, str]:
    """Return the environment variables of a stage's deployed functions; empty if there are none.

    If the functions differ, because someone changed one of them, the value that most of them have counts.
    """
    values: dict[str, Counter[str]] = {}
    for function in record.configurations(target, app_name, stage).values():
        for name, value in function.get("Environment", {}).get("Variables", {}).items():
            values.setdefault(name, Counter())[value] += 1
    return {name: counted.most_common(1)[0][0] for name, counted in values.items()}


def code_sha256(configuration: Mapping[str, Any]) -> str:
    """Return the hash of a function's zip, in hexadecimal digits."""
    return base64.b64decode(configuration["CodeSha256"]).hex()


def fingerprint(stage: Stage) -> str:
    """Return a hash of everything that a deployment consists of: code, libraries, settings, policies and these tools.

    Not of SECRETS_VERSION: a change of the secrets restarts functions without a deployment.
    """
    config, place = stage.config, stage.place
    whole = project_config()
    # Without the variables in the file: a deployment writes names there. The environment below has all of them.
    of_stage = {name: value for name, value in whole["stages"][stage.name].items() if name != "environment_variables"}
    variables = {name: value for name, value in stage.variables.items() if name != SECRETS_VERSION}
    settings = [sys.version_info[:2], {**whole, "stages": of_stage}, variables]
    texts = policies(config, place.account, place.region, stage.options.secrets_kms_key_arn)
    paths = [PROJECT / name for name in ("app.py", "requirements.txt")]
    paths += [p for folder in ("chalicelib", "deploy", "project") for p in (PROJECT / folder).rglob("*")]
    digest = hashlib.sha256(json.dumps([settings, sorted(texts.values())], sort_keys=True).encode())
    for path in sorted(path for path in paths if path.is_file() and "__pycache__" not in path.parts):
        digest.update(json.dumps([str(path.relative_to(PROJECT)), path.stat().st_size]).encode() + path.read_bytes())
    return digest.hexdigest()
