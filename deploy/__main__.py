"""What `make deploy`, `make destroy` and `make package` run, in the repository's root."""

import argparse
import sys
from pathlib import Path

import stamina.instrumentation
from botocore.exceptions import BotoCoreError, ClientError

from deploy import package, steps, target
from project import CannotRun
from project.command_line import one_line_errors
from project.stages import stage_config


@one_line_errors()
def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m deploy", description="Deploy a stage, or destroy one.")
    commands = parser.add_subparsers(dest="command", required=True)
    deploying = commands.add_parser("deploy", help="deploy what is not as it should be; print the address")
    destroying = commands.add_parser("destroy", help="delete all that a stage has, after a question")
    packaging = commands.add_parser("package", help="write a stage as a template and a zip, for a pipeline to deploy")
    for command in deploying, destroying, packaging:
        command.add_argument("stage", help="of .chalice/config.json")
    destroying.add_argument("--yes", action="store_true", help="don't ask")
    packaging.add_argument("--format", choices=package.FORMATS, default=package.FORMATS[0])
    packaging.add_argument("--out", type=Path, required=True, help="the folder, which is made if need be")
    asked = parser.parse_args()
    stamina.instrumentation.set_on_retry_hooks([])  # else each retry is a warning on stderr
    try:
        if asked.command == "deploy":
            print(steps.deploy(asked.stage))
        elif asked.command == "package":
            stage_config(asked.stage)  # before anybody is asked
            print(package.write(target.find(asked.stage), asked.stage, asked.format, asked.out))
        else:
            steps.destroy(asked.stage, lambda what: asked.yes or _typed(asked.stage, what))
    except (ClientError, BotoCoreError) as error:
        raise CannotRun(f"{error}. What is done stays; run it again.") from None
    except KeyboardInterrupt:
        raise CannotRun("\nStopped. What is done stays; run it again.") from None


def _typed(stage: str, what: str) -> bool:
    if not sys.stdin.isatty():
        raise CannotRun(f"{what} Say so with YES=1.")
    try:
        return input(f"{what}\nType {stage} to go on: ").strip() == stage
    except EOFError:
        return False


if __name__ == "__main__":
    main()
