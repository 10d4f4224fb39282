"""The processes in which the stack runs the app. Each test forks a new process, which has no other threads."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from dev.folder import Debt
from dev.workers import Workers, forked


def in_a_new_process(test: Callable[[], None]) -> None:
    process = multiprocessing.get_context("spawn").Process(target=test)
    process.start()
    process.join()
    assert process.exitcode == 0  # else its traceback is in the output


def nothing() -> None:
    """Close nothing: these tests have no engines."""


@contextmanager
def waiting() -> Iterator[None]:
    yield


@contextmanager
def ending() -> Iterator[None]:
    raise SystemExit(3)
    yield


def stopped_while_they_start() -> None:
    with forked(nothing) as forks:
        for number in range(4):
            forks.start(f"API {number}", waiting)
        children = multiprocessing.active_children()
    assert [child.exitcode for child in children] == [0] * 4


def test_workers_that_are_stopped_while_they_start_end_by_themselves() -> None:
    in_a_new_process(stopped_while_they_start)


def ended(forks: Workers) -> list[int]:
    """Wait until the processes have ended, and return their ids."""
    for child in multiprocessing.active_children():
        child.join()
    return forks.pids


def unable_to_start() -> None:
    with forked(nothing) as forks, pytest.MonkeyPatch.context() as monkeypatch:
        forks.start("API 1", ending)
        first = ended(forks)
        forks.restart_ended()
        assert forks.pids == first
        now = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: now() + 60)
        forks.restart_ended()
        assert forks.pids != first


def test_a_worker_that_cannot_start_is_not_started_again_at_once() -> None:
    in_a_new_process(unable_to_start)


def paid_by_a_fork() -> None:
    debt = Debt(datetime.now(UTC))
    process = multiprocessing.get_context("fork").Process(target=debt.pay)
    assert not debt.is_paid
    process.start()
    process.join()
    assert debt.is_paid


def test_all_processes_of_a_stack_know_that_events_were_sent_again() -> None:
    in_a_new_process(paid_by_a_fork)
