"""Ids: UUIDv7 (RFC 9562 section 5.7), so that they sort by time of creation."""

import re
import time
from datetime import UTC, datetime, timedelta

import uuid_utils

END = 253_402_300_800_000  # the year 10000, in milliseconds since the epoch

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_id() -> str:
    """A new id, later in order than every id that this process made before."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether `text` is a UUID in its canonical, lower-case form."""
    return _UUID.fullmatch(text) is not None


def created_at(image_id: str) -> str:
    """When a UUIDv7 was made: RFC 3339, UTC, milliseconds. The order of ids is the order of these."""
    return moment(milliseconds(image_id))


def milliseconds(image_id: str) -> int:
    """When a UUIDv7 was made, in milliseconds since the epoch."""
    return int(image_id[:8] + image_id[9:13], 16)


def least(milliseconds: int) -> str:
    """What every UUIDv7 of a time or later is not less than."""
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"


def now() -> str:
    """Return the present time as RFC 3339, UTC, milliseconds."""
    return timestamp(time.time())


def timestamp(seconds: float) -> str:
    """A time since the epoch as RFC 3339, UTC, milliseconds."""
    return moment(int(seconds * 1000))


def moment(milliseconds: int) -> str:
    """A time in milliseconds since the epoch, likewise."""
    found = _EPOCH + timedelta(milliseconds=milliseconds)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds_of(timestamp: str) -> int:
    """The milliseconds since the epoch of a time that `moment` made."""
    return (datetime.fromisoformat(timestamp) - _EPOCH) // _MILLISECOND
