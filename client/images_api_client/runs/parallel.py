"""Work on many things in a few threads, without a list of all of them."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from images_api_client.transport import Transport

_AHEAD = 8  # things that are begun for each thread while an earlier one is not finished

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cancelled(Exception):
    """Work that is not needed any more was stopped."""


class Stop:
    """Tells work in other threads to stop."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Stop the work."""
        self._event.set()

    def checked(self, report: Callable[[int], None]) -> Callable[[int], None]:
        """Return a function for reports of progress that raises Cancelled if the work is to stop."""

        def checked_report(count: int) -> None:
            if self._event.is_set():
                raise Cancelled
            report(count)

        return checked_report


def in_order(
    transport: Transport, work: Callable[[Item, Stop], Result], items: Iterable[Item], parallel: int
) -> Generator[Result, None, None]:
    """Yield what `work` returns for each item, in the order of the items.

    If an item raises, or the generator is closed early, the work that has begun is told to stop, and awaited. Ctrl-C
    also ends the pauses of requests.
    """
    begun: deque[Future[Result]] = deque()
    stop = Stop()
    with ThreadPoolExecutor(parallel) as pool:
        try:
            for item in items:
                begun.append(pool.submit(work, item, stop))
                if len(begun) > _AHEAD * parallel:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        except KeyboardInterrupt:
            transport.close()
            raise
        finally:
            stop.set()
            for future in begun:
                future.cancel()
