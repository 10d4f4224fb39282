"""Print the comparison as tables in Markdown, in the form of docs/performance.md, and draw its chart."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pygal

from bench.chart import STYLE, TICKS
from bench.prices import DOLLARS_A_READ_UNIT, DOLLARS_A_WRITE_UNIT, sample, write_units

OURS, SCAN, SCAN_ALL = "this service", "Flask, DynamoDB", "the same, scan of all"
HOSTED, THUMBOR = "Flask, Postgres, SeaweedFS", "thumbor"

_S3_PUT = 5 / 1e6  # dollars
_TAG_CHANGE = 3  # write units of the schedule for an upload with tags (bench.bill)
_TITLE_WORDS, _FILENAME_WORDS, _TAGS = 4, 3, 3  # of the photographs that are uploaded


@dataclass(frozen=True, slots=True)
class Figures:
    """What one operation takes in one of the ways that are compared."""

    way: str
    operation: str
    milliseconds: float  # median of one client
    per_second: float = 0  # of several clients; 0: not measured
    size: int = 0  # images in the tables; 0: it does not matter
    is_right: bool = True  # a list: its page has the newest images, in order
    calls: int = 0  # of AWS
    read_units: float = 0
    write_units: float = 0  # too few for a transaction: DynamoDB Local counts one item of each table


def tables(figures: Sequence[Figures]) -> str:
    """Return the tables: times and rates of one operation, its use of AWS, and times and rates of pictures."""
    sizes = " / ".join(f"{size:,}" for size in sorted({each.size for each in figures} - {0}))
    lists = [each for each in figures if "thumbnail" not in each.operation]
    pictures = [each for each in figures if "thumbnail" in each.operation]
    ways, makers = (OURS, SCAN, SCAN_ALL, HOSTED), (OURS, SCAN, HOSTED, THUMBOR)
    return "\n\n".join(
        (
            _table(f"ms, one client; {sizes} images", ways, lists, _milliseconds),
            _table(f"requests/s, eight clients; {sizes} images", ways, lists, _per_second),
            _table(f"on AWS, {sizes.rsplit(' ')[-1]} images", (OURS, SCAN, SCAN_ALL), lists, _on_aws),
            _table("ms, one client", makers, pictures, _milliseconds),
            _table("pictures/s, eight clients", makers, pictures, _per_second),
        )
    )


Cell = Callable[[Sequence[Figures], Sequence[Figures]], str]  # of the figures of a way, and of this service


def _table(title: str, ways: Sequence[str], figures: Iterable[Figures], cell: Cell) -> str:
    rows: dict[str, dict[str, list[Figures]]] = {}
    for each in figures:
        rows.setdefault(each.operation, {}).setdefault(each.way, []).append(each)
    lines = [f"| {title} | {' | '.join(ways)} |", "| -- |" + " -- |" * len(ways)]
    for operation, by_way in rows.items():
        cells = [cell(by_way[way], by_way.get(OURS, [])) if way in by_way else "" for way in ways]
        if any(cells):
            lines.append(f"| {operation} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _milliseconds(figures: Sequence[Figures], ours: Sequence[Figures]) -> str:
    return _with_ratio([each.milliseconds for each in figures], [each.milliseconds for each in ours])


def _per_second(figures: Sequence[Figures], ours: Sequence[Figures]) -> str:
    return _with_ratio([each.per_second for each in figures], [each.per_second for each in ours])


def _with_ratio(values: Sequence[float], ours: Sequence[float]) -> str:
    """Return the values of all sizes side by side, and the last one's ratio to that of this service."""
    if not all(values):
        return ""
    cell = " / ".join(f"{value:,.0f}" if value >= 10 else f"{value:.1f}" for value in values)
    return cell if values == ours or not all(ours) or not ours else f"{cell} ({values[-1] / ours[-1]:.2g})"


def _on_aws(figures: Sequence[Figures], ours: Sequence[Figures]) -> str:
    """Return what one operation takes, and the price of a million: DynamoDB and S3 alone."""
    figure = figures[-1]
    written = figure.write_units
    if written and figure.way == OURS:
        written = write_units(sample(_TAGS, _TITLE_WORDS, 0, _FILENAME_WORDS)) + _TAG_CHANGE
    dollars = figure.read_units * DOLLARS_A_READ_UNIT + written * DOLLARS_A_WRITE_UNIT
    dollars += _S3_PUT if written else 0
    units = f"{figure.read_units or written:g} units"
    wrong = "" if figure.is_right else ", **not the newest**"
    calls = f"{figure.calls} call{'s'[: figure.calls != 1]}"
    return f"{calls}, {units}, ${dollars * 1e6:,.2f}{wrong}"


def _rounded(value: float | None) -> float | None:
    return value and float(f"{value:.2g}")


def chart(figures: Sequence[Figures]) -> bytes:
    """Return an SVG of the milliseconds of each operation, with a logarithmic axis, of the largest tables."""
    last = {(each.way, each.operation): each.milliseconds for each in figures}
    operations = list(dict.fromkeys(each.operation for each in figures))
    most = max(last.values())
    bars = pygal.Bar(
        title="Milliseconds of one client (lower is better)",
        zero=1,
        range=(1, most),
        logarithmic=True,
        x_labels=operations,
        y_labels=[label for label in TICKS if 1 <= label <= most * 3],
        x_label_rotation=30,
        truncate_label=-1,
        value_formatter=lambda value: f"{value:,g}",
        height=600,
        width=1_000,
        legend_at_bottom=True,
        truncate_legend=-1,
        js=(),
        no_prefix=True,
        style=STYLE,
    )
    for way in (OURS, SCAN, SCAN_ALL, HOSTED, THUMBOR):
        bars.add(way, [_rounded(last.get((way, operation))) for operation in operations])
    svg: bytes = bars.render()
    return svg
