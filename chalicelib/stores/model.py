"""Values that the stores return."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with an idempotency key."""

    kind: str  # of request, for an error message: `upload` or `change`
    key: str  # with whom or what it belongs to
    fingerprint: str  # of what the request says: SHA-256, hexadecimal


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """An object, copied to a file."""

    path: Path
    size: int  # bytes
    checksum: str  # SHA-256, hexadecimal
    etag: str  # with its quotes


@dataclass(frozen=True, slots=True)
class UploadForm:
    """How a client sends an object to S3: a POST of these fields and then the file, as multipart/form-data."""

    url: str
    fields: Mapping[str, str]
    expires_in: int  # seconds


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part of a multipart upload that S3 has."""

    number: int  # from 1
    size: int  # bytes
    etag: str  # with its quotes
