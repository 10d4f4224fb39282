"""Print the figures of lists as tables in Markdown, and report what is wrong in them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

_PAGE = 20
# A list grows if a figure exceeds this factor plus this margin, for one record that an index row does not contain.
_GROWTH = {"calls": (1.3, 1), "read_units": (1.3, 1), "milliseconds": (2, 0)}
_MOST = {0: (1, 1.5), 1: (1, 1.5), 2: (3, 6.0)}  # calls and read units of a page, by the number of lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The cost of a page of one list in tables of one size."""

    name: str
    usual: bool = False  # read as other services do, not as this service does
    lists: int  # lists that a page can be read from; most filters have one
    size: int  # images in the tables
    milliseconds: float  # median
    calls: int
    read_units: float
    found: int  # images on the page
    matching: int  # images in the whole answer
    right: bool  # all compared pages match the answer
    reads: tuple[str, ...] = ()  # the lists and records that were read, in order


def table(all_figures: Iterable[Figures], *, usual: bool) -> str:
    """Return a table with a row for each list, and the figures of all sizes side by side."""
    rows = by_name(each for each in all_figures if each.usual == usual)
    sizes = " / ".join(f"{each.size:,}" for each in next(iter(rows.values())))
    lines = [
        f"| {'read as usual' if usual else 'list'}, of {sizes} images | found | calls | read units | ms | right |",
        "|---|---|---|---|---|---|",
    ]
    for name, figures in rows.items():
        columns: list[Callable[[Figures], str]] = [
            lambda each: f"{each.found}",
            lambda each: f"{each.calls}",
            lambda each: f"{each.read_units:g}",
            lambda each: f"{each.milliseconds:.0f}",
        ]
        cells = [_same(map(column, figures)) for column in columns]
        right = "yes" if all(each.right for each in figures) else "**no**"
        lines.append(f"| {name} | {' | '.join(cells)} | {right} |")
    return "\n".join(lines)


def violations(all_figures: Iterable[Figures]) -> list[str]:
    """Return a line for each list that is wrong, costs too much, or costs more in larger tables."""
    found = []
    for name, figures in by_name(each for each in all_figures if not each.usual).items():
        if not all(each.right for each in figures):
            found.append(f"{name}: the answer is wrong")
        if costly := [each for each in figures if _is_costly(each)]:
            found += [f"{name}, {each.size:,} images: {_cost(each)}" for each in costly]
        full = [each for each in figures if each.found == _PAGE]
        for what, (factor, more) in _GROWTH.items():
            values = [getattr(each, what) for each in full]
            if values and values[-1] > factor * min(values) + more:
                found.append(f"{name}: {what} grow, {' to '.join(f'{value:g}' for value in values)}")
    return found


def _is_costly(figures: Figures) -> bool:
    calls, read_units = _MOST[min(figures.lists, 2)]
    return figures.calls > calls or figures.read_units > read_units


def _cost(figures: Figures) -> str:
    reads = ", ".join(f"{len(list(same))} of {what}" for what, same in groupby(figures.reads))
    return f"{figures.calls} calls, {figures.read_units:g} units ({reads})"


def by_name(all_figures: Iterable[Figures]) -> dict[str, list[Figures]]:
    """Return the figures of each list, ordered by size."""
    rows: dict[str, list[Figures]] = {}
    for each in all_figures:
        rows.setdefault(each.name, []).append(each)
    return rows


def _same(values: Iterable[str]) -> str:
    """Return the values side by side, or one value if all are equal."""
    given = list(values)
    return given[0] if len(set(given)) == 1 else " / ".join(given)
