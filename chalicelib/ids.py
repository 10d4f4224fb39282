"""Ids: UUIDv7 (RFC 9562 section 5.7), so that they sort by time of creation."""

import re
from datetime import UTC, datetime

import uuid_utils

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_id() -> str:
    """A new id, later in order than every id that this process made before."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether `text` is a UUID in its canonical, lower-case form."""
    return _UUID.fullmatch(text) is not None


def created_at(image_id: str) -> str:
    """When a UUIDv7 was made: RFC 3339, UTC, milliseconds. The order of ids is the order of these."""
    milliseconds = int(image_id[:8] + image_id[9:13], 16)
    return timestamp(milliseconds / 1000)


def timestamp(seconds: float) -> str:
    """A time since the epoch as RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
