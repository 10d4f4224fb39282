from collections.abc import Callable
from pathlib import Path

import pytest

from bench import bill, prices

DOCS = Path(__file__).parents[3] / "docs"
COSTS = DOCS / "costs.md"


def test_the_costs_page_contains_the_computed_costs(capsys: pytest.CaptureFixture[str]) -> None:
    bill.main()
    assert capsys.readouterr().out in COSTS.read_text(), "copy what `python -m bench.bill` prints into docs/costs.md"


@pytest.mark.parametrize(("page", "table"), [("costs.md", prices.by_words), ("decisions/02-terms.md", prices.by_way)])
def test_a_page_contains_the_computed_write_units(page: str, table: Callable[[], str]) -> None:
    assert table() in (DOCS / page).read_text(), f"copy what `python -m bench.prices` prints into docs/{page}"
