"""Draw charts of the figures of bench.lists: the cost of a page against the size of the tables."""

import argparse
import json
from pathlib import Path

import pygal
from pygal.style import Style

from bench.report import Figures, by_name

_OURS = ("frequent tag", "rare tag", "owner, frequent tag", "two frequent tags")
_USUAL = (
    "rare tag: scan until a page is full",
    "frequent tag: scan of all, for the newest",
    "owner, rare tag: owner's index, filtered",
    "frequent tag: keys of the tag, then each record",
)
_PAGE = 20  # images; shorter pages cost less and are not drawn
TICKS = [count * 10**power for power in range(-1, 7) for count in (1, 3)]
STYLE = Style(
    background="white",
    plot_background="white",
    font_family="sans-serif",
    legend_font_size=12,
    guide_stroke_color="#ddd",
    major_guide_stroke_color="#ddd",
    colors=("#1b7837", "#5aae61", "#2166ac", "#762a83", "#b2182b", "#d6604d", "#e08214", "#fdb863"),
)


def main() -> None:
    """Draw read units and milliseconds, each as an SVG."""
    parser = argparse.ArgumentParser(prog="python -m bench.chart")
    parser.add_argument("json", type=Path, help="figures that bench.lists wrote")
    parser.add_argument("--folder", type=Path, default=Path("docs"), help="output folder (default: %(default)s)")
    options = parser.parse_args()
    figures = [Figures(**each) for each in json.loads(options.json.read_text())]
    for name, what, title in (
        ("lists", "read_units", "Read units of a page of 20"),
        ("lists-ms", "milliseconds", "Milliseconds of a page of 20"),
    ):
        (options.folder / f"{name}.svg").write_bytes(draw(figures, what, title))


def draw(figures: list[Figures], what: str, title: str) -> bytes:
    """Return an SVG of one figure with logarithmic axes. Solid lines are the service's lists."""
    sizes = sorted({each.size for each in figures})
    rows = by_name(figures)
    values = [getattr(each, what) for name in (*_OURS, *_USUAL) for each in rows[name]]
    chart = pygal.XY(
        title=title,
        x_title="images in the tables",
        logarithmic=True,
        x_labels=sizes,
        y_labels=[label for label in TICKS if min(values) / 2 <= label <= max(values) * 3],
        x_value_formatter=lambda size: f"{size:,.0f}",
        value_formatter=lambda value: f"{value:,g}",
        height=700,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        truncate_legend=-1,
        js=(),
        no_prefix=True,
        style=STYLE,
    )
    for name in (*_OURS, *_USUAL):
        stroke = {"width": 2, **({} if name in _OURS else {"dasharray": "6, 4"})}
        full = [each for each in rows[name] if each.found == _PAGE or each.usual]
        chart.add(name, [(each.size, getattr(each, what)) for each in full], stroke_style=stroke)
    svg: bytes = chart.render()
    return svg


if __name__ == "__main__":
    main()
