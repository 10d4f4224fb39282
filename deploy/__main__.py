"""`make deploy`, `rollback`, `destroy`, `package`, `secrets` and `rotate`: they run python -m deploy."""

import argparse
import sys
from pathlib import Path

import stamina.instrumentation
from botocore.exceptions import BotoCoreError, ClientError

from deploy import package, questions, secrets, steps, target
from deploy.stage import Stage, prepare
from project import CannotRun
from project.command_line import one_line_errors
from project.stages import stage_config


@one_line_errors()
def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy", description="Deploy, roll back, destroy or package a stage."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    deploying = commands.add_parser("deploy", help="deploy a stage, or what has changed in it, and print its URL")
    destroying = commands.add_parser("destroy", help="delete a stage with all its images, after questions")
    rolling_back = commands.add_parser("rollback", help="let the API of a stage run the version before its present one")
    packaging = commands.add_parser("package", help="write a template and a zip that a pipeline deploys")
    keeping = commands.add_parser("secrets", help="write the secrets of a stage to SSM, without a deployment")
    rotating = commands.add_parser("rotate", help="replace a secret of a stage while it runs")
    deleting = commands.add_parser("delete", help="delete the API and the functions of a stage; its images stay")
    checking = commands.add_parser("check", help="print how a deployed stage differs, and exit with 1 if it does")
    for command in deploying, checking, rolling_back, destroying, deleting, packaging, keeping, rotating:
        command.add_argument("stage", help="a stage of .chalice/config.json")
    destroying.add_argument("--yes", action="store_true", help="do not ask whether to delete an unprotected stage")
    destroying.add_argument("--confirm", default="", metavar="STAGE", help="do not ask whether to delete this stage")
    destroying.add_argument("--images", choices=("delete",), default="", help="do not ask whether to delete images")
    packaging.add_argument("--format", choices=package.FORMATS, default=package.FORMATS[0])
    packaging.add_argument("--out", type=Path, required=True, help="the folder to write to; created if needed")
    keeping.add_argument("--remove", nargs="*", default=[], metavar="SECRET", help="secrets to delete")
    rotating.add_argument("secret", choices=secrets.ROTATED)
    rotating.add_argument("--finish", action="store_true", help="accept only the current value from now on")
    asked = parser.parse_args()
    stamina.instrumentation.set_on_retry_hooks([])  # else each retry is a warning on stderr
    try:
        _run(asked)
    except (ClientError, BotoCoreError) as error:
        raise CannotRun(f"{error}. Finished steps stay; run the same command again.") from None
    except KeyboardInterrupt:
        raise CannotRun("\nStopped. Finished steps stay; run the same command again.") from None


def _run(asked: argparse.Namespace) -> None:
    stage: str = asked.stage
    match asked.command:
        case "deploy":
            print(steps.deploy(stage))
        case "check":
            sys.exit(0 if steps.check(stage) else 1)
        case "rollback":
            steps.roll_back(stage)
        case "delete":
            steps.delete(stage)
        case "package":
            print(package.write(_place(stage), stage, asked.format, asked.out))
        case "secrets":
            secrets.keep(_stage(stage), asked.remove, print)
        case "rotate":
            (secrets.finish if asked.finish else secrets.rotate)(_stage(stage), asked.secret, print)
        case "destroy":
            given = questions.given(yes=asked.yes, stage=asked.confirm, images=asked.images)
            steps.destroy(stage, lambda question: question.confirmed(given))


def _place(stage: str) -> target.Target:
    stage_config(stage)  # an unknown stage is reported before AWS is called
    return target.find(stage)


def _stage(name: str) -> Stage:
    return prepare(name, _place(name))


if __name__ == "__main__":
    main()
