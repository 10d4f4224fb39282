"""`make deploy`, `make destroy` and `make package` run this in the repository's root: python -m deploy."""

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
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m deploy", description="Deploy, destroy or package a stage.")
    commands = parser.add_subparsers(dest="command", required=True)
    deploying = commands.add_parser("deploy", help="deploy a stage, or what has changed in it, and print its URL")
    checking = commands.add_parser("check", help="print how a deployed stage differs, and exit with 1 if it does")
    destroying = commands.add_parser("destroy", help="delete a stage with all its images, after a question")
    packaging = commands.add_parser("package", help="write a template and a zip that a pipeline deploys")
    for command in deploying, checking, destroying, packaging:
        command.add_argument("stage", help="a stage of .chalice/config.json")
    destroying.add_argument("--yes", action="store_true", help="do not ask")
    packaging.add_argument("--format", choices=package.FORMATS, default=package.FORMATS[0])
    packaging.add_argument("--out", type=Path, required=True, help="the folder to write to; created if needed")
    asked = parser.parse_args()
    stamina.instrumentation.set_on_retry_hooks([])  # else each retry is a warning on stderr
    try:
        if asked.command == "deploy":
            print(steps.deploy(asked.stage))
        elif asked.command == "check":
            sys.exit(0 if steps.check(asked.stage) else 1)
        elif asked.command == "package":
            stage_config(asked.stage)  # an unknown stage is reported before AWS is called
            print(package.write(target.find(asked.stage), asked.stage, asked.format, asked.out))
        else:
            steps.destroy(asked.stage, lambda what: asked.yes or _typed(asked.stage, what))
    except (ClientError, BotoCoreError) as error:
        raise CannotRun(f"{error}. Finished steps stay; run the same command again.") from None
    except KeyboardInterrupt:
        raise CannotRun("\nStopped. Finished steps stay; run the same command again.") from None


def _typed(stage: str, what: str) -> bool:
    if not sys.stdin.isatty():
        raise CannotRun(f"{what} Confirm with YES=1.")
    try:
        return input(f"{what}\nType {stage} to confirm: ").strip() == stage
    except EOFError:
        return False


if __name__ == "__main__":
    main()
