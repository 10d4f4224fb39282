"""`make deploy` and `make destroy`: the steps, in an order that leaves nothing that the next run doesn't find."""

from collections.abc import Callable

import requests
from chalice.config import Config
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from chalicelib.config import Settings, read
from chalicelib.permissions import declared
from deploy import data, functions, gateway, record, settings, stack, target
from deploy.options import Options
from dev import CannotRun
from dev.environment import stage_config
from scripts import policies

_HEALTH_TRIES = 10  # with pauses that double, a minute and a half in all: new roles take some seconds to be known


def deploy(stage: str, say: Callable[[str], None] = print) -> str:
    """Deploy a stage, or what of it is not as it should be; the address it answers at.

    Raises CannotRun, WrongSetting: something is missing, or a step failed; what is done stays, for the next run.
    """
    app_name = stage_config(stage).app_name
    place = target.find(stage)
    wanted = settings.named(settings.load(), place, stage)
    options = Options.of(wanted, stage)
    variables = settings.of(wanted, stage)
    elsewhere = settings.from_elsewhere(place, variables, functions.variables(place, app_name, stage))
    chosen = settings.of_functions(variables | elsewhere)
    settings.save(wanted)
    config = functions.configured(stage, elsewhere)
    functions.check(place, config, stage)
    policies.write(config, place.account, place.region)
    say(f"Deploying the stage {stage} to {place}.")

    changed = stack.apply(place, stage, chosen, options)
    say(f"Stack {stack.name(stage)}: {'changed' if changed else 'nothing to change'}.")

    fingerprint = functions.fingerprint(config, stage)
    if _has(place, app_name, stage, fingerprint, set(declared(config.chalice_app))):
        say("Functions and API: nothing to change.")
    else:
        _deploy_functions(place, config, stage, chosen, options)
        (api,) = record.apis(place, app_name, stage)
        gateway.mark(place, api, stage, fingerprint)
    (api,) = record.apis(place, app_name, stage)
    address = place.address(api, stage)
    _wait_until_well(address)
    return address


def destroy(stage: str, confirm: Callable[[str], bool], say: Callable[[str], None] = print) -> None:
    """Delete all that a stage has, its images last; first `confirm` what that is.

    Raises CannotRun: not confirmed, or a step failed; the next run goes on.
    """
    app_name = stage_config(stage).app_name
    place = target.find(stage)
    # Who may call is nothing to a deletion.
    variables = {**settings.of(settings.named(settings.load(), place, stage), stage), "AUTH": "open"}
    config = functions.configured(stage, variables)
    resources = record.restore(place, app_name, stage)
    made = stack.resources(place, stage)
    if not resources and not made:
        say(f"The stage {stage} has nothing on {place}.")
        return
    if not confirm(_what_goes(place, stage, read(variables))):
        raise CannotRun("Nothing was deleted.")
    if resources:
        functions.delete(config, stage)
    data.delete(place, stage)
    stack.delete(place, stage)
    say(f"The stage {stage} is gone from {place}.")


def _has(place: target.Target, app_name: str, stage: str, fingerprint: str, names: set[str]) -> bool:
    apis = record.apis(place, app_name, stage)
    there = set(record.functions(place, app_name, stage))
    return len(apis) == 1 and there == names and gateway.marked(place, apis[0], stage) == fingerprint


def _deploy_functions(place: target.Target, config: Config, stage: str, chosen: Settings, options: Options) -> None:
    for api in record.apis(place, config.app_name, stage):
        # Until all is done the stage is no deployment that a run may skip.
        if gateway.marked(place, api, stage):
            gateway.mark(place, api, stage, "")
    record.restore(place, config.app_name, stage)
    functions.deploy(config, stage)
    queue = place.arn("sqs", chosen.dead_letter_queue_name)
    functions.finish(place, config, record.functions(place, config.app_name, stage), queue, options)
    (api,) = record.apis(place, config.app_name, stage)
    gateway.finish(place, api, stage, chosen, options)


def _what_goes(place: target.Target, stage: str, chosen: Settings) -> str:
    count = data.images(place, chosen.images_table_name)
    images = "no table of images" if count is None else f"all images: {count} by the last count"
    return f"This deletes the stage {stage} from {place}, API, functions, alarms and logs, and {images}."


def _wait_until_well(address: str) -> None:
    tries = Retry(
        _HEALTH_TRIES, status_forcelist=range(400, 600), backoff_factor=0.5, backoff_max=15, raise_on_status=False
    )
    with requests.Session() as session:
        session.mount(address, HTTPAdapter(max_retries=tries))
        try:
            answer = session.get(f"{address}/health", timeout=60)
        except requests.RequestException as error:
            raise CannotRun(f"{address}/health does not answer: {error}") from None
    if not answer.ok:
        raise CannotRun(f"{address}/health answers {answer.status_code}: {answer.text}")
