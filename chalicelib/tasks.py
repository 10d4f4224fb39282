"""Run tasks one by one, so that a task that fails does not stop the others."""

from collections.abc import Callable, Iterable


def run_all(tasks: Iterable[Callable[[], object]]) -> None:
    """Run every task in order, also after one has failed.

    Raises the error of the only task that failed, or an ExceptionGroup of several errors: the caller's function still
    fails, so that Lambda retries it or an alarm fires.
    """
    errors: list[Exception] = []
    for task in tasks:
        try:
            task()
        except Exception as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{len(errors)} tasks failed", errors)
