"""What commands print: tables, rows, JSON lines and progress on a terminal or in a pipe, and errors as one sentence."""

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from images_api_client.errors import ImagesError, ServiceError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


class Problem(ImagesError):
    """A command cannot do what it is asked for. The text is one sentence that says why and what to do."""

    exit_status = 1


class Misused(Problem):
    """The arguments of a command do not fit together."""

    exit_status = 2


@cache
def out() -> "Console":
    """Return the console of stdout. It prints no escape codes in a pipe or with NO_COLOR."""
    return _console(stderr=False)


@cache
def err() -> "Console":
    """Return the console of stderr."""
    return _console(stderr=True)


def say(sentence: str) -> None:
    """Print a sentence on stderr, on one line."""
    print(printable(sentence), file=sys.stderr)


def json_line(document: Mapping[str, Any]) -> None:
    """Print a JSON document on one line of stdout."""
    print(json.dumps(document, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    heading: str
    right: bool = False  # aligned, for numbers
    whole: bool = False  # never shortened
    wrapped: bool = False  # on several lines rather than shortened
    least_width: int = 0  # of a terminal that shows the column; a pipe gets all columns


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print rows on stdout: as a table on a terminal, or else separated by tabs, without headings and not shortened."""
    if not sys.stdout.isatty():
        for row in rows:
            print(*map(printable, row), sep="\t")
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = out()
    shown = [number for number, column in enumerate(columns) if column.least_width <= console.width]
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in (columns[number] for number in shown):
        grid.add_column(column.heading, justify="right" if column.right else "left", no_wrap=column.whole)
    for row in rows:
        cells = ((columns[number].wrapped, printable(row[number])) for number in shown)
        grid.add_row(
            *(Text(cell, no_wrap=not wrapped, overflow="fold" if wrapped else "ellipsis") for wrapped, cell in cells)
        )
    console.print(grid)


def progress(disable: bool = False) -> "Progress":
    """Return a progress display on stderr, which shows nothing unless stderr is a terminal."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=err(),
        disable=disable or not err().is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # else, what a command prints would go to stderr
    )


def printable(text: str) -> str:
    """Return a text on one line without control characters, which could change what a terminal shows."""
    return "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in text)


def sentence(error: Exception, verbose: bool) -> str:
    """Return what went wrong as one sentence; `verbose` adds the status and the request id of the service's log."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}."
    if verbose and isinstance(error, ServiceError):
        request = f", request {error.request_id}" if error.request_id else ""
        return f"{error} (status {error.status}{request})"
    return str(error)


def moment(time: datetime) -> str:
    """Return a time: on a terminal as a person reads it in the time zone of the computer, or else as RFC 3339."""
    if sys.stdout.isatty():
        return time.astimezone().strftime("%Y-%m-%d %H:%M")
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def size(count: int) -> str:
    """Return a number of bytes: on a terminal as a person reads it (4.2 MB are 4,200,000 bytes), or else in digits."""
    if not sys.stdout.isatty():
        return str(count)
    from rich.filesize import decimal

    return decimal(count)


def _console(stderr: bool) -> "Console":
    from rich.console import Console

    color_system: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return Console(stderr=stderr, color_system=color_system, highlight=False, markup=False, emoji=False)
