"""Which errors end a run of many transfers: those that the next transfer meets again."""

import errno

from images_api_client.errors import ConnectionFailed, ImagesError, Stopped, Unauthorized

_MOST = 12  # connections that fail in a row
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class FailuresInARow:
    """Counts transfers whose connection failed, one after the other."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, error: Exception | None) -> None:
        """Note the error of a transfer, or None. Raises Stopped: this was one too many."""
        self._count = self._count + 1 if isinstance(error, ConnectionFailed) else 0
        if self._count == _MOST:
            raise Stopped(f"Stopped after {_MOST} failures in a row. The last one: {error}")


def check_not_final(error: ImagesError | OSError) -> None:
    """Raise an error that the next transfer meets again: the token has expired, or the disk is full."""
    if isinstance(error, Unauthorized) or (isinstance(error, OSError) and error.errno in _OF_THE_DISK):
        raise error


def sentence(error: ImagesError | OSError) -> str:
    """Return what went wrong with one transfer."""
    if isinstance(error, OSError):
        return f"The file cannot be read or written: {error.strerror or error}."
    return str(error)
