"""Which errors end a run of many transfers: those that the next transfer meets again."""

import errno

from images_api_client.errors import (
    ClientClosed,
    DamagedDownload,
    FileChanged,
    ImagesError,
    NoPicture,
    NotFound,
    OtherContent,
    Rejected,
    Stopped,
    Unaccepted,
    Unauthorized,
)

MOST = 12  # failures in a row

_OF_ONE_IMAGE = (DamagedDownload, FileChanged, NoPicture, NotFound, OtherContent, Rejected, Unaccepted, OSError)
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class FailuresInARow:
    """Counts transfers that failed one after the other, because the service or the storage does not work."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, error: ImagesError | OSError | None) -> None:
        """Note the error of a transfer, or None: it did not fail. Raises Stopped: this was one too many."""
        if error is None:
            self._count = 0
        elif not isinstance(error, _OF_ONE_IMAGE):
            self._count += 1
            if self._count >= MOST:
                raise Stopped(f"Stopped after {self._count} failures in a row. The last one: {error}")


def check_not_final(error: ImagesError | OSError) -> None:
    """Raise an error that the next transfer meets again: the token has expired, or the disk is full."""
    if isinstance(error, Unauthorized | ClientClosed) or (isinstance(error, OSError) and error.errno in _OF_THE_DISK):
        raise error


def sentence(error: ImagesError | OSError) -> str:
    """Return what went wrong with one transfer."""
    if isinstance(error, OSError):
        return f"The file cannot be read or written: {error.strerror or error}."
    return str(error)
