"""The processes in which the stack runs the app."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dev.workers import Workers, forked


def nothing() -> None:
    """Close nothing: these tests have no engines."""


@contextmanager
def waiting() -> Iterator[None]:
    yield


@contextmanager
def ending() -> Iterator[None]:
    raise SystemExit(3)
    yield


def test_workers_that_are_stopped_while_they_start_end_by_themselves() -> None:
    with forked(nothing) as forks:
        for number in range(4):
            forks.start(f"API {number}", waiting)
        children = multiprocessing.active_children()
    assert [child.exitcode for child in children] == [0] * 4


def ended(forks: Workers) -> list[int]:
    """Wait until the processes have ended, and return their ids."""
    for child in multiprocessing.active_children():
        child.join()
    return forks.pids


def test_a_worker_that_cannot_start_is_not_started_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with forked(nothing) as forks:
        forks.start("API 1", ending)
        first = ended(forks)
        forks.restart_ended()
        assert forks.pids == first
        now = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: now() + 60)
        forks.restart_ended()
        assert forks.pids != first
