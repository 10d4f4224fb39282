"""Measure and verify pages of each list in tables of growing size, and measure common other ways to read them.

Requests go to the service in this process. The other ways are plain boto3 calls.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from chalice.test import Client

from bench import answers, report, tables, usual
from bench.answers import Answer
from bench.operations import Api
from bench.queries import ASKS, Ask
from bench.report import Figures
from bench.usage import Usage, counted
from dev.stack import running
from project.command_line import one_line_errors

PAGE = 20
_SECONDS = 5  # after which a list is not measured again
_SHORT_PAGES = 10  # pages of PAGE that are compared with the answer, before pages of _LONG_PAGE
_LONG_PAGE = 1_000
_MOST_PAGES = 20  # pages that are compared: all of a list of 10,000 images
_LIMITS = [PAGE] * _SHORT_PAGES + [_LONG_PAGE] * (_MOST_PAGES - _SHORT_PAGES)


@one_line_errors()
def main() -> None:
    """Measure, print tables in Markdown, and write the figures to a file."""
    parser = argparse.ArgumentParser(prog="python -m bench.lists")
    parser.add_argument("sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="images in the tables")
    parser.add_argument(
        "--rounds",
        type=int,
        default=20,
        help="repetitions; the median counts (default: %(default)s)",
    )
    parser.add_argument("--data", type=Path, help="folder that keeps the tables for the next run")
    parser.add_argument("--json", type=Path, help="file for the figures, for bench.chart")
    options = parser.parse_args()
    figures: list[Figures] = []
    with tables.kept(options.data) as data:
        for size in sorted(options.sizes):
            folder = tables.folder(data, size)
            # Each size in a process of its own, because the app reads its settings once.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                figures += pool.submit(measured, folder, size, options.rounds).result()
            if options.json:
                rows = ",\n".join(json.dumps(asdict(each)) for each in figures)
                options.json.write_text(f"[\n{rows}\n]\n")
    print(f"Medians of {options.rounds} rounds, pages of {PAGE}.\n")
    print(report.table(figures, usual=False), report.table(figures, usual=True), sep="\n\n")
    print("\nNot as it should be:", *report.violations(figures), sep="\n- ")


def measured(folder: Path, size: int, rounds: int) -> list[Figures]:
    """Return the figures of all lists in tables of one size."""
    right = answers.computed(size, sum(_LIMITS))
    found = []
    with running(folder) as stack:
        os.environ.update(stack.environment, AUTH="open", LOG_LEVEL="WARNING", EXPLAIN="on")
        from app import app  # reads the environment variables of the stack

        api = Api(Client(app, stage_name="local"))
        for ask in ASKS:
            found.append(_listed(api, ask, right[ask.name], size, rounds))
            print(found[-1], file=sys.stderr, flush=True)
        for way in usual.ways(stack.client("dynamodb"), PAGE):
            try:
                found.append(_read_as_usual(way, right[way.ask.name], size, rounds))
            except ClientError as error:  # DynamoDB Local cannot answer some of them from large tables
                print(f"{way.ask.name}, {way.name}: {error}", file=sys.stderr, flush=True)
            else:
                print(found[-1], file=sys.stderr, flush=True)
    return found


def _listed(api: Api, ask: Ask, answer: Answer, size: int, rounds: int) -> Figures:
    cursor = _middle(api, ask, answer) if ask.in_the_middle else ""
    path = f"/images?limit={PAGE}&{ask.parameters}{cursor}"
    milliseconds, usage, page = _timed(lambda: api.send("GET", path, b"", **ask.headers).json_body, rounds)
    explained = api.send("GET", f"{path}&explain=true", b"", **ask.headers).json_body["explain"]
    return Figures(
        name=ask.name,
        lists=ask.lists,
        size=size,
        milliseconds=milliseconds,
        calls=usage.calls,
        read_units=usage.read_units,
        found=len(page["images"]),
        matching=answer.matching,
        right=_is_right(api, ask, answer),
        reads=tuple(read["list"] for read in explained["reads"]),
    )


def _read_as_usual(way: usual.Way, answer: Answer, size: int, rounds: int) -> Figures:
    milliseconds, usage, found = _timed(way.read, rounds)
    return Figures(
        name=f"{way.ask.name}: {way.name}",
        usual=True,
        lists=way.ask.lists,
        size=size,
        milliseconds=milliseconds,
        calls=usage.calls,
        read_units=usage.read_units,
        found=len(found),
        matching=answer.matching,
        right=found == answer.image_ids[:PAGE],
    )


def _timed(work: Callable[[], Any], rounds: int) -> tuple[float, Usage, Any]:
    """Return the median of the milliseconds, the usage of one round, and its result."""
    started = time.perf_counter()
    with counted() as usage:
        gave = work()
    first = time.perf_counter() - started
    # The first round of a fast list warms up the engines. A scan of a large table takes minutes, and is enough.
    times = [first] if first > _SECONDS else []
    while len(times) < rounds and sum(times) < _SECONDS:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return round(statistics.median(times) * 1_000, 1), usage, gave


def _pages(api: Api, ask: Ask, limits: Iterator[int]) -> Iterator[dict[str, Any]]:
    """Yield the pages of a list from its beginning, with one limit after the other."""
    cursor = ""
    for limit in limits:
        page = api.send("GET", f"/images?limit={limit}&{ask.parameters}{cursor}", b"", **ask.headers).json_body
        yield page
        if not page["has_more"]:
            return
        cursor = f"&last_evaluated_key={page['last_evaluated_key']}"


def _is_right(api: Api, ask: Ask, answer: Answer) -> bool:
    """Return whether the pages match the answer: all pages, or the first _MOST_PAGES of a long list."""
    found: list[str] = []
    has_more = True
    for page in _pages(api, ask, iter(_LIMITS)):
        found += [image["image_id"] for image in page["images"]]
        has_more = page["has_more"]
    return found == answer.image_ids[: len(found)] and (has_more or len(found) == answer.matching)


def _middle(api: Api, ask: Ask, answer: Answer) -> str:
    """Return the cursor parameter of the page in the middle of a list."""
    before = answer.matching // 2
    limits = [_LONG_PAGE] * (before // _LONG_PAGE) + [max(before % _LONG_PAGE, 1)]
    for page in _pages(api, ask, iter(limits)):
        last = page
    return f"&last_evaluated_key={last['last_evaluated_key']}"


if __name__ == "__main__":
    main()
