import json
from pathlib import Path

from bench.peers import report

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_performance_contains_the_measured_comparison() -> None:
    figures = [report.Figures(**each) for each in json.loads((DOCS / "peers.json").read_text())]
    for table in report.tables(figures).split("\n\n"):
        assert table in (DOCS / "performance.md").read_text(), "copy what `python -m bench.peers --print` prints"
