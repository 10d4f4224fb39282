"""Tables with a given number of images, in a data folder for each size, which later runs use again."""

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from bench import album, rows
from chalicelib.model import Image
from chalicelib.stores import catalog
from chalicelib.stores.dynamodb import Write
from dev.stack import Stack, running

# DynamoDB: 100 actions per TransactWriteItems call. DynamoDB Local waits for the disk once for each call, and several
# times for the 25 items of a BatchWriteItem call.
_AT_ONCE = 100
_THREADS = 4
_PART = 10_000  # images at once
_CHECKED = 10  # images whose records and index rows are compared with those of DynamoDB Local, besides special ones
_LONG_CHARS = 500  # of a description that an index row does not contain


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
    """Return a data folder whose tables contain `size` images. Creates it if needed.

    Raises CannotRun: see rows.check.
    """
    edition = _edition()
    found = data / f"{edition}-{size}"
    if found.exists():
        return found
    _check_rows(data)
    growing = data / f"{edition}-{size}.growing"
    shutil.rmtree(growing, ignore_errors=True)
    with running(growing) as stack:
        rows.create_hashes(stack)
        for first in range(0, size, _PART):
            commit(stack, [rows.put_hash(image) for image in album.images(first, min(first + _PART, size))])
    rows.write(growing, size)
    return growing.rename(found)


@cache
def _check_rows(data: Path) -> None:
    """Check once that bench.rows writes what DynamoDB Local writes."""
    updated = [n for n in range(100) if album.image(n).version > 1][:2]
    long = [n for n in range(1_000) if len(album.image(n).description) > _LONG_CHARS][:1]
    images = [album.image(n) for n in sorted({*range(_CHECKED), *updated, *long})]
    checked = data / "checked"
    shutil.rmtree(checked, ignore_errors=True)
    with running(checked) as stack:
        rows.create_hashes(stack)
        commit(stack, [rows.put_hash(image) for image in images])
        write(stack, images)
    rows.check(checked, images)
    shutil.rmtree(checked)


def _edition() -> str:
    """Return a hash that changes if other items would be written."""
    puts = [put["Put"] for image in album.images(0, 100) for put in _puts(image)]
    return hashlib.sha256(repr(sorted(map(repr, puts))).encode()).hexdigest()[:8]


def _puts(image: Image) -> list[Write]:
    """The items that an upload of the image would write."""
    return [catalog.put(image), *catalog.row_writes(None, image)]


def write(stack: Stack, images: Iterable[Image]) -> None:
    """Write what uploads of the images would write, in larger transactions."""
    commit(stack, [put for image in images for put in _puts(image)])


def commit(stack: Stack, writes: Sequence[Write]) -> None:
    """Commit puts of different items, in larger transactions."""
    dynamodb = stack.client("dynamodb")
    started = time.monotonic()

    def send(batch: Sequence[Write]) -> None:
        dynamodb.transact_write_items(TransactItems=batch)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(send, [writes[n : n + _AT_ONCE] for n in range(0, len(writes), _AT_ONCE)]))
    rate = len(writes) / (time.monotonic() - started)
    print(f"{len(writes):>9,} items, {rate:,.0f} a second", file=sys.stderr, flush=True)
