"""How long the request or the event that is being handled may still run, and whether it may have changed something."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf

from chalicelib.errors import Unavailable

_LATE = "S3 or DynamoDB is too slow to finish this request in time; try again in a moment."
_CHANGED = (
    " The change may have been made, in part or completely: send the same request again, with the same Idempotency-Key "
    "if it has one."
)


@dataclass(slots=True)
class _Handled:
    ends: float  # on the monotonic clock
    has_written: bool = False


# A new thread starts without this value. threads.at_once gives it to its calls.
_handled: ContextVar[_Handled | None] = ContextVar("handled", default=None)


@contextmanager
def after(seconds: float) -> Iterator[None]:
    """Let the `with` block end in time: from `seconds` on, `check` raises Unavailable."""
    before = _handled.set(_Handled(time.monotonic() + seconds))
    try:
        yield
    finally:
        _handled.reset(before)


def remaining() -> float:
    """Return how many seconds are left; infinitely many outside of requests and events."""
    handled = _handled.get()
    return inf if handled is None else handled.ends - time.monotonic()


def check(seconds: float = 0) -> None:
    """Check that there is time for what takes this many seconds.

    Raises Unavailable.
    """
    if remaining() < seconds:
        raise unavailable(_LATE)


def note_write() -> None:
    """Note that a store may have made a change for this request."""
    handled = _handled.get()
    if handled is not None:
        handled.has_written = True


def unavailable(reason: str) -> Unavailable:
    """Return an error with this reason. If a change may have been made, the message says so."""
    handled = _handled.get()
    return Unavailable(reason + _CHANGED if handled is not None and handled.has_written else reason)
