"""Tables with a given number of images, in a data folder for each size, which later runs use again."""

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

_AT_ONCE = 25  # DynamoDB: writes of a BatchWriteItem
_THREADS = 8
_PART = 1_000  # images per line of progress


def folder(data: Path, size: int) -> Path:
    """Return a data folder whose tables contain `size` images. Creates it from the next smaller one if needed."""
    edition = _edition()
    found = data / f"{edition}-{size}"
    if found.exists():
        return found
    sizes = [int(each.name.split("-")[1]) for each in data.glob(f"{edition}-*[0-9]") if each.is_dir()]
    smaller = max((each for each in sizes if each < size), default=0)
    growing = data / f"{edition}-{size}.growing"
    shutil.rmtree(growing, ignore_errors=True)
    if smaller:
        shutil.copytree(data / f"{edition}-{smaller}", growing)
    with running(growing) as stack:
        _grow(stack, smaller, size)
    return growing.rename(found)


def _edition() -> str:
    """Return a hash that changes if other items would be written."""
    puts = [put for image in album.images(0, 100) for put in _puts(image)]
    return hashlib.sha256(repr(sorted(map(repr, puts))).encode()).hexdigest()[:8]


def _puts(image: Image) -> list[dict[str, Any]]:
    """The items that an upload of the image would write."""
    return [write["Put"] for write in (catalog.put(image), *catalog.row_writes(None, image))]


def _grow(stack: Stack, start: int, stop: int) -> None:
    dynamodb = stack.client("dynamodb")

    def write(puts: list[dict[str, Any]]) -> None:
        left: dict[str, list[Any]] = {}
        for put in puts:
            left.setdefault(put["TableName"], []).append({"PutRequest": {"Item": put["Item"]}})
        while left:
            left = dynamodb.batch_write_item(RequestItems=left)["UnprocessedItems"]

    written = 0
    started = time.monotonic()
    with ThreadPoolExecutor(_THREADS) as pool:
        for first in range(start, stop, _PART):
            last = min(first + _PART, stop)
            puts = [put for image in album.images(first, last) for put in _puts(image)]
            list(pool.map(write, [puts[n : n + _AT_ONCE] for n in range(0, len(puts), _AT_ONCE)]))
            written += len(puts)
            seconds = time.monotonic() - started
            print(f"{last:>9,} images, {written / seconds:,.0f} items a second", file=sys.stderr, flush=True)
