"""Tables filled with images of the album: one data folder for each number of images, kept for the next run."""

import hashlib
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import album
from chalicelib.model import Image
from chalicelib.stores import catalog
from dev.stack import Stack, running

_BATCH_ITEMS = 25  # DynamoDB: items per BatchWriteItem call
_THREADS = 8
_PROGRESS_IMAGES = 1_000  # images between two lines of progress


def folder(data: Path, size: int) -> Path:
    """Return the data folder of a stack whose tables have `size` images.

    If there is none, fills a copy of the next smaller one.
    """
    version = _version()
    path = data / f"{version}-{size}"
    if path.exists():
        return path
    sizes = [int(folder.name.split("-")[1]) for folder in data.glob(f"{version}-*[0-9]") if folder.is_dir()]
    smaller = max((other for other in sizes if other < size), default=0)
    growing = data / f"{version}-{size}.growing"
    shutil.rmtree(growing, ignore_errors=True)
    if smaller:
        shutil.copytree(data / f"{version}-{smaller}", growing)
    with running(growing) as stack:
        _grow(stack, smaller, size)
    return growing.rename(path)


def _version() -> str:
    """Return a hash of the items that are written, so that folders of other items are not used."""
    puts = [put for image in album.images(0, 100) for put in _puts(image)]
    return hashlib.sha256(repr(sorted(map(repr, puts))).encode()).hexdigest()[:8]


def _puts(image: Image) -> list[dict[str, Any]]:
    """Return the Put actions of an upload of the image."""
    return [write["Put"] for write in (catalog.put(image), *catalog.rows(None, image))]


def _grow(stack: Stack, start: int, stop: int) -> None:
    dynamodb = stack.client("dynamodb")

    def write(puts: list[dict[str, Any]]) -> None:
        unprocessed: dict[str, list[Any]] = {}
        for put in puts:
            unprocessed.setdefault(put["TableName"], []).append({"PutRequest": {"Item": put["Item"]}})
        while unprocessed:
            unprocessed = dynamodb.batch_write_item(RequestItems=unprocessed)["UnprocessedItems"]

    written = 0
    started = time.monotonic()
    with ThreadPoolExecutor(_THREADS) as pool:
        for first in range(start, stop, _PROGRESS_IMAGES):
            last = min(first + _PROGRESS_IMAGES, stop)
            puts = [put for image in album.images(first, last) for put in _puts(image)]
            list(pool.map(write, [puts[n : n + _BATCH_ITEMS] for n in range(0, len(puts), _BATCH_ITEMS)]))
            written += len(puts)
            seconds = time.monotonic() - started
            print(f"{last:>9,} images, {written / seconds:,.0f} items per second", file=sys.stderr, flush=True)
