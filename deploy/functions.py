"""The functions and the API of a stage, deployed by Chalice; and what Chalice can't set of functions."""

import hashlib
import hmac
import json
import os
import sys
from collections.abc import Mapping

import stamina
from chalice.app import Chalice
from chalice.cli.factory import CLIFactory
from chalice.config import Config
from chalice.deploy.deployer import ChaliceDeploymentError
from chalice.utils import UI

from chalicelib.permissions import DEAD_LETTERS, declared
from deploy import record
from deploy.options import Options
from deploy.target import Target
from dev import PROJECT, CannotRun

ATTEMPTS_AFTER_THE_FIRST = 2  # Lambda's most
_UNRESERVED = 100  # executions at once that Lambda keeps for functions without a reservation
_DEPLOYED = ("app.py", "requirements.txt", ".chalice/config.json")


def configured(stage: str, variables: Mapping[str, str]) -> Config:
    """Chalice's configuration of a stage, with variables beside those of .chalice/config.json."""
    # The app, when it is loaded, names its buckets by the environment, which Chalice sets where it is told which.
    factory = CLIFactory(str(PROJECT), environ=os.environ)
    return factory.create_config_obj(stage, user_provided_params={"environment_variables": dict(variables)})


def check(target: Target, config: Config, stage: str) -> None:
    """Say what of a deployment would fail after some minutes.

    Raises CannotRun: Lambda has no Python that the libraries' wheels are for, or the account can't reserve so much.
    """
    check_python()
    scoped = [config.scope(stage, name) for name in declared(config.chalice_app)]
    reserved = sum(function.reserved_concurrency or 0 for function in scoped)
    limit = target.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    if reserved and limit - reserved < _UNRESERVED:
        raise CannotRun(
            f"The account may run {limit} functions at once, of which {_UNRESERVED} can't be reserved, and the stage "
            f"{stage} reserves {reserved}: ask for a larger quota, or lower the config's reserved_concurrency."
        )


def check_python() -> None:
    """Raise CannotRun: Lambda has no Python like this one that the libraries' wheels are for."""
    if sys.version_info < (3, 12):
        raise CannotRun("Deploying wants Python 3.12 or newer: Lambda's 3.11 is too old a Linux for Pillow.")


def deploy(config: Config, stage: str) -> None:
    """Do what `chalice deploy` does.

    Raises CannotRun: it failed.
    """
    factory = CLIFactory(str(PROJECT))
    deployer = factory.create_default_deployer(factory.create_botocore_session(), config, UI())
    try:
        deployer.deploy(config, stage)
    except ChaliceDeploymentError as error:
        raise CannotRun(str(error)) from None


def delete(config: Config, stage: str) -> None:
    """Do what `chalice delete` does: delete what the record lists.

    Raises CannotRun: it failed.
    """
    factory = CLIFactory(str(PROJECT))
    try:
        factory.create_deletion_deployer(factory.create_botocore_session(), UI()).deploy(config, stage)
    except ChaliceDeploymentError as error:
        raise CannotRun(str(error)) from None


def finish(target: Target, config: Config, arns: Mapping[str, str], queue_arn: str, options: Options) -> None:
    """Let what Lambda gives up go to the dead-letter queue, for the functions that may send there."""
    client = target.client("lambda")
    for name in with_dead_letters(config.chalice_app):
        # Lambda asks IAM whether the function may send there, which learns of a new policy some seconds later.
        for attempt in stamina.retry_context(client.exceptions.InvalidParameterValueException, attempts=10, timeout=60):
            with attempt:
                client.put_function_event_invoke_config(
                    FunctionName=arns[name],
                    MaximumRetryAttempts=ATTEMPTS_AFTER_THE_FIRST,
                    MaximumEventAgeInSeconds=options.event_age_seconds,
                    DestinationConfig={"OnFailure": {"Destination": queue_arn}},
                )


def with_dead_letters(app: Chalice) -> list[str]:
    """The functions of whose events those that Lambda gives up go to the dead-letter queue."""
    return [
        name
        for name, handlers in declared(app).items()
        if any(DEAD_LETTERS.send in permissions for permissions in handlers.values())
    ]


def variables(target: Target, app_name: str, stage: str) -> dict[str, str]:
    """The environment of a stage's functions as they are deployed; empty where there are none."""
    client = target.client("lambda")
    for _, arn in sorted(record.functions(target, app_name, stage).items()):
        found: dict[str, str] = client.get_function_configuration(FunctionName=arn).get("Environment", {})["Variables"]
        return found
    return {}


def fingerprint(config: Config, stage: str) -> str:
    """Tells one deployment from another: of the code, its libraries, the settings, the policies and these tools.

    Keyed by the secret of the cursors, so that it doesn't tell a weak secret to who can read it.
    """
    paths = [PROJECT / name for name in _DEPLOYED]
    paths += [
        p for folder in ("chalicelib", "deploy") for p in (PROJECT / folder).rglob("*") if "__pycache__" not in p.parts
    ]
    paths += (PROJECT / ".chalice").glob(f"policy-{stage}-*.json")
    environment = config.environment_variables
    digest = hmac.new(environment["CURSOR_SECRET"].encode(), digestmod=hashlib.sha256)
    digest.update(json.dumps([sys.version_info[:2], sorted(environment.items())]).encode())
    for path in sorted(path for path in paths if path.is_file()):
        digest.update(json.dumps([str(path.relative_to(PROJECT)), path.stat().st_size]).encode() + path.read_bytes())
    return digest.hexdigest()
