"""The steps of `make deploy` and `make destroy`, in an order that lets the next run find whatever a crash left."""

from collections.abc import Callable

import requests
import stamina

from chalicelib.config import Settings, read
from chalicelib.permissions import API
from deploy import data, functions, gateway, mark, network, record, settings, stack, target
from deploy.drift import actual, compare, expected, repair, resources
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
    app_name = stage_config(name).app_name
    place = target.find(name)
    deployed = functions.variables(place, app_name, name)
    stage = prepare(name, place, lambda configured: settings.given_secrets(configured, deployed))
    functions.check_concurrency(place, stage.config)
    say(f"Deploying the stage {name} to {place}.")
    for secret in settings.SECRETS:
        if deployed and deployed.get(secret) != stage.variables.get(secret):
            say(f"{secret} differs from the deployed one.")

    changed = stack.apply(stage)
    say(f"Stack {stack.name(name)}: {'changed' if changed else 'nothing to change'}.")

    clients = resources.Clients(place, name)
    for changed_by_hand in resources.differences(stage, clients):
        if deployed:  # else LocalStack's CloudFormation left it out of the new stack
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
    address, domain = place.address(api, name), network.domain(stage.config)
    if domain:
        say(f"The DNS entry of {domain.name} must lead to {network.leads_to(place, domain.name)}.")
        _wait_until_healthy(domain.address if stage.options.close_execute_api else address)
        return domain.address
    _wait_until_healthy(address)
    return address


def check(name: str, say: Callable[[str], None] = print) -> bool:
    """Print how a deployed stage differs from what `make deploy` would make of it. Returns whether nothing differs.

    Only reads. Raises CannotRun, WrongSetting: something is missing or wrong.
    """
    app_name = stage_config(name).app_name
    place = target.find(name)
    deployed = functions.variables(place, app_name, name)
    stage = check_stage(name, place, lambda configured: settings.given_secrets(configured, deployed))
    differences = stack.differences(stage)
    if stack.settled(place, name):
        differences += map(str, resources.differences(stage, resources.Clients(place, name)))
        differences += stack.drift(place, name)
    wanted = expected.of(stage)
    there = actual.read(stage, wanted)
    differences += ["The stage has no functions and no API."] if there.empty else compare.differences(wanted, there)
    for difference in differences:
        say(difference)
    if not differences:
        say(f"The stage {name} on {place} is as deployed.")
    return not differences


def destroy(name: str, confirm: Callable[[str], bool], say: Callable[[str], None] = print) -> None:
    """Delete a stage with all its images. `confirm` receives a description first, and returns whether to proceed.

    Raises CannotRun: not confirmed, or a step failed. The next run continues.
    """
    stage_config(name)
    place = target.find(name)
    # Deleting needs no tokens, so their settings may be missing.
    variables = {**settings.of(settings.named(project_config(), place, name), name), "AUTH": "open"}
    config, chosen = chalice_config(name, variables), read(variables)
    stack.settled(place, name)  # otherwise CloudFormation would continue to create what is deleted here
    recorded = record.restore(place, config, chosen)
    made = stack.resources(place, name)
    if recorded or made:
        if not confirm(_what_goes(place, name, chosen)):
            raise CannotRun("Nothing was deleted.")
        if recorded:
            repair.release(place, recorded)
            functions.delete(config)
        data.delete(place, name)
        stack.delete(place, name)
        say(f"The stage {name} has been deleted from {place}.")
    else:
        say(f"The stage {name} does not exist on {place}.")
    others = sorted(set(names(chosen).values()) & stack.existing(place))
    if others:
        say(f"These still exist, because no stack of the stage contains them: {', '.join(others)}.")


def _deploy_functions(stage: Stage, fingerprint: str) -> str:
    """Deploy functions and API, and return the API's id."""
    place, app_name = stage.place, stage.config.app_name
    for api in record.apis(place, app_name, stage.name):
        mark.remove(place, api, stage.name)
    record.restore(place, stage.config, stage.settings)
    functions.deploy(stage.config)
    arns = record.functions(place, app_name, stage.name)
    functions.finish(stage, arns)
    (api,) = record.apis(place, app_name, stage.name)
    deployment_id = gateway.finish(stage, api)
    if not place.endpoint_url:
        network.finish(place, api, stage.name, stage.options)
    deployed = place.client("lambda").get_function_configuration(FunctionName=arns[API])
    mark.write(place, api, stage.name, mark.Mark(fingerprint, functions.code_sha256(deployed), deployment_id))
    return api


def _what_goes(place: target.Target, name: str, chosen: Settings) -> str:
    count = data.images(place, chosen.images_table_name)
    images = "no table of images" if count is None else f"all images ({count} by DynamoDB's count of some hours ago)"
    return f"This deletes the stage {name} from {place}: API, functions, alarms, logs and {images}."


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
