"""Download one image to a file, a folder or a stream."""

import os
from pathlib import Path
from typing import BinaryIO

from images_api_client.downloads import content, receiving
from images_api_client.downloads.folder import FolderFile
from images_api_client.downloads.journal import FolderJournal
from images_api_client.downloads.receiving import Source
from images_api_client.model import Image
from images_api_client.transport import Progress, Transport

_WAIT_SECONDS = 10.0  # for other downloads of one image, which have the journal only for a moment


def download(
    transport: Transport, image: Image, to: str | os.PathLike[str] | BinaryIO, progress: Progress | None
) -> Path | None:
    """Download an image that has a URL, and return the path of its file; None: it went to a stream.

    Raises as receiving.save does. Raises OtherContent: the folder has another file of the image's name.
    """
    source = receiving.source(image)
    total = _Total(progress)
    if not isinstance(to, str | os.PathLike):
        receiving.copy(transport, source, to, total)
        return None
    path = Path(to)
    if path.is_dir():
        return _to_folder(transport, source, path, total)
    if not (source.is_original and content.is_complete(path, image.size, image.checksum)):
        receiving.save(transport, source, path, total)
    return path


def _to_folder(transport: Transport, source: Source, folder: Path, total: "_Total") -> Path:
    # The journal is not open while the file is fetched, so that several runs can fetch to one folder.
    with FolderJournal(folder, wait_seconds=_WAIT_SECONDS) as journal:
        file = FolderFile.of(source, folder, journal)
    if not file.is_complete():
        saved = receiving.save(transport, source, file.path, total)
        with FolderJournal(folder, wait_seconds=_WAIT_SECONDS) as journal:
            journal.saved(source.image, file.extension, saved)
    return file.path


class _Total:
    """Turns how many bytes have come into how many they are in total."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._total = 0

    def __call__(self, count: int) -> None:
        self._total += count
        if self._progress:
            self._progress(self._total)
