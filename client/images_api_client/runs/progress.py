"""How far a run of many transfers is."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How far a run is."""

    images: int  # that have an outcome
    size: int  # bytes that were transferred


class Meter:
    """Counts what several threads transfer, and reports it, but not more often than a person can see."""

    def __init__(self, report: Callable[[TransferProgress], None] | None) -> None:
        self._report = report
        self._lock = Lock()
        self._images = self._size = 0
        self._reported_at = 0.0

    def advance(self, size: int) -> None:
        """Note bytes that were transferred; a negative number of bytes has to be transferred again."""
        with self._lock:
            self._size += size
            self._tell()

    def done(self) -> None:
        """Note that an image has an outcome."""
        with self._lock:
            self._images += 1
            self._tell()

    def _tell(self) -> None:
        if self._report and time.monotonic() - self._reported_at > _PAUSE_SECONDS:
            self._reported_at = time.monotonic()
            self._report(TransferProgress(self._images, self._size))
