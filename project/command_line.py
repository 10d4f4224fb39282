"""How a command reports an error that a person can correct."""

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.config import WrongSetting
from project import CannotRun


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with one line on stderr and exit status 1 when the block raises CannotRun or WrongSetting.

    Also a decorator, for `main` functions.
    """
    try:
        yield
    except (CannotRun, WrongSetting) as error:
        raise SystemExit(str(error)) from None
