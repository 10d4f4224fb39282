"""Calls that are made at the same time.

Threads start with the first such calls, not at import, and wait for the next ones: a snapshot of Lambda (SnapStart) has
none, and a function that Lambda freezes between two requests has no unfinished call.
"""

from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")

_MAX_THREADS = 16  # of the process: half of the connections that a client of AWS keeps open


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make at least one call, up to 17 at the same time, and return their results in the same order.

    The calls are a part of the request that is being handled: they count for its log line and have its deadline. The
    first one runs in this thread, so a single call needs no other. If calls fail, raises what the first of them raised,
    after all have ended.
    """
    first, *others = calls
    futures: list[Future[T]] = []
    try:
        # A context can run in one thread at a time, so each call has a copy.
        futures.extend(_pool().submit(copy_context().run, call) for call in others)
        result = first()
    finally:
        for future in futures:
            future.exception()  # waits for the end of the call
    return [result, *(future.result() for future in futures)]


@cache
def _pool() -> "ThreadPoolExecutor":
    # Not at the top of the module: most first requests do not need it, and it would make each cold start longer.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_MAX_THREADS, "at-once")
