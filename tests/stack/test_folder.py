"""The data folder's memory of events that a killed stack may have lost."""

from contextlib import suppress
from pathlib import Path

from dev.folder import opened


def owed(path: Path, end: BaseException, *, paid: bool = False) -> bool:
    """Whether a stack finds events owed at its start; it ends by `end`, `paid` or not."""
    found = False
    with suppress(type(end)), opened(path) as folder, folder.events_at_risk() as debt:
        found = debt.since is not None
        if paid:
            debt.since = None
        raise end
    return found


def test_a_stack_that_ends_in_order_leaves_no_events_owed(tmp_path: Path) -> None:
    assert not owed(tmp_path / "data", SystemExit(0))
    assert not owed(tmp_path / "data", SystemExit(0))


def test_events_are_owed_after_any_other_end_until_they_are_sent_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert not owed(data, SystemExit("ministack ended with status -9."))
    assert owed(data, SystemExit(0))  # Ctrl-C before it had paid
    assert owed(data, RuntimeError("a bug"), paid=True)
    assert owed(data, SystemExit(0), paid=True)
    assert not owed(data, SystemExit(0))
