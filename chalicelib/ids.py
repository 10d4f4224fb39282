"""Ids and times. An id is a UUIDv7 (RFC 9562 section 5.7), so ids sort by time of creation.

A timestamp is a time as text: RFC 3339, UTC, with milliseconds. Timestamps sort by time too.
"""

import re
import time
from datetime import UTC, datetime, timedelta

import uuid_utils

# In milliseconds since the epoch: the first timestamp, and a time later than every timestamp (the year 10000).
START = -62_135_596_800_000
END = 253_402_300_800_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_id() -> str:
    """Return a new id that is greater than every id that this process returned before."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether `text` is a UUID in its canonical, lower-case form."""
    return _UUID.fullmatch(text) is not None


def is_uuid7(text: str) -> bool:
    """Whether `text` is a UUIDv7 in its canonical, lower-case form, as `new_id` returns it."""
    return _UUID7.fullmatch(text) is not None


def created_at(image_id: str) -> str:
    """Return the timestamp of a UUIDv7. Ids that sort later have the same timestamp or a later one."""
    return timestamp_of(milliseconds(image_id))


def milliseconds(image_id: str) -> int:
    """Return the time of a UUIDv7 in milliseconds since the epoch."""
    return int(image_id[:8] + image_id[9:13], 16)


def smallest_id(milliseconds: int) -> str:
    """Return a lower bound of every UUIDv7 of this time (milliseconds since the epoch) or a later one."""
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"


def now() -> str:
    """Return the timestamp of the present time."""
    return timestamp(time.time())


def timestamp(seconds: float) -> str:
    """Return the timestamp of a time in seconds since the epoch."""
    return timestamp_of(int(seconds * 1000))


def timestamp_of(milliseconds: int) -> str:
    """Return the timestamp of a time in milliseconds since the epoch."""
    time_utc = _EPOCH + timedelta(milliseconds=milliseconds)
    return time_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(time: str | None) -> str:
    """Return the timestamp of a time of RFC 3339, whose offset may be missing; then it is UTC.

    Empty if there is no time, or if it is outside of the calendar in UTC.
    """
    if time is None:
        return ""
    moment = datetime.fromisoformat(time)
    try:
        in_utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        return ""
    return timestamp_of((in_utc - _EPOCH) // _MILLISECOND)


def milliseconds_of(timestamp: str) -> int:
    """Return the milliseconds since the epoch of a timestamp: the inverse of `timestamp_of`."""
    return (datetime.fromisoformat(timestamp) - _EPOCH) // _MILLISECOND
