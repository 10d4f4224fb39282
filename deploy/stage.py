"""A stage to deploy: its settings and options, checked before anything is written."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalice.cli.factory import CLIFactory
from chalice.config import Config

from chalicelib.config import Settings
from deploy import network, parameters, settings
from deploy.options import Options
from deploy.target import Target
from project import PROJECT, CannotRun, policies
from project.stages import project_config

Variables = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stage:
    """What to deploy, and where."""

    name: str
    place: Target
    config: Config  # Chalice's
    variables: Variables  # of its functions, secrets included
    settings: Settings  # as the functions read the variables
    options: Options


def prepare(name: str, place: Target, secrets: Callable[[Variables], Variables]) -> Stage:
    """Check a stage, add missing names to .chalice/config.json, and write the stage's policies.

    `secrets` receives the variables in .chalice/config.json, and returns those that are in no file.
    Raises CannotRun, WrongSetting: something is missing or wrong. Nothing is written then.
    """
    wanted = settings.named(project_config(), place, name)
    configured = settings.of(wanted, name)
    variables = {**configured, **secrets(configured), **settings.of_place(place)}
    chosen = settings.of_functions(variables)
    settings.check(chosen, place, name)
    if unknown := settings.unknown(configured):
        raise CannotRun(f".chalice/config.json: {unknown[0]} in environment_variables is not a setting of the service.")
    config = chalice_config(name, variables)
    options = Options.of(wanted, name)
    _check(config)
    network.check(config, options)
    if place.endpoint_url and network.domain(config):  # LocalStack has no custom domains
        config = chalice_config(name, variables, api_gateway_custom_domain={})
    stage = Stage(name, place, config, variables, chosen, options)
    parameters.check(parameters.of(name, chosen, stage.options))
    if not place.endpoint_url:  # names for LocalStack's account are of no use elsewhere
        settings.save(wanted)
    policies.write(stage.config, place.account, place.region)
    return stage


def chalice_config(stage: str, variables: Mapping[str, str], **others: object) -> Config:
    """Return Chalice's configuration of a stage, with further environment variables and other settings."""
    # The app reads the names of its buckets from the environment, so Chalice must set the variables in this one.
    factory = CLIFactory(str(PROJECT), environ=os.environ)
    return factory.create_config_obj(stage, user_provided_params={"environment_variables": dict(variables), **others})


def _check(config: Config) -> None:
    """Raise CannotRun if Lambda cannot run libraries of this Python, or API Gateway's stage has another name."""
    if sys.version_info < (3, 12):
        raise CannotRun(
            "Deploying needs Python 3.12 or newer: Lambda runs Python 3.11 on a Linux that is too old for Pillow."
        )
    if config.api_gateway_stage != config.chalice_stage:
        raise CannotRun(
            f".chalice/config.json: api_gateway_stage of {config.chalice_stage} must be the name of the stage."
        )
