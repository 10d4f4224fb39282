"""Show where the processor time of requests goes: which library, and which part of botocore.

A timer of processor time interrupts the requests, on Linux 250 times a second. The innermost function that belongs to
one of PARTS gets the sample, so the time of the standard library and of compiled code belongs to the part that called
it. The answers of the stores are recorded: see bench.cpu.
"""

import argparse
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

from bench.cpu import Operation, Stores, recorded_operations
from project.command_line import one_line_errors
from project.markdown import formatted, table

# The parts by the packages and modules that belong to them. The first one that fits counts.
PARTS: dict[str, tuple[str, ...]] = {
    "boto: parameters": ("botocore.validate.", "botocore.serialize.", "botocore.paginate."),
    "boto: endpoint": ("botocore.regions.", "botocore.endpoint_provider."),
    "boto: signature": ("botocore.auth.", "botocore.signers.", "botocore.credentials."),
    "boto: answers": ("botocore.parsers.",),
    "boto: events": ("botocore.hooks.", "botocore.handlers."),
    "boto: the rest": ("botocore.", "boto3.", "urllib3."),
    "Chalice": ("chalice.",),
    "log line": ("chalicelib.logs.",),
    "Pillow": ("PIL.",),
    "the service": ("chalicelib.", "app."),
}
_OTHER = "other"
_SAMPLE_SECONDS = 0.001
_WARM_UPS = 30  # requests


@one_line_errors()
def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile")
    parser.add_argument("operations", nargs="*", help="beginnings of names of bench.cpu (default: all)")
    parser.add_argument("--seconds", type=float, default=10, help="of each operation (default: %(default)s)")
    options = parser.parse_args()
    stores = Stores()
    with Path(os.devnull).open("w") as nowhere:
        found = recorded_operations(stores, nowhere)
        chosen = [each for each in found if each.name.startswith(tuple(options.operations or [""]))]
        columns = {each.name: _profile(each, stores, options.seconds) for each in chosen}
    rows = [(part, *(f"{column[part]:.0%}" for column in columns.values())) for part in (*PARTS, _OTHER)]
    print(f"Shares of the processor time, by samples of {options.seconds:g} seconds.\n")
    print(formatted(table(("part", *columns), rows)))


def _profile(operation: Operation, stores: Stores, seconds: float) -> dict[str, float]:
    """Return the share of each part."""
    stores.replayed = operation.tape
    for _ in range(_WARM_UPS):
        operation.request()
    until = time.process_time() + seconds
    with _sampled() as samples:
        while time.process_time() < until:
            operation.request()
    return {part: samples[part] / samples.total() for part in (*PARTS, _OTHER)}


@contextmanager
def _sampled() -> Iterator[Counter[str]]:
    """Count samples of the block by part."""
    samples = Counter[str]()

    def sample(number: int, frame: FrameType | None) -> None:
        samples[_part_of_stack(frame)] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, _SAMPLE_SECONDS, _SAMPLE_SECONDS)
    try:
        yield samples
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _part_of_stack(frame: FrameType | None) -> str:
    while frame is not None:
        if part := _part(frame.f_globals.get("__name__", "")):
            return part
        frame = frame.f_back
    return _OTHER


@cache
def _part(module: str) -> str | None:
    return next((part for part, beginnings in PARTS.items() if f"{module}.".startswith(beginnings)), None)


if __name__ == "__main__":
    main()
