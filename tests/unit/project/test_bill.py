from pathlib import Path

import pytest

from bench import bill

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def test_the_docs_have_the_costs_that_are_computed(capsys: pytest.CaptureFixture[str]) -> None:
    bill.main()
    assert capsys.readouterr().out in OPERATIONS.read_text(), "take over what `python -m bench.bill` prints"
