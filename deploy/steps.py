"""The steps of `deploy`, `delete` and `destroy`, in an order that lets the next run find whatever a crash left."""

from collections.abc import Callable
from typing import Any

import requests
import stamina
from chalice.config import Config

from chalicelib.config import Settings, read
from chalicelib.permissions import API, lambda_name
from deploy import (
    data,
    functions,
    gateway,
    mark,
    network,
    questions,
    record,
    schema,
    secrets,
    settings,
    stack,
    tags,
    target,
    versions,
)
from deploy.drift import actual, compare, expected, repair, resources
from deploy.options import Options
from deploy.questions import Question
from deploy.stage import Stage, chalice_config, prepare
from deploy.stage import check as check_stage
from project import CannotRun
from project.resources import names
from project.stages import project_config, stage_config

# With pauses of 1, 2, 4, 8 and then 15 seconds: a minute and a half. IAM takes some seconds to know a new role.
_HEALTH_ATTEMPTS = 10


def deploy(name: str, say: Callable[[str], None] = print) -> str:
    """Deploy what has changed in a stage, and return its URL.

    Raises CannotRun, WrongSetting: something is missing, or a step failed. Finished steps stay for the next run.
    """
    stage_config(name)  # an unknown stage is reported before AWS is called
    place = target.find(name)
    stage = prepare(name, place)
    held = secrets.stored(stage)
    values = secrets.wanted(stage, held)
    functions.check_concurrency(place, stage.config, stage.options)
    gateway.check_access_log(place, stage.options)
    say(f"Deploying the stage {name} to {place}.")

    version, is_new = stack.schema_version(place, name), not stack.settled(place, name)
    changed = stack.apply(stage)
    say(f"Stack {stack.name(name)}: {'changed' if changed else 'nothing to change'}.")
    now = secrets.write(stage, held, values)
    if now != held:
        say(f"Secrets: {stage.settings.secrets_parameter} has {', '.join(sorted(values))}.")
    stage = _with_versions(stage, now.version)

    clients = resources.Clients(stage)
    for changed_by_hand in resources.differences(stage, clients):
        if not is_new:  # else LocalStack's CloudFormation left it out of the new stack
            say(str(changed_by_hand))
        changed_by_hand.repair(clients)

    wanted = expected.of(stage)
    there = actual.read(stage, wanted)
    differences = compare.differences(wanted, there)
    if differences:
        for difference in [] if there.empty else differences:
            say(difference)
        repair.repair(stage, wanted, there)
        api = _deploy_functions(stage, wanted.fingerprint)
    else:
        say("Functions and API: nothing to change.")
        (api,) = (each["id"] for each in there.apis)
    # Also in a clone that deployed nothing, and with the URL of LocalStack, which Chalice does not know.
    record.restore(place, stage.config, stage.settings)
    if version < schema.VERSION:
        say(f'Schema version: {version} before, {schema.VERSION} now. Continue with docs/operations.md, "Upgrade".')
    if domain := network.domain(stage.config):
        say(f"The DNS entry of {domain.name} must lead to {network.leads_to(place, domain.name)}.")
    _wait_until_healthy(_open_address(place, stage.config, stage.options, api))
    address = domain.address if domain else place.address(api, name)
    say(f"Gallery: {address}/")  # the slash, because its URLs are relative
    return address


def check(name: str, say: Callable[[str], None] = print) -> bool:
    """Print how a deployed stage differs from what `make deploy` would make of it. Returns whether nothing differs.

    Only reads. Raises CannotRun, WrongSetting: something is missing or wrong.
    """
    stage_config(name)
    place = target.find(name)
    stage = check_stage(name, place)
    held = secrets.stored(stage)
    stage = _with_versions(stage, held.version)
    differences = stack.differences(stage)
    status = stack.settled(place, name)
    if status:
        differences += map(str, resources.differences(stage, resources.Clients(stage)))
    if status in stack.UPDATABLE:
        differences += stack.drift(place, name)
    if secrets.wanted(stage, held) != held.values:
        differences.append(f"The parameter {stage.settings.secrets_parameter} has not all secrets of the deployment.")
    wanted = expected.of(stage)
    there = actual.read(stage, wanted)
    differences += ["The stage has no functions and no API."] if there.empty else compare.differences(wanted, there)
    for difference in differences:
        say(difference)
    if not differences:
        say(f"The stage {name} on {place} is as deployed.")
    return not differences


def roll_back(name: str, say: Callable[[str], None] = print) -> None:
    """Let the API of a stage run the version before its present one. Events and the schedule keep their functions.

    Raises CannotRun: the stage has no API or no earlier version.
    """
    app_name, place = stage_config(name).app_name, target.find(name)
    function = record.functions(place, app_name, name).get(API)
    apis = record.apis(place, app_name, name)
    if function is None or not apis:
        raise CannotRun(f"The stage {name} is not deployed to {place}.")
    present, earlier = versions.roll_back(place, function)
    say(f"The API of {name} runs version {earlier} instead of {present}, until the next `make deploy`.")
    named, config, _ = _configured(place, name)
    _wait_until_healthy(_open_address(place, config, Options.of(named, name), apis[0]))


def delete(name: str, say: Callable[[str], None] = print) -> None:
    """Delete the API and the functions of a stage. Buckets, tables and the stack stay. The next run continues.

    Raises CannotRun: a pipeline deploys the stage, or a step failed.
    """
    stage_config(name)
    place = target.find(name)
    _, config, chosen = _configured(place, name)
    if "AWS::Lambda::Function" in stack.resources(place, name):
        raise CannotRun(f"A pipeline deploys the stage {name}: delete its stack {stack.name(name)} instead.")
    if recorded := record.restore(place, config, chosen):
        repair.detach(place, recorded)
        functions.delete(config)
        say(f"The API and the functions of the stage {name} have been deleted from {place}.")
        say(f"Its images are still there; `make deploy STAGE={name}` makes another API for them.")
    else:
        say(f"The stage {name} has no API and no functions on {place}.")


def destroy(name: str, confirm: Callable[[Question], bool], say: Callable[[str], None] = print) -> None:
    """Delete a stage with all its images. `confirm` answers each question; nothing is deleted before the last one.

    Raises CannotRun: not confirmed, or a step failed. The next run continues.
    """
    stage_config(name)
    place = target.find(name)
    named, config, chosen = _configured(place, name)
    stack.settled(place, name)  # otherwise CloudFormation would continue to create what is deleted here
    recorded = record.restore(place, config, chosen)
    made = stack.resources(place, name)
    others = sorted(set(names(chosen).values()) & stack.existing(place))
    if others and not made:
        raise CannotRun(
            f"These exist, but there is no stack that contains them: {', '.join(others)}. Nothing was deleted. See "
            'docs/operations.md, "Tables or buckets without a stack".'
        )
    parameter = settings.secrets_parameter(name)
    if recorded or made or secrets.exists(place, parameter):
        protected = Options.of(named, name).protected or stack.is_protected(place, name)
        what = _what_goes(place, name, chosen, protected=protected)
        # LocalStack is for trials: there, images need no second answer.
        has_images = not place.endpoint_url and not data.is_empty(place, name)
        asked = questions.of_destroy(name, what, protected=protected, has_images=has_images)
        if not all(confirm(question) for question in asked):
            raise CannotRun("Nothing was deleted.")
        if recorded:
            repair.detach(place, recorded)
            functions.delete(config)
        data.delete(place, name)
        stack.delete(place, name)
        secrets.delete(place, parameter)
        say(f"The stage {name} has been deleted from {place}.")
    else:
        say(f"The stage {name} does not exist on {place}.")


def _deploy_functions(stage: Stage, fingerprint: str) -> str:
    """Deploy functions and API, and return the API's id."""
    place, app_name = stage.place, stage.config.app_name
    apis = record.apis(place, app_name, stage.name)
    for api in apis:
        mark.remove(place, api, stage.name)
    record.restore(place, stage.config, stage.settings)
    versions.prepare(place, _api_function(stage), apis)
    functions.deploy(stage.config)
    arns = record.functions(place, app_name, stage.name)
    functions.finish(stage, arns)
    (api,) = record.apis(place, app_name, stage.name)
    if not place.endpoint_url:
        network.finish(place, api, stage.name, stage.options)  # takes effect with the next deployment of the API
    deployment_id = gateway.finish(stage, api)
    versions.release(place, _api_function(stage), api, stage.options)
    tags.apply(stage, api)
    deployed = place.client("lambda").get_function_configuration(FunctionName=arns[API])
    mark.write(place, api, stage.name, mark.Mark(fingerprint, functions.code_sha256(deployed), deployment_id))
    return api


def _configured(place: target.Target, name: str) -> tuple[dict[str, Any], Config, Settings]:
    """Return what .chalice/config.json says of a deployed stage: the file with all names, Chalice's view, and ours."""
    named = settings.named(project_config(), place, name)
    variables = settings.of(named, name)
    return named, chalice_config(name, place, variables), read(variables)


def _with_versions(stage: Stage, secrets_version: int) -> Stage:
    return stage.with_variables(
        {settings.SECRETS_VERSION: str(secrets_version), settings.SCHEMA_VERSION: str(schema.VERSION)}
    )


def _open_address(place: target.Target, config: Config, options: Options, api: str) -> str:
    """Return an address of the API that answers: its domain if the default address is closed."""
    domain = network.domain(config)
    return domain.address if domain and options.close_execute_api else place.address(api, config.chalice_stage)


def _api_function(stage: Stage) -> str:
    return lambda_name(stage.config.chalice_app, API, stage.name)


def _what_goes(place: target.Target, name: str, chosen: Settings, *, protected: bool) -> str:
    count = data.images(place, chosen.images_table_name)
    images = "no table of images" if count is None else f"all images ({count} by DynamoDB's count of some hours ago)"
    stage = f"{'protected ' if protected else ''}stage {name}"
    return f"This deletes the {stage} from {place}: API, functions, alarms, logs and {images}."


def _wait_until_healthy(address: str) -> None:
    retries = stamina.retry_context(
        requests.RequestException, attempts=_HEALTH_ATTEMPTS, timeout=None, wait_initial=1, wait_max=15
    )
    try:
        for attempt in retries:
            with attempt:
                requests.get(f"{address}/health", timeout=60).raise_for_status()
    except requests.HTTPError as error:
        raise CannotRun(f"{address}/health answers {error.response.status_code}: {error.response.text}") from None
    except requests.RequestException as error:
        raise CannotRun(f"{address}/health does not answer: {error}") from None
