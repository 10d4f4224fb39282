"""`python -m dev`: run the embedded stack or the API alone, upload the sample photographs, or invoke a function."""

import argparse
import re
from pathlib import Path

from dev.disk import MIN_FREE_MB
from dev.processes import LOOPBACK
from dev.workers import default_workers
from project.command_line import one_line_errors


@one_line_errors()
def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m dev", description="Run and use the service on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the embedded stack")
    run.add_argument("--data", type=_path, default=Path(".data"), help="folder for all data (default: %(default)s)")
    run.add_argument("--host", default=LOOPBACK, help="address that the API and S3 listen on (default: %(default)s)")
    run.add_argument("--port", type=int, default=8000, help="port of the API (default: %(default)s; 0: any free one)")
    run.add_argument(
        "--s3-port", type=int, default=0, help="port of S3 and SQS (default: the last one of the data folder)"
    )
    run.add_argument("--dynamodb-port", type=int, default=0, help="port of DynamoDB (default: any free one)")
    run.add_argument("--allowed-hosts", type=_words, default=(), help="further names by which clients reach the API")
    run.add_argument(
        "--min-free-mb", type=int, default=MIN_FREE_MB, help="refuse writes if less is free (default: %(default)s)"
    )
    run.add_argument(
        "--workers",
        type=_count,
        default=default_workers(),
        help="processes that answer requests, and images that are processed at once (default: %(default)s)",
    )
    samples = commands.add_parser("samples", help="upload the sample photographs to a running service")
    samples.add_argument("--url", default="http://127.0.0.1:8000", help="address of the API (default: %(default)s)")
    invoke = commands.add_parser("invoke", help="invoke a Lambda function of a running service")
    invoke.add_argument("function", help="name of the function in app.py")
    invoke.add_argument("--event", default="{}", help="JSON, or @FILE with JSON (default: %(default)s)")
    invoke.add_argument("--data", type=_path, default=Path(".data"), help="its data folder (default: %(default)s)")
    invoke.add_argument("--url", default="http://127.0.0.1:8000", help="address of the API (default: %(default)s)")
    local = commands.add_parser("local", help="run the API alone, in place of `chalice local`")
    local.add_argument("--stage", required=True, help="a stage of .chalice/config.json")
    local.add_argument("--host", required=True, help="address that the API listens on")
    local.add_argument("--port", type=int, required=True, help="port of the API")
    local.add_argument("--reload", action="store_true", help="end with status 3 when a file of the app changes")
    options = vars(parser.parse_args())
    # Each command imports what it needs, so that --help and usage errors appear at once.
    match options.pop("command"):
        case "run":
            from dev.run import Options
            from dev.run import run as run_stack

            run_stack(Options(**options))
        case "local":
            from dev.local import run as run_local

            run_local(**options)
        case "samples":
            from dev.samples import load

            load(**options)
        case "invoke":
            from dev.invoke import invoke as invoke_function

            invoke_function(**options)


def _path(text: str) -> Path:
    """Return a path with `~` expanded: dash and zsh leave it as it is in `make run DATA=~/x`."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # no such user
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.lower().split())


if __name__ == "__main__":
    main()
