"""`python -m dev`: run the embedded stack, load the sample photographs, invoke a function."""

import argparse
from pathlib import Path

from dev.processes import LOOPBACK
from project.command_line import one_line_errors


@one_line_errors()
def main() -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m dev", description="The service on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the embedded stack")
    run.add_argument("--data", type=_path, default=Path(".data"), help="folder of what is kept (default: %(default)s)")
    run.add_argument("--host", default=LOOPBACK, help="address that the API and S3 listen on (default: %(default)s)")
    run.add_argument("--port", type=int, default=8000, help="port of the API (default: %(default)s; 0: any free one)")
    run.add_argument("--s3-port", type=int, default=0, help="port of S3 and SQS (default: any free one)")
    run.add_argument("--dynamodb-port", type=int, default=0, help="port of DynamoDB (default: any free one)")
    samples = commands.add_parser("samples", help="load the sample photographs into a running service")
    samples.add_argument("--url", default="http://127.0.0.1:8000", help="address of the API (default: %(default)s)")
    invoke = commands.add_parser("invoke", help="invoke a function of a running service directly")
    invoke.add_argument("function", help="its name, as @app.lambda_function has it")
    invoke.add_argument("--event", default="{}", help="JSON, or @ and the file that has it (default: %(default)s)")
    invoke.add_argument("--url", default="http://127.0.0.1:8000", help="address of the API (default: %(default)s)")
    options = vars(parser.parse_args())
    # Imported by each command: a wrong command line needs none.
    match options.pop("command"):
        case "run":
            from dev.run import Options
            from dev.run import run as run_stack

            run_stack(Options(**options))
        case "samples":
            from dev.samples import load

            load(**options)
        case "invoke":
            from dev.invoke import invoke as invoke_function

            invoke_function(**options)


def _path(text: str) -> Path:
    """A path whose `~` the shell left, as dash and zsh do in DATA=~/x after `make`."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # no such user
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
