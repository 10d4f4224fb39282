"""What files on disk contain."""

import hashlib
from pathlib import Path


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_complete(path: Path, size: int, expected: str) -> bool:
    """Whether a file has a size in bytes and a SHA-256. Raises OSError: also if it does not exist."""
    return path.is_file() and path.stat().st_size == size and checksum(path) == expected
