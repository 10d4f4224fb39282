"""The steps of `make deploy` and `make destroy`, in an order that lets the next run find whatever a crash left."""

from collections.abc import Callable

import requests
import stamina

from chalicelib.config import Settings, read
from chalicelib.permissions import API, declared, lambda_name
from deploy import data, functions, gateway, network, record, settings, stack, target, versions
from deploy.stage import Stage, chalice_config, prepare
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

    fingerprint = functions.fingerprint(stage.config)
    api = _deployed(stage, fingerprint)
    if api:
        say("Functions and API: nothing to change.")
    else:
        api = _deploy_functions(stage, fingerprint)
    address, domain = place.address(api, name), network.domain(stage.config)
    if domain:
        say(f"The DNS entry of {domain.name} must lead to {network.leads_to(place, domain.name)}.")
        _wait_until_healthy(domain.address if stage.options.close_execute_api else address)
        return domain.address
    _wait_until_healthy(address)
    return address


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
    _wait_until_healthy(place.address(apis[0], name))


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
    resources = record.restore(place, config, chosen)
    made = stack.resources(place, name)
    if resources or made:
        if not confirm(_what_goes(place, name, chosen)):
            raise CannotRun("Nothing was deleted.")
        if resources:
            functions.delete(config)
        data.delete(place, name)
        stack.delete(place, name)
        say(f"The stage {name} has been deleted from {place}.")
    else:
        say(f"The stage {name} does not exist on {place}.")
    others = sorted(set(names(chosen).values()) & stack.existing(place))
    if others:
        say(f"These still exist, because no stack of the stage contains them: {', '.join(others)}.")


def _deployed(stage: Stage, fingerprint: str) -> str:
    """Return the id of a stage's API if exactly this deployment is complete; else an empty text."""
    place, app_name = stage.place, stage.config.app_name
    if set(record.functions(place, app_name, stage.name)) != set(declared(stage.config.chalice_app)):
        return ""
    if not versions.is_released(place, _api_function(stage)):
        return ""
    apis = record.apis(place, app_name, stage.name)
    return apis[0] if len(apis) == 1 and gateway.marked(place, apis[0], stage.name) == fingerprint else ""


def _deploy_functions(stage: Stage, fingerprint: str) -> str:
    """Deploy functions and API, and return the API's id."""
    place, app_name = stage.place, stage.config.app_name
    apis = record.apis(place, app_name, stage.name)
    for api in apis:
        # Until all is done, no run may skip the deployment as unchanged.
        if gateway.marked(place, api, stage.name):
            gateway.mark(place, api, stage.name, "")
    record.restore(place, stage.config, stage.settings)
    versions.prepare(place, _api_function(stage), apis)
    functions.deploy(stage.config)
    functions.finish(stage, record.functions(place, app_name, stage.name))
    (api,) = record.apis(place, app_name, stage.name)
    versions.release(place, _api_function(stage), api, stage.options)
    gateway.finish(stage, api)
    if not place.endpoint_url:
        network.finish(place, api, stage.name, stage.options)
    gateway.mark(place, api, stage.name, fingerprint)
    return api


def _api_function(stage: Stage) -> str:
    return lambda_name(stage.config.chalice_app, API, stage.name)


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
