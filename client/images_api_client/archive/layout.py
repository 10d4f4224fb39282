"""The folder of an export: `export.json`, `records.jsonl` and the originals.

`export.json` says whose images these are. Each line of `records.jsonl` describes an image as the service does, and
names its file.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from images_api_client.errors import ImagesError, NoExport
from images_api_client.formats import EXTENSIONS
from images_api_client.model import Document, Image

FORMAT = "images-api-export"
VERSION = 1

ABOUT = "export.json"
RECORDS = "records.jsonl"
ORIGINALS = "originals"

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# What a list adds to the metadata of an image: it changes, or gives access to the image.
_ADDED = ("presigned_url", "state", "thumbnail", "variants", "analysis")

_TYPES: dict[str, type] = {
    "image_id": str,
    "user_id": str,
    "title": str,
    "description": str,
    "tags": list,
    "filename": str,
    "content_type": str,
    "size": int,
    "checksum": str,
    "visibility": str,
    "created_at": str,
    "updated_at": str,
    "version": int,
    "file": str,
}


class InvalidRecord(ImagesError):
    """A line of `records.jsonl` is not a record."""


@dataclass(frozen=True, slots=True)
class About:
    """What `export.json` says."""

    owner: str
    service: str  # its address
    exported_at: str | None = None  # RFC 3339, UTC: when the export ended; None: it has not ended yet
    images: int | None = None  # lines of `records.jsonl`

    def write(self, folder: Path) -> None:
        """Write the file, in one step. Raises OSError."""
        part = folder / f"{ABOUT}.part"
        document = {"format": FORMAT, "version": VERSION, **asdict(self)}
        part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
        part.replace(folder / ABOUT)


def about(folder: Path) -> About | None:
    """Return what `export.json` says, or None if there is none.

    Raises NoExport: the file has another format, or a newer version of it. Raises OSError.
    """
    path = folder / ABOUT
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise NoExport(f"{path} is not JSON.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NoExport(f"{path} is not about an export of this program.")
    if document.get("version") != VERSION:
        raise NoExport(f"The export in {folder} has a format that this program does not know: install a newer version.")
    owner, service, images = document.get("owner"), document.get("service"), document.get("images")
    if not (isinstance(owner, str) and owner and isinstance(service, str) and isinstance(images, int | None)):
        raise NoExport(f"{path} does not say whose images these are.")
    return About(owner, service, document.get("exported_at"), images)


def complete(folder: Path) -> About:
    """Return what `export.json` says about an export that can be imported. Raises NoExport, OSError."""
    found = about(folder)
    if found is None:
        raise NoExport(f"{folder} is not an export: it has no file {ABOUT}.")
    if not (folder / RECORDS).is_file():
        raise NoExport(f"The export in {folder} was interrupted: run `images export {folder}` again.")
    return found


def file_of(image: Image) -> str:
    """Return the path of an image's original in the folder. It never changes. Raises InvalidRecord."""
    if not _ID.fullmatch(image.image_id):
        raise InvalidRecord(f"{image.image_id!r} is not the id of an image.")
    month = image.created_at.strftime("%Y/%m")
    return f"{ORIGINALS}/{month}/{image.image_id}{EXTENSIONS.get(image.content_type, '')}"


def record(image: Image) -> dict[str, Any]:
    """Return what `records.jsonl` has of an image: the metadata as the service spells them, and the file."""
    return {**{name: value for name, value in image.document.items() if name not in _ADDED}, "file": file_of(image)}


def is_of_export(path: Path, folder: Path) -> bool:
    """Whether a file has the place and the name of an original, or of the beginning of one."""
    parts = path.relative_to(folder).parts
    return len(parts) == 4 and parts[0] == ORIGINALS and _ID.fullmatch(parts[3].partition(".")[0]) is not None


def lines(folder: Path) -> Iterator[tuple[int, bytes]]:
    """Iterate over the lines of `records.jsonl` with their numbers, from 1 on. Raises OSError."""
    with (folder / RECORDS).open("rb") as file:
        yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())


def parsed(line: bytes, owner: str) -> Document:
    """Read a record of an owner's image. Raises InvalidRecord."""
    try:
        document = json.loads(line)
    except ValueError:
        raise InvalidRecord("The line is not JSON.") from None
    if not isinstance(document, dict):
        raise InvalidRecord("The line is not a JSON object.")
    for name, kind in _TYPES.items():
        if not isinstance(document.get(name), kind):
            raise InvalidRecord(f"The line has no valid {name}.")
    if document["user_id"] != owner:
        raise InvalidRecord(f"The image belongs to {document['user_id']!r}, but the export to {owner!r}.")
    parts = PurePosixPath(document["file"]).parts
    if not parts or parts[0] == "/" or ".." in parts or any(mark in document["file"] for mark in "\\:\0"):
        raise InvalidRecord("The file is not in the folder of the export.")
    return document
