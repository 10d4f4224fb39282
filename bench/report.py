"""The figures of lists as tables in Markdown, and the figures that break an expectation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

_PAGE = 20
# How much a figure may grow with the tables: by a factor, and by what one record that does not fit its row can add.
_MAX_GROWTH = {"calls": (1.3, 1), "read_units": (1.3, 1), "milliseconds": (2, 0)}
_MAX_COST = {0: (1, 1.5), 1: (1, 1.5), 2: (3, 6.0)}  # calls and read units of a page, by the number of lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The cost of a page of one list, with tables of one size."""

    name: str
    usual: bool = False  # whether it is read in a common way; otherwise this service reads it
    lists: int  # number of lists that contain the whole answer: usually one for each filter
    size: int  # number of images in the tables
    milliseconds: float  # median
    calls: int
    read_units: float
    found: int  # number of images on the page
    matching: int  # number of images in the whole answer
    right: bool  # whether the pages that were compared are those of the answer
    reads: tuple[str, ...] = ()  # names of the lists that were read, or "records", in the order of the calls


def table(all_figures: Iterable[Figures], *, usual: bool) -> str:
    """Return a table with a row for each list, with the figures of all sizes side by side."""
    rows = by_name(figures for figures in all_figures if figures.usual == usual)
    sizes = " / ".join(f"{figures.size:,}" for figures in next(iter(rows.values())))
    lines = [
        f"| {'way' if usual else 'list'}, with {sizes} images | found | calls | read units | ms | right |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        columns: list[Callable[[Figures], str]] = [
            lambda figures: f"{figures.found}",
            lambda figures: f"{figures.calls}",
            lambda figures: f"{figures.read_units:g}",
            lambda figures: f"{figures.milliseconds:.0f}",
        ]
        cells = [_joined(map(column, row)) for column in columns]
        right = "yes" if all(figures.right for figures in row) else "**no**"
        lines.append(f"| {name} | {' | '.join(cells)} | {right} |")
    return "\n".join(lines)


def violations(all_figures: Iterable[Figures]) -> list[str]:
    """Return a line for each list of this service that is wrong, too expensive, or grows with the tables."""
    lines = []
    for name, row in by_name(figures for figures in all_figures if not figures.usual).items():
        if not all(figures.right for figures in row):
            lines.append(f"{name}: the answer is wrong")
        lines += [f"{name}, {figures.size:,} images: {_cost(figures)}" for figures in row if _is_costly(figures)]
        full_pages = [figures for figures in row if figures.found == _PAGE]
        for what, (factor, summand) in _MAX_GROWTH.items():
            values = [getattr(figures, what) for figures in full_pages]
            if values and values[-1] > factor * min(values) + summand:
                lines.append(f"{name}: {what} grow, {' to '.join(f'{value:g}' for value in values)}")
    return lines


def _is_costly(figures: Figures) -> bool:
    calls, read_units = _MAX_COST[min(figures.lists, 2)]
    return figures.calls > calls or figures.read_units > read_units


def _cost(figures: Figures) -> str:
    reads = ", ".join(f"{len(list(same))} of {what}" for what, same in groupby(figures.reads))
    return f"{figures.calls} calls, {figures.read_units:g} units ({reads})"


def by_name(all_figures: Iterable[Figures]) -> dict[str, list[Figures]]:
    """Return the figures of each list, in the given order."""
    rows: dict[str, list[Figures]] = {}
    for figures in all_figures:
        rows.setdefault(figures.name, []).append(figures)
    return rows


def _joined(values: Iterable[str]) -> str:
    """Return the values side by side, or a single one if all are equal."""
    values = list(values)
    return values[0] if len(set(values)) == 1 else " / ".join(values)
