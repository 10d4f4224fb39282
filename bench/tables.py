"""Tables with a given number of images, in a data folder for each size, which later runs use again."""

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import album
from chalicelib.model import Image
from chalicelib.stores import catalog
from dev.stack import Stack, running

_AT_ONCE = 100  # DynamoDB: writes of a TransactWriteItems. DynamoDB Local writes a transaction to disk at once
_THREADS = 8
_PART = 1_000  # images at once


@contextmanager
def kept(data: Path | None) -> Iterator[Path]:
    """Yield the folder for data of several runs, or a temporary one for a single run."""
    if data is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        data.mkdir(parents=True, exist_ok=True)
        yield data


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
        for first in range(smaller, size, _PART):
            write(stack, album.images(first, min(first + _PART, size)))
    return growing.rename(found)


def _edition() -> str:
    """Return a hash that changes if other items would be written."""
    puts = [put for image in album.images(0, 100) for put in _puts(image)]
    return hashlib.sha256(repr(sorted(map(repr, puts))).encode()).hexdigest()[:8]


def _puts(image: Image) -> list[dict[str, Any]]:
    """The items that an upload of the image would write."""
    return [write["Put"] for write in (catalog.put(image), *catalog.row_writes(None, image))]


def write(stack: Stack, images: Iterable[Image]) -> None:
    """Write what uploads of the images would write, without their transactions."""
    put(stack, [put for image in images for put in _puts(image)])


def put(stack: Stack, puts: Sequence[dict[str, Any]]) -> None:
    """Put different items, each with the name of its table."""
    dynamodb = stack.client("dynamodb")
    started = time.monotonic()

    def write_at_once(first: int) -> None:
        dynamodb.transact_write_items(TransactItems=[{"Put": each} for each in puts[first : first + _AT_ONCE]])

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(write_at_once, range(0, len(puts), _AT_ONCE)))
    rate = len(puts) / (time.monotonic() - started)
    print(f"{len(puts):>9,} items, {rate:,.0f} a second", file=sys.stderr, flush=True)
