"""The data folder records that a killed stack may have lost events."""

from contextlib import suppress
from pathlib import Path

from dev.folder import opened


def must_resend(path: Path, end: BaseException, *, resent: bool = False) -> bool:
    """Start a stack and end it by `end`; return whether events of earlier stacks were missing when it started.

    `resent` says whether this stack sends them again before it ends.
    """
    missing = False
    with suppress(type(end)), opened(path) as folder, folder.events_at_risk() as debt:
        missing = debt.since is not None
        if resent:
            debt.since = None
        raise end
    return missing


def test_a_stack_that_stops_cleanly_loses_no_events(tmp_path: Path) -> None:
    assert not must_resend(tmp_path / "data", SystemExit(0))
    assert not must_resend(tmp_path / "data", SystemExit(0))


def test_any_other_end_may_lose_events_until_they_are_sent_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert not must_resend(data, SystemExit("ministack ended with status -9."))
    assert must_resend(data, SystemExit(0))  # Ctrl-C before it had sent them
    assert must_resend(data, RuntimeError("a bug"), resent=True)
    assert must_resend(data, SystemExit(0), resent=True)
    assert not must_resend(data, SystemExit(0))
