"""The free space of a data folder: writes are refused before the disk is full, and deletions still find room."""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("dev")

MEGABYTE = 1_000_000
MIN_FREE_MB = 100  # the default
_FULL_BYTES = 65_536  # with less than this, a write may fail, whatever the margin is
# A deletion writes a journal of the pages that it changes. This is many times as much.
_RESERVE_BYTES = 4 * MEGABYTE


@dataclass(slots=True)
class Disk:
    """The file systems that the parts of a data folder are on, usually one.

    A file beside the database keeps some space occupied. It is deleted when a deletion finds no other space, and
    written again when there is space.
    """

    parts: Sequence[Path]
    reserve: Path
    margin_mb: int  # MIN_FREE_MB: writes are refused if less is free
    _reported: bool = False

    @property
    def free_bytes(self) -> int:
        """The space that is left for writes, on the file system that has least of it."""
        return min(_free_bytes(part) for part in self.parts)

    @property
    def shortage(self) -> str | None:
        """Why writes are refused, in one sentence; None while there is room."""
        free = self.free_bytes
        if free >= max(self.margin_mb * MEGABYTE, _FULL_BYTES):
            return None
        return (
            f"The disk is full: {free // MEGABYTE} MB are free, and MIN_FREE_MB is {self.margin_mb}; "
            "delete images or other files, then try again."
        )

    def make_room(self) -> None:
        """Give the space of the reserve to a deletion if there is hardly any other."""
        if self.free_bytes < _RESERVE_BYTES:
            self.reserve.unlink(missing_ok=True)

    def watch(self) -> None:
        """Log when the disk becomes full and when it has room again, and occupy the reserve while it has room."""
        shortage = self.shortage
        if shortage and not self._reported:
            log.error("%s The data folder is %s.", shortage, self.reserve.parent.parent)
        if self._reported and not shortage:
            log.warning("The disk has room again.")
        self._reported = bool(shortage)
        if not shortage and not self.reserve.exists() and self.free_bytes > 2 * _RESERVE_BYTES:
            # Random, because some file systems compress. Another program may fill the disk meanwhile.
            with suppress(OSError):
                self.reserve.write_bytes(os.urandom(_RESERVE_BYTES))


def _free_bytes(part: Path) -> int:
    found = os.statvfs(part)
    return found.f_bavail * found.f_frsize
