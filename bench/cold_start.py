"""Measure cold starts from the zip: the import of app.py, as in Lambda's Init, then the first request.

Each start is a new process that has only the unpacked zip on its path, and calls the handler as Lambda does. "Before"
is the zip that Chalice builds, with the whole botocore, which has bytecode, and the first request creates the clients.
With --before it is the zip that another checkout of the repository deploys. "After" is the zip that is deployed. Both
run in turn, against one embedded stack. Other work on the machine changes the processor time less than the time that
passes.
"""

import argparse
import base64
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any
from zipfile import ZipFile

from bench.operations import SIZES_PX
from dev.stack import running
from project import PROJECT
from project.command_line import one_line_errors
from tests.pictures import picture

SDK = ("botocore", "jmespath", "dateutil", "urllib3")
PHASES = ("import", "first request", "both")

_START = """
import json, sys, time
from types import SimpleNamespace
event = json.load(sys.stdin)
context = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 30_000)
began = time.perf_counter(), time.process_time()
from app import app
imported = time.perf_counter(), time.process_time()
answer = app(event, context)
ended = time.perf_counter(), time.process_time()
phases = [(second - first for first, second in zip(*times)) for times in ((began, imported), (imported, ended))]
print(json.dumps([answer["statusCode"], *map(list, phases)]))
"""
_BUNDLE = """
import sys
from pathlib import Path
from chalice.deploy.packager import DependencyBuilder, LambdaDeploymentPackager
from chalice.utils import UI, OSUtils
from deploy import bundle
system = OSUtils()
packager = LambdaDeploymentPackager(system, DependencyBuilder(system), UI())
python = f"python{sys.version_info.major}.{sys.version_info.minor}"
packaged = packager.create_deployment_package(".", python)
print(packaged, bundle.write(Path(packaged)), sep="\\n")
"""


@one_line_errors()
def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start")
    parser.add_argument("--rounds", type=int, default=20, help="cold starts of each kind (default: %(default)s)")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="compare with the zip of this checkout")
    arguments = parser.parse_args()
    rounds: int = arguments.rounds
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as stack:
        variants = _variants(Path(folder), arguments.before)
        print(f"\nMedians of {rounds} cold starts, in milliseconds.\n")
        print("| operation | phase | before | after | processor time before | after | ratio |")
        print("| -- | -- | -- | -- | -- | -- | -- |")
        for operation, event in _events().items():
            taken: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in variants}
            for _ in range(rounds):
                for name, (code, variables) in variants.items():
                    taken[name].append(_start(code, {**stack.environment, "AUTH": "open", **variables}, event))
            for phase, before, after in zip(PHASES, *map(_medians, taken.values()), strict=True):
                figures = f"{before[0]:.0f} | {after[0]:.0f} | {before[1]:.0f} | {after[1]:.0f}"
                print(f"| {operation} | {phase} | {figures} | {after[1] / before[1]:.2f} |", flush=True)


def _variants(folder: Path, checkout: Path | None) -> Mapping[str, tuple[Path, Mapping[str, str]]]:
    """Return the unpacked code of each variant, with further environment variables."""
    packaged, bundled = _build(PROJECT)
    earlier = packaged if checkout is None else _build(checkout)[1]
    before, after = folder / "before", folder / "after"
    for path, code in ((earlier, before), (bundled, after)):
        with ZipFile(path) as file:
            file.extractall(code)
            unzipped_bytes = sum(entry.file_size for entry in file.infolist())
        print(f"{code.name}: {path.stat().st_size:,} bytes, {unzipped_bytes:,} unpacked")
    on_lambda = {"AWS_LAMBDA_FUNCTION_NAME": "images-api"}
    if checkout is not None:
        return {"before": (before, on_lambda), "after": (after, on_lambda)}
    for cached in list(before.rglob("__pycache__")):
        shutil.rmtree(cached)
    for name in SDK:
        compileall.compile_dir(before / name, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return {"before": (before, {}), "after": (after, on_lambda)}


def _build(checkout: Path) -> tuple[Path, Path]:
    """Return the zip that Chalice builds of a checkout of the repository, and the one that is deployed."""
    command = [sys.executable, "-c", _BUNDLE]
    ended = subprocess.run(command, cwd=checkout, stdout=subprocess.PIPE, text=True, check=True)
    packaged, bundled = (checkout / line for line in ended.stdout.splitlines()[-2:])
    return packaged, bundled


def _events() -> dict[str, dict[str, Any]]:
    width, height = SIZES_PX["200 KB"]
    image = base64.b64encode(picture(width=width, height=height)).decode()
    tags = ["nature", "forest", "sand"]
    body = json.dumps({"user_id": "me", "image_data": image, "title": "Dunes", "tags": tags})
    return {"list": _event("GET", None), "upload": _event("POST", body)}


def _event(method: str, body: str | None) -> dict[str, Any]:
    """Return a request to /images as API Gateway passes it to a function."""
    return {
        "resource": "/images",
        "path": "/images",
        "httpMethod": method,
        "headers": {"Content-Type": "application/json", "Accept": "*/*"},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/images",
            "path": "/images",
            "httpMethod": method,
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def _start(code: Path, environment: Mapping[str, str], event: dict[str, Any]) -> list[tuple[float, float]]:
    """Return the milliseconds of each phase of one cold start: the time that passes, and the processor time."""
    ended = subprocess.run(
        # Without site-packages, and, as on Lambda, without a place to store bytecode.
        [sys.executable, "-S", "-B", "-c", _START],
        cwd=code,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(code), **environment},
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=True,
    )
    status, importing, answering = json.loads(ended.stdout.splitlines()[-1])
    if status >= 300:
        raise RuntimeError(ended.stdout)
    both = (first + second for first, second in zip(importing, answering, strict=True))
    return [(1000 * passed, 1000 * processor) for passed, processor in (importing, answering, both)]


def _medians(taken: list[list[tuple[float, float]]]) -> list[tuple[float, float]]:
    phases = ([statistics.median(figure) for figure in zip(*phase, strict=True)] for phase in zip(*taken, strict=True))
    return [(passed, processor) for passed, processor in phases]


if __name__ == "__main__":
    main()
