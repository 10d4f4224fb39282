"""Values of an upload of folders: what is asked for, a file on its way, and what became of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from images_api_client.folders.scan import Found
from images_api_client.model import Visibility
from images_api_client.uploads import Metadata, plain_text

_TAG_CHARS = 64  # of a folder's name: the service's default of MAX_TAG_CHARS


class UploadStatus(StrEnum):
    """What became of a file."""

    UPLOADED = "uploaded"  # in a dry run: would be sent
    PRESENT = "already there"  # the service had an image with the same bytes, or another file of the run has them
    REFUSED = "refused"  # the file is not an image that the service accepts
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class UploadOutcome:
    """What became of a file, or of a folder that cannot be read."""

    path: Path
    status: UploadStatus
    reason: str = ""  # why it is refused or failed: one sentence
    image_id: str | None = None


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far an upload of folders is."""

    files: int  # that have an outcome
    size: int  # bytes of these files, and what was sent of others
    all_files: int  # found so far
    all_size: int  # bytes
    processing: int  # files that were sent directly to S3, and that the service has yet to check and process
    counted: bool  # whether all files were found
    left_out: int  # files and folders that are hidden or excluded, so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is uploaded, and what is said about each image."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    tags: Sequence[str] = ()
    folder_tags: bool = False  # the names of the folders between the given path and the file are tags
    description: str = ""
    visibility: Visibility = Visibility.PUBLIC
    parallel: int = 4  # files that are sent at the same time
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.parallel < 1:
            raise ValueError("parallel must be 1 or more.")

    def metadata(self, found: Found) -> Metadata:
        """Return what is said about the image of a file."""
        folders = found.folders if self.folder_tags else ()
        return Metadata(
            title=plain_text(found.path.stem),
            description=self.description,
            tags=tuple(dict.fromkeys((*self.tags, *(plain_text(name)[:_TAG_CHARS] for name in folders)))),
            filename=plain_text(found.path.name),
            visibility=self.visibility,
        )


@dataclass(slots=True, eq=False)
class Upload:
    """A file that is sent."""

    found: Found
    checksum: str
    metadata: Metadata
    sent_bytes: int = 0
    sent_at: float = 0.0  # time.monotonic() when the storage had all of a direct upload
    image_id: str = ""
    same: list[Found] = field(default_factory=list)  # files with the same bytes, which wait for this one

    def request(self, user: str) -> str:
        """Return a name of the request: the same file, described in the same way, for the same user."""
        said = json.dumps([self.metadata.fields(user), self.checksum])
        return f"folder-{sha256(said.encode()).hexdigest()}"
