"""A stage as it is to be: its settings and options, checked before anything is written."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalice.cli.factory import CLIFactory
from chalice.config import Config

from chalicelib.config import Settings
from deploy import parameters, settings
from deploy.options import Options
from deploy.target import Target
from project import PROJECT, CannotRun, policies
from project.stages import project_config

Variables = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stage:
    """What is to be deployed, and where."""

    name: str
    place: Target
    config: Config  # Chalice's
    variables: Variables  # of its functions, secrets included
    settings: Settings  # what the functions make of these
    options: Options


def prepare(name: str, place: Target, secrets: Callable[[Variables], Variables]) -> Stage:
    """Check a stage, name what it has no names for in .chalice/config.json, and write its policies.

    `secrets` gives the variables that are in no file, to those that are.
    Raises CannotRun, WrongSetting: something is missing or can't be; nothing is written.
    """
    wanted = settings.named(project_config(), place, name)
    configured = settings.of(wanted, name)
    variables = {**configured, **secrets(configured), **settings.of_place(place)}
    chosen = settings.of_functions(variables)
    settings.check(chosen, place, name)
    if unknown := settings.unknown(configured):
        raise CannotRun(f".chalice/config.json: {unknown[0]} in environment_variables is no setting.")
    stage = Stage(name, place, chalice_config(name, variables), variables, chosen, Options.of(wanted, name))
    _check(stage.config)
    parameters.check(parameters.of(name, chosen, stage.options))
    if not place.endpoint_url:  # names for an account on LocalStack are nobody's
        settings.save(wanted)
    policies.write(stage.config, place.account, place.region)
    return stage


def chalice_config(stage: str, variables: Mapping[str, str]) -> Config:
    """Chalice's configuration of a stage, with variables beside those of .chalice/config.json."""
    # The app, when it is loaded, names its buckets by the environment, which Chalice sets where it is told which.
    factory = CLIFactory(str(PROJECT), environ=os.environ)
    return factory.create_config_obj(stage, user_provided_params={"environment_variables": dict(variables)})


def _check(config: Config) -> None:
    """Raise CannotRun: this Python's libraries are for no Lambda, or API Gateway's stage has another name."""
    if sys.version_info < (3, 12):
        raise CannotRun("Deploying wants Python 3.12 or newer: Lambda's 3.11 is too old a Linux for Pillow.")
    if config.api_gateway_stage != config.chalice_stage:
        raise CannotRun(f".chalice/config.json: api_gateway_stage of {config.chalice_stage} must be the same.")
