"""Measure what a page of each list costs with tables of several sizes, and compare it with common ways to read lists.

The pages are checked against the expected answers. The service runs in this process; the common ways are plain boto3
calls.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chalice.test import Client

from bench import album, report, tables, usual
from bench.operations import Api
from bench.queries import REQUESTS, ListRequest
from bench.report import Figures
from bench.usage import Usage, counted
from dev.stack import running

PAGE = 20
_MAX_SECONDS = 5  # of all rounds of one list: no further round begins after that
_SHORT_PAGES = 10  # the first pages that are compared with the answer; they have PAGE images
_LONG_PAGE = 1_000  # images on each of the following pages
_MAX_PAGES = 30  # pages that are compared, short and long ones


def main() -> None:
    """Measure, print tables in Markdown, and save the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.lists")
    parser.add_argument(
        "sizes",
        type=int,
        nargs="*",
        default=[1_000, 10_000, 100_000],
        help="numbers of images in the tables (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=int, default=20, help="rounds, of which the median counts (default: %(default)s)"
    )
    parser.add_argument("--data", type=Path, help="folder that keeps the tables for the next run")
    parser.add_argument("--json", type=Path, help="file to save the figures in, for bench.chart")
    options = parser.parse_args()
    figures: list[Figures] = []
    with _folder(options.data) as data:
        for size in sorted(options.sizes):
            folder = tables.folder(data, size)
            # One process for each size: an app looks for its stack only once.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                figures += pool.submit(measure, folder, size, options.rounds).result()
            if options.json:
                rows = ",\n".join(json.dumps(asdict(row)) for row in figures)
                options.json.write_text(f"[\n{rows}\n]\n")
    print(f"Medians of {options.rounds} rounds, pages of {PAGE}.\n")
    print(report.table(figures, usual=False), report.table(figures, usual=True), sep="\n\n")
    print("\nProblems:", *report.violations(figures), sep="\n- ")


def measure(folder: Path, size: int, rounds: int) -> list[Figures]:
    """Return the figures of all lists, with tables of one size."""
    images = list(album.images(0, size))
    figures = []
    with running(folder) as stack:
        os.environ.update(stack.environment, AUTH="open", LOG_LEVEL="WARNING", EXPLAIN="on")
        from app import app  # reads the stack's environment

        api = Api(Client(app, stage_name="local"))
        for request in REQUESTS:
            figures.append(_measure_service(api, request, request.answer(images), size, rounds))
            print(figures[-1], file=sys.stderr, flush=True)
        for way in usual.ways(stack.client("dynamodb"), PAGE):
            figures.append(_measure_way(way, way.request.answer(images), size, rounds))
            print(figures[-1], file=sys.stderr, flush=True)
    return figures


def _measure_service(api: Api, request: ListRequest, answer: list[str], size: int, rounds: int) -> Figures:
    cursor = _middle(api, request, answer) if request.in_the_middle else ""
    path = f"/images?limit={PAGE}&{request.parameters}{cursor}"
    milliseconds, usage, page = _timed(lambda: api.send("GET", path, b"", **request.headers).json_body, rounds)
    explained = api.send("GET", f"{path}&explain=true", b"", **request.headers).json_body["explain"]
    return Figures(
        name=request.name,
        lists=request.lists,
        size=size,
        milliseconds=milliseconds,
        calls=usage.calls,
        read_units=usage.read_units,
        found=len(page["images"]),
        matching=len(answer),
        right=_is_right(api, request, answer),
        reads=tuple(read["list"] for read in explained["reads"]),
    )


def _measure_way(way: usual.Way, answer: list[str], size: int, rounds: int) -> Figures:
    milliseconds, usage, page = _timed(way.read, rounds)
    return Figures(
        name=f"{way.request.name}: {way.name}",
        usual=True,
        lists=way.request.lists,
        size=size,
        milliseconds=milliseconds,
        calls=usage.calls,
        read_units=usage.read_units,
        found=len(page),
        matching=len(answer),
        right=page == answer[:PAGE],
    )


def _timed(work: Callable[[], Any], rounds: int) -> tuple[float, Usage, Any]:
    """Return the median in milliseconds, the usage of the first round, and its result."""
    with counted() as usage:
        result = work()
    times: list[float] = []
    while len(times) < rounds and sum(times) < _MAX_SECONDS:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return round(statistics.median(times) * 1_000, 1), usage, result


def _pages(api: Api, request: ListRequest, limits: Iterator[int]) -> Iterator[dict[str, Any]]:
    """Return the first pages of a list, one for each limit."""
    cursor = ""
    for limit in limits:
        path = f"/images?limit={limit}&{request.parameters}{cursor}"
        page = api.send("GET", path, b"", **request.headers).json_body
        yield page
        if not page["has_more"]:
            return
        cursor = f"&last_evaluated_key={page['last_evaluated_key']}"


def _is_right(api: Api, request: ListRequest, answer: list[str]) -> bool:
    """Whether the pages of a list are the answer: all pages or, of a long list, the first _MAX_PAGES."""
    limits = [PAGE] * _SHORT_PAGES + [_LONG_PAGE] * (_MAX_PAGES - _SHORT_PAGES)
    pages = list(_pages(api, request, iter(limits)))
    listed = [image["image_id"] for page in pages for image in page["images"]]
    return listed == (answer[: len(listed)] if pages[-1]["has_more"] else answer)


def _middle(api: Api, request: ListRequest, answer: list[str]) -> str:
    """Return the parameter of the URL that leads to the page in the middle of a list."""
    before = len(answer) // 2
    limits = [_LONG_PAGE] * (before // _LONG_PAGE) + [max(before % _LONG_PAGE, 1)]
    *_, page = _pages(api, request, iter(limits))
    return f"&last_evaluated_key={page['last_evaluated_key']}"


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        data.mkdir(parents=True, exist_ok=True)
        yield data


if __name__ == "__main__":
    main()
