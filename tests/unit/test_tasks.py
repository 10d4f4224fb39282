import pytest

from chalicelib import tasks


def test_a_task_that_fails_does_not_stop_the_others() -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        tasks.run_all([lambda: done.append(1), fail, lambda: done.append(2)])
    assert done == [1, 2]


def test_several_errors_are_raised_together() -> None:
    def fail() -> None:
        raise ValueError

    with pytest.raises(ExceptionGroup, match="2 tasks failed") as group:
        tasks.run_all([fail, fail])
    assert [type(error) for error in group.value.exceptions] == [ValueError, ValueError]


def test_tasks_that_succeed_raise_nothing() -> None:
    tasks.run_all([])
    tasks.run_all([lambda: 1])
