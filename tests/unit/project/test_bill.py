from pathlib import Path

import pytest

from bench import bill

COSTS = Path(__file__).parents[3] / "docs" / "costs.md"


def test_the_costs_page_contains_the_computed_costs(capsys: pytest.CaptureFixture[str]) -> None:
    bill.main()
    assert capsys.readouterr().out in COSTS.read_text(), "copy what `python -m bench.bill` prints into docs/costs.md"
