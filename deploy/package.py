"""A stage as a template and a zip, for teams whose pipelines deploy by CloudFormation or by Terraform.

What Chalice generates, and what it lacks, in one document: `make deploy` makes the same by calls.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chalice.app import Chalice, S3EventConfig
from chalice.awsclient import TypedAWSClient
from chalice.cli.factory import CLIFactory
from chalice.config import Config
from chalice.package import PackageOptions

from deploy import cloudformation, parameters, settings, terraform
from deploy.stage import prepare
from deploy.target import Target
from project import PROJECT
from project.resources import RESOURCES

FORMATS = ("cloudformation", "terraform")
_ZIP = "deployment.zip"
_STAND_IN = "given when the stage is deployed"  # for a secret; as long as one must be


def write(place: Target, name: str, form: str, out: Path, say: Callable[[str], None] = print) -> Path:
    """Write a stage, as it will be in one place, to a folder; the template in it.

    Raises CannotRun, WrongSetting: something is missing.
    """
    stage = prepare(name, place, _stand_ins)
    secrets = [secret for secret in settings.SECRETS if stage.variables.get(secret) == _STAND_IN]
    say(f"Packaging the stage {name} for {place}.")

    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        if form == "terraform":
            generated = _generate(place, stage.config, form, Path(folder))
            template = out / "chalice.tf.json"
            document = terraform.complete(generated, stage, secrets)
            shutil.copy(RESOURCES, out)
        else:
            events = _without_events(stage.config.chalice_app)
            generated = _generate(place, stage.config, form, Path(folder))
            template = out / "sam.json"
            document = cloudformation.complete(generated, stage, events, secrets)
            (out / "parameters").write_text(_lines(parameters.of(name, stage.settings, stage.options)))
        shutil.copy(Path(folder) / _ZIP, out)
    template.write_text(json.dumps(document, indent=2) + "\n")
    return template


def _stand_ins(configured: Mapping[str, str]) -> dict[str, str]:
    """What stands for the secrets that a stage's functions want."""
    wants_tokens = configured.get("AUTH", "jwt") == "jwt" and not configured.get("JWT_ISSUER")
    secrets = ["CURSOR_SECRET", *(["JWT_SECRET"] if wants_tokens or "JWT_SECRET" in configured else [])]
    return dict.fromkeys(secrets, _STAND_IN)


def _without_events(app: Chalice) -> list[S3EventConfig]:
    """Make plain functions of those that events of S3 invoke; the events.

    CloudFormation has notifications as a property of their bucket, which Chalice knows only by name, so that it
    refuses the app. Of a function it reads name and handler, which an event's has as well.
    """
    events = [source for source in app.event_sources if isinstance(source, S3EventConfig)]
    app.event_sources = [source for source in app.event_sources if source not in events]
    app.pure_lambda_functions += events  # type: ignore[arg-type]
    return events


def _generate(place: Target, config: Config, form: str, folder: Path) -> dict[str, Any]:
    """What `chalice package` writes: the template, and beside it the zip."""
    factory = CLIFactory(str(PROJECT))
    session = factory.create_botocore_session()
    session.set_config_variable("region", place.region)
    packager = factory.create_app_packager(config, PackageOptions(TypedAWSClient(session)), form, "json")
    packager.package_app(config, str(folder), config.chalice_stage)
    (template,) = folder.glob("*.json")
    document: dict[str, Any] = json.loads(template.read_text())
    return document


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())
