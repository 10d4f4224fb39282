import logging
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from chalicelib import deadline, logs, threads

_SECONDS = 60  # far more than anything here takes


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """The fields of each line that is logged."""
    found: list[dict[str, Any]] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.__dict__["fields"])

    handler, level = Kept(), logs.log.level
    logs.log.addHandler(handler)
    logs.log.setLevel(logging.INFO)
    yield found
    logs.log.removeHandler(handler)
    logs.log.setLevel(level)


def test_calls_run_at_the_same_time_and_their_results_are_in_order() -> None:
    all_run = threading.Barrier(4)

    def call(n: int) -> int:
        all_run.wait(_SECONDS)
        return n

    assert threads.at_once([partial(call, n) for n in range(4)]) == [0, 1, 2, 3]


def test_a_single_call_needs_no_other_thread() -> None:
    assert threads.at_once([threading.get_ident]) == [threading.get_ident()]


@pytest.mark.parametrize("failing", [0, 1])
def test_all_calls_have_ended_before_the_first_error_is_raised(failing: int) -> None:
    has_failed = threading.Event()
    ended: list[int] = []

    def call(n: int) -> None:
        if n == failing:
            has_failed.set()
            raise ValueError(n)
        assert has_failed.wait(_SECONDS)
        ended.append(n)
        if n == 2:
            raise ValueError(n)

    with pytest.raises(ValueError, match=str(failing)):
        threads.at_once([partial(call, n) for n in range(3)])
    assert sorted(ended) == [n for n in range(3) if n != failing]


def test_calls_belong_to_the_request_that_makes_them(lines: list[dict[str, Any]]) -> None:
    def call() -> tuple[str, bool]:
        for _ in range(1_000):
            logs.add_usage(aws_calls=1, read_units=0.5)
        deadline.note_write()
        return logs.request_id(), deadline.remaining() <= _SECONDS

    with logs.request("id", "GET", "/images"), deadline.after(_SECONDS):
        assert threads.at_once([call] * 8) == [("id", True)] * 8
        assert "may have been made" in str(deadline.unavailable("Busy."))
    assert [(line["aws_calls"], line["read_units"]) for line in lines] == [(8_000, 4_000)]
