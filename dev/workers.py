"""The processes in which the stack runs the app: forks of the stack's own process.

A fork shares what the stack has opened and imported: the socket of the API, the lock of the data folder, and the memory
of the code. So it costs little time and memory. The stack's process forks while it has no threads and no connections,
and never answers requests itself.
"""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.context import ForkProcess

from dev.processes import SIGNALS, signals_held

log = logging.getLogger("dev")

_STOP_SECONDS = 5
_RESTART_SECONDS = 2
_MAX_DEFAULT = 4  # workers: each takes memory

Work = Callable[[], AbstractContextManager[object]]


class Workers:
    """The forks of this process."""

    def __init__(self, leave: Callable[[], None]) -> None:
        """`leave` runs first in each fork. It closes what only the stack's own process may hold."""
        self._leave = leave
        self._stack_ended, self._stack_runs = os.pipe()
        self._works: dict[str, Work] = {}
        self._started: dict[str, float] = {}  # on the monotonic clock
        self._processes: dict[str, ForkProcess] = {}

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that run now."""
        return [process.pid for process in self._processes.values() if process.pid]

    def start(self, name: str, work: Work) -> None:
        """Fork a process in which the block of `work` runs until the stack ends."""
        self._works[name] = work
        self._started[name] = time.monotonic()
        process = multiprocessing.get_context("fork").Process(target=self._run, args=(work,), name=name, daemon=True)
        with signals_held():
            process.start()
            self._processes[name] = process

    def restart_ended(self) -> None:
        """Start each process again that has ended, at most once in _RESTART_SECONDS."""
        ended = {name: each.exitcode for name, each in self._processes.items() if each.exitcode is not None}
        for name, status in ended.items():
            if time.monotonic() - self._started[name] < _RESTART_SECONDS:
                continue
            log.error("The process %s ended with status %s, and is started again.", name, status)
            try:
                self.start(name, self._works[name])
            except OSError as error:  # for example, too little memory; the next call tries again
                log.error("The process %s could not be started: %s.", name, error.strerror)

    def stop(self) -> None:
        """Let all processes end by SIGTERM, and kill those that do not end in time."""
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in self._processes.values():
            process.join(max(0, deadline - time.monotonic()))
            process.kill()
            process.join()
        os.close(self._stack_runs)
        os.close(self._stack_ended)

    def _run(self, work: Work) -> None:
        for each in SIGNALS:
            # Ctrl-C reaches all processes, and the stack then stops these. A SIGTERM that waits already must stay.
            signal.signal(each, _end if each is signal.SIGTERM else signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        self._leave()
        os.close(self._stack_runs)
        with work():
            os.read(self._stack_ended, 1)  # returns when no process holds the other end: the stack was killed
            os._exit(1)


def default_workers() -> int:
    """Return the number of this machine's processors, at most 4."""
    return min(os.cpu_count() or 1, _MAX_DEFAULT)


@contextmanager
def forked(leave: Callable[[], None]) -> Iterator[Workers]:
    """Yield what forks this process. The forks end with the block, or with this process if it is killed."""
    workers = Workers(leave)
    try:
        yield workers
    finally:
        workers.stop()


def _end(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)
