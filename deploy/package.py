"""A stage as a template and a zip, for teams whose pipelines deploy with CloudFormation or Terraform.

The template contains what Chalice generates and what Chalice lacks. `make deploy` creates the same with API calls.
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

from deploy import bundle, cloudformation, parameters, stack, terraform
from deploy.stage import prepare
from deploy.target import Target
from project import PROJECT, CannotRun
from project.resources import RESOURCES
from project.template import compact

FORMATS = ("cloudformation", "terraform")
_ZIP = "deployment.zip"


def write(place: Target, name: str, form: str, out: Path, say: Callable[[str], None] = print) -> Path:
    """Write the template and the zip of a stage at `place` to a folder, and return the template's path.

    Raises CannotRun, WrongSetting: something is missing or wrong.
    """
    stage = prepare(name, place)
    if stage.options.snap_start or stage.options.provisioned_concurrency:
        raise CannotRun("snap_start and provisioned_concurrency need `make deploy`: a package has no versions.")
    say(f"Packaging the stage {name} for {place}.")

    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        if form == "terraform":
            generated = _generate(place, stage.config, form, Path(folder))
            template = out / "chalice.tf.json"
            document = terraform.complete(generated, stage)
            (out / RESOURCES.name).write_text(compact(RESOURCES.read_text()))
        else:
            events = _without_events(stage.config.chalice_app)
            generated = _generate(place, stage.config, form, Path(folder))
            template = out / "sam.json"
            document = cloudformation.complete(generated, stage, events)
            (out / "parameters").write_text(_lines(parameters.of(name, stage.settings, stage.options)))
            (out / "tags").write_text(_lines(stack.tags(stage)))
        shutil.copy(Path(folder) / _ZIP, out)
    template.write_text(json.dumps(document, indent=2) + "\n")
    return template


def _without_events(app: Chalice) -> list[S3EventConfig]:
    """Turn the app's S3 event handlers into plain functions, and return the events.

    In CloudFormation a notification is a property of its bucket, which is not in Chalice's template. Chalice therefore
    refuses an app with S3 events. It reads only name and handler of a function, and an event has both.
    """
    events = [source for source in app.event_sources if isinstance(source, S3EventConfig)]
    app.event_sources = [source for source in app.event_sources if source not in events]
    app.pure_lambda_functions += events  # type: ignore[arg-type]
    return events


def _generate(place: Target, config: Config, form: str, folder: Path) -> dict[str, Any]:
    """Let Chalice write the zip and its template to a folder, and return the template."""
    factory = CLIFactory(str(PROJECT))
    session = factory.create_botocore_session()
    session.set_config_variable("region", place.region)
    packager = factory.create_app_packager(config, PackageOptions(TypedAWSClient(session)), form, "json")
    bundle.add_to(packager)
    packager.package_app(config, str(folder), config.chalice_stage)
    (template,) = folder.glob("*.json")
    document: dict[str, Any] = json.loads(template.read_text())
    return document


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())
