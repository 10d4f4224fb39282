"""A stage to deploy: its settings and options, checked before anything is written."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

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
    variables: Variables  # of its functions
    settings: Settings  # as the functions read the variables
    options: Options

    def with_variables(self, added: Variables) -> "Stage":
        """Return this stage with further variables of its functions."""
        variables = {**self.variables, **added}
        return replace(self, variables=variables, config=chalice_config(self.name, self.place, variables))

    @property
    def tags(self) -> dict[str, str]:
        """The tags of everything in the stage: `service`, `stage`, and those in .chalice/config.json."""
        return {key: value for key, value in self.config.tags.items() if key != "aws-chalice"}


def check(name: str, place: Target) -> Stage:
    """Return a stage whose settings and options are correct. Writes nothing.

    Raises CannotRun, WrongSetting: something is missing or wrong.
    """
    wanted = settings.named(project_config(), place, name)
    configured = settings.of(wanted, name)
    settings.check_names(configured)
    variables = {**configured, **settings.of_place(place)}
    chosen = settings.of_functions(variables)
    settings.check(chosen, place, name)
    config, options = chalice_config(name, place, variables), Options.of(wanted, name)
    _check(config)
    network.check(config, options)
    stage = Stage(name, place, config, variables, chosen, options)
    parameters.check(parameters.of(name, chosen, stage.options))
    return stage


def prepare(name: str, place: Target) -> Stage:
    """Check a stage, add missing names to .chalice/config.json, and write the stage's policies.

    See `check`. If something is wrong, nothing is written.
    """
    stage = check(name, place)
    if not place.endpoint_url:  # names for LocalStack's account are of no use elsewhere
        settings.save(settings.named(project_config(), place, name))
    policies.write(stage.config, place.account, place.region, stage.options.secrets_kms_key_arn)
    return stage


def chalice_config(stage: str, place: Target, variables: Mapping[str, str]) -> Config:
    """Return Chalice's configuration of a stage, with further environment variables and with tags."""
    # The app reads the names of its buckets from the environment, so Chalice must set the variables in this one.
    factory = CLIFactory(str(PROJECT), environ=os.environ)
    added: dict[str, object] = {"environment_variables": dict(variables)}
    added["tags"] = {"service": "images-api", "stage": stage}
    if place.endpoint_url:  # LocalStack has no custom domains
        added["api_gateway_custom_domain"] = {}
    return factory.create_config_obj(stage, user_provided_params=added)


def _check(config: Config) -> None:
    """Raise CannotRun if AWS or Chalice could not use a setting of Chalice's, or libraries of this Python."""
    if sys.version_info < (3, 12):
        raise CannotRun(
            "Deploying needs Python 3.12 or newer: Lambda runs Python 3.11 on a Linux that is too old for Pillow."
        )
    if config.lambda_architecture not in ("x86_64", "arm64"):
        raise CannotRun(".chalice/config.json: lambda_architecture must be x86_64 or arm64.")
    if wrong := [name for name, value in config.tags.items() if not isinstance(value, str) or name.startswith("aws:")]:
        raise CannotRun(f".chalice/config.json: the tag {wrong[0]} must be a text, and must not begin with aws:.")
    if config.api_gateway_stage != config.chalice_stage:
        raise CannotRun(
            f".chalice/config.json: api_gateway_stage of {config.chalice_stage} must be the name of the stage."
        )
