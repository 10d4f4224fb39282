"""Measure requests whose stores are far: with a delay before each answer of DynamoDB and S3.

"Before" makes the reads of a page one after the other, as the service did once; "after" makes them at the same time.
Both run in turn, in this process, on the same tables.

The delay is a sleep in the thread that makes a call, before each attempt is sent. A store that is far costs a thread
the same: it waits, and other threads run. A proxy between the service and the stores would also take processor time,
from the two that it is measured with. What the sleep does not show: the first calls at the same time open a connection
each, which takes two or three more round trips, once in the life of a process.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import pygal
from chalice.test import Client

from bench import queries, tables
from bench.chart import STYLE
from bench.operations import Api, upload_body
from bench.queries import FREQUENT, OTHER, OWNER, PREFIX, WORD, Ask, search
from bench.usage import counted
from dev.stack import running
from project.command_line import one_line_errors
from tests.pictures import picture

T = TypeVar("T")
Work = Callable[[], object]

IMAGES = 1_000
PAGE = 20
DELAYS = (0, 2, 5, 20)  # milliseconds
_DRAWN = (5, 20)

_ME = queries.ASKS[1].user  # the owner of the most images, some of them private
_LISTS = (
    Ask("no filter, anonymous"),
    Ask("no filter, known caller", user=_ME),
    Ask("by owner, for the owner", (OWNER,), user=_ME),
    Ask("tag, known caller", (FREQUENT,), user=_ME),
    Ask("two tags, anonymous", (FREQUENT, OTHER)),
    Ask("two tags, known caller", (FREQUENT, OTHER), user=_ME),
    Ask("owner and tag, for the owner", (OWNER, FREQUENT), user=_ME),
    Ask("q=, one word, anonymous", (search("autumn"),)),
    Ask("q=, one word, known caller", (search("autumn"),), user=_ME),
    Ask("title, one word, known caller", (WORD,), user=_ME),
    Ask("title prefix of 10 words, anonymous", (PREFIX,)),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """The time that a request takes, in milliseconds: (p50, p99)."""

    name: str
    calls: int  # so many waits before
    waits: int  # after
    delay: int  # milliseconds
    before: tuple[float, float]
    after: tuple[float, float]


@one_line_errors()
def main() -> None:
    """Measure, print a table in Markdown, and draw a chart."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency")
    parser.add_argument("--rounds", type=int, default=100, help="requests of each kind (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="folder that keeps the tables for the next run")
    parser.add_argument("--chart", type=Path, help="file for the chart, an SVG")
    options = parser.parse_args()
    with tables.kept(options.data) as data, tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(tables.folder(data, IMAGES), folder, dirs_exist_ok=True))
        # In a process of its own, because the app reads its settings once.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            figures = pool.submit(measured, copy, options.rounds).result()
    print(table(figures, options.rounds))
    if options.chart:
        options.chart.write_bytes(draw(figures))


def table(figures: Sequence[Figures], rounds: int) -> str:
    """Return a table with a row for each kind of request, and the figures of all delays side by side."""
    heads = " | ".join(f"{delay} ms" for delay in DELAYS)
    lines = [
        f"p50 / p99 of {rounds} requests in milliseconds, before → after, pages of {PAGE}. Waits: calls that begin",
        "after the end of another one, and the first.\n",
        f"| delay of each call | waits | {heads} |",
        f"|{' -- |' * (2 + len(DELAYS))}",
    ]
    for name, calls, waits in dict.fromkeys((each.name, each.calls, each.waits) for each in figures):
        cells = [f"{_cell(each.before)} → {_cell(each.after)}" for each in figures if each.name == name]
        lines.append(f"| {name} | {calls} → {waits} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(figures: Sequence[Figures]) -> bytes:
    """Return an SVG: a bar for each kind of request, before and after, with two of the delays."""
    chart = pygal.Bar(
        title=f"Median milliseconds of a request, with {' and '.join(map(str, _DRAWN))} ms before each answer",
        x_labels=list(dict.fromkeys(each.name for each in figures)),
        x_label_rotation=30,
        value_formatter=lambda value: f"{value:,.0f}",
        height=600,
        width=1_000,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        truncate_legend=-1,
        truncate_label=-1,
        js=(),
        no_prefix=True,
        style=STYLE,
    )
    for delay in _DRAWN:
        chart.add(f"{delay} ms, one after the other", [each.before[0] for each in figures if each.delay == delay])
        chart.add(f"{delay} ms, at the same time", [each.after[0] for each in figures if each.delay == delay])
    svg: bytes = chart.render()
    return svg


def _cell(times: tuple[float, float]) -> str:
    return " / ".join(f"{each:.0f}" for each in times)


def measured(folder: Path, rounds: int) -> list[Figures]:
    """Return the figures of all kinds of requests, with each delay."""
    figures = []
    with running(folder) as stack:
        os.environ.update(stack.environment, AUTH="open", LOG_LEVEL="WARNING")
        from app import app  # reads the environment variables of the stack
        from chalicelib import threads
        from chalicelib.stores import aws

        seconds = [0.0]
        # Before the first client is made, because clients inherit the handlers of their session.
        aws.session().get_component("event_emitter").register("before-send", lambda **_: time.sleep(seconds[0]))
        ways: dict[str, Any] = {"before": _one_after_the_other, "after": threads.at_once}
        for name, work in _requests(Api(Client(app, stage_name="local"))):
            calls, waits = _waits(work)
            for delay in DELAYS:
                seconds[0] = delay / 1_000
                times: dict[str, list[float]] = {way: [] for way in ways}
                for n in range(-3, rounds):  # the first ones open connections
                    for way, at_once in ways.items():
                        with patch.object(threads, "at_once", at_once):
                            started = time.perf_counter()
                            work()
                            elapsed = time.perf_counter() - started
                        if n >= 0:
                            times[way].append(1_000 * elapsed)
                found = Figures(name, calls, waits, delay, _percentiles(times["before"]), _percentiles(times["after"]))
                print(json.dumps(asdict(found)), file=sys.stderr, flush=True)
                figures.append(found)
    return figures


def _requests(api: Api) -> Iterator[tuple[str, Work]]:
    for ask in _LISTS:
        yield ask.name, partial(api.send, "GET", f"/images?limit={PAGE}&{ask.parameters}", b"", **ask.headers)
    photo = picture(width=32, height=32)
    image_id = api.upload(upload_body(photo))
    yield "view", partial(api.send, "GET", f"/images/{image_id}")
    yield "upload", partial(api.upload, upload_body(photo))
    keys = (f"key-{n}" for n in count())
    keyed = partial(api.send, "POST", "/images", upload_body(photo))
    yield "upload with a new key", lambda: keyed(**{"Idempotency-Key": next(keys)})


def _waits(work: Work) -> tuple[int, int]:
    """Return how many calls a request makes, and how many of them begin after the end of another one."""
    from chalicelib import threads

    at_once, together = threads.at_once, 0

    def counting(calls: Sequence[Callable[[], T]]) -> list[T]:
        nonlocal together
        together += len(calls) - 1
        return at_once(calls)

    with counted() as usage, patch.object(threads, "at_once", counting):
        work()
    return usage.calls, usage.calls - together


def _one_after_the_other(calls: Sequence[Callable[[], T]]) -> list[T]:
    return [call() for call in calls]


def _percentiles(times: Sequence[float]) -> tuple[float, float]:
    """Return the median, and the time that 99 of 100 requests do not exceed."""
    return round(statistics.median(times), 1), round(statistics.quantiles(times, n=100, method="inclusive")[98], 1)


if __name__ == "__main__":
    main()
