"""Measure this service and what people would use instead, one after the other, each alone on the machine.

Client, requests, photographs and images are the same. All images are public, because the others have no access control.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from functools import partial
from itertools import count, cycle
from pathlib import Path

from bench import album
from bench.answers import Answer
from bench.peers import client, report, servers
from bench.peers.client import Client
from bench.peers.report import HOSTED, OURS, SCAN, SCAN_ALL, THUMBOR, Figures
from bench.peers.servers import Peer
from bench.queries import FREQUENT, OWNER, WORD, Ask
from bench.uploads import photograph
from chalicelib.model import Image, Visibility
from dev.processes import end_on_signals
from dev.samples import FOLDER
from project import PROJECT
from project.command_line import one_line_errors

_PAGE = 20
_ASKS = (
    Ask("newest"),
    Ask("by tag", (FREQUENT,)),
    Ask("by owner", (OWNER,)),
    Ask("by owner and tag", (OWNER, FREQUENT)),
    Ask("by title word", (WORD,)),
)
_MEGAPIXELS = 4.7  # a JPEG of 2 MB
_WIDTH_PX = 320
_FIRST = 8  # photographs whose first thumbnail is timed

# How each service is started, and its ways to read a list: the name of each, and further parameters of its URL.
_PEERS: Mapping[str, tuple[Callable[[Path], AbstractContextManager[Peer]], Mapping[str, str]]] = {
    OURS: (servers.ours, {OURS: ""}),
    SCAN: (servers.scanning, {SCAN: "", SCAN_ALL: "&newest=1"}),
    HOSTED: (servers.self_hosted, {HOSTED: ""}),
}


@one_line_errors()
def main() -> None:
    """Measure, write the figures and a chart, and print tables in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers")
    parser.add_argument("sizes", type=int, nargs="*", default=[1_000, 10_000], help="images in the tables")
    parser.add_argument(
        "--seconds",
        type=float,
        default=2,
        help="time for each figure (default: %(default)s)",
    )
    parser.add_argument("--folder", type=Path, default=PROJECT / "docs", help="for peers.json (default: docs)")
    parser.add_argument("--print", action="store_true", help="only show the figures of an earlier peers.json")
    options = parser.parse_args()
    file = options.folder / "peers.json"
    if not options.print:
        end_on_signals()  # and end the services
        servers.postgres_programs()  # reports that they are missing before anything is measured
        figures = []
        for each in _measured(sorted(options.sizes), options.seconds):
            print(each, file=sys.stderr, flush=True)
            figures.append(each)
        rows = ",\n".join(json.dumps(asdict(each)) for each in figures)
        file.write_text(f"[\n{rows}\n]\n")
    figures = [Figures(**each) for each in json.loads(file.read_text())]
    (options.folder / "peers.svg").write_bytes(report.chart(figures))
    print(report.tables(figures))


def _measured(sizes: Sequence[int], seconds: float) -> Iterator[Figures]:
    small, large = (FOLDER / "coffee.jpg").read_bytes(), photograph("jpeg", _MEGAPIXELS, False, 0)
    images = [replace(each, visibility=Visibility.PUBLIC) for each in album.images(0, max(sizes))]
    for name, (start, ways) in _PEERS.items():
        with tempfile.TemporaryDirectory(prefix="images-api-peers-") as folder, start(Path(folder)) as peer:
            filled = 0
            for size in sizes:
                peer.fill(images[filled:size])
                filled = size
                for way, parameters in ways.items():
                    yield from _lists(peer, way, parameters, images[:size], seconds)
                yield _view(peer, name, images[:size], seconds)
            yield from _uploads(peer, name, small, large, seconds)
            yield from _pictures(peer, name, large, seconds)
    with tempfile.TemporaryDirectory(prefix="images-api-peers-") as folder:
        yield from _thumbor(Path(folder), large, seconds)


def _lists(peer: Peer, way: str, parameters: str, images: Sequence[Image], seconds: float) -> Iterator[Figures]:
    asked = Client(peer.url)
    for ask in _ASKS:
        read = partial(asked.get, f"/images?limit={_PAGE}&{ask.parameters}{parameters}")
        answer = read()
        is_right = [each["image_id"] for each in answer.json()["images"]] == _answer(ask, images)
        usage = asdict(peer.usage(answer))
        yield replace(_timed(way, f"list {ask.name}", read, seconds), size=len(images), is_right=is_right, **usage)


def _answer(ask: Ask, images: Sequence[Image]) -> list[str]:
    """Return the ids of the first page of a list."""
    answer = Answer(ask, _PAGE)
    answer.add(map(ask.sort_key, filter(ask.has, images)), len(images))
    answer.cut()
    return answer.image_ids


def _view(peer: Peer, name: str, images: Sequence[Image], seconds: float) -> Figures:
    asked, paths = Client(peer.url), cycle([f"/images/{image.image_id}" for image in images])
    usage = asdict(peer.usage(asked.get(next(paths))))
    return replace(_timed(name, "view", lambda: asked.get(next(paths)), seconds), size=len(images), **usage)


def _uploads(peer: Peer, name: str, small: bytes, large: bytes, seconds: float) -> Iterator[Figures]:
    asked = Client(peer.url)
    for operation, content in (("upload 60 KB", small), ("upload 2 MB", large)):
        usage = asdict(peer.usage(asked.upload(content)))
        yield replace(_timed(name, operation, partial(asked.upload, content), seconds, asked.settle), **usage)


def _pictures(peer: Peer, name: str, large: bytes, seconds: float) -> Iterator[Figures]:
    asked, ids, times = Client(peer.url), [], []
    for _ in range(_FIRST):
        ids.append(client.image_id(asked.upload(large)))
        started = time.perf_counter()
        asked.picture(_path(ids[-1]))
        times.append(time.perf_counter() - started)
    yield Figures(name, "thumbnail, first request", statistics.median(times) * 1_000)

    again = cycle(ids)
    yield _timed(name, "thumbnail, again", lambda: asked.picture(_path(next(again))), seconds)

    def both() -> None:
        asked.picture(_path(client.image_id(asked.upload(large))))

    yield _timed(name, "upload 2 MB and thumbnail", both, seconds, asked.settle)


def _thumbor(folder: Path, large: bytes, seconds: float) -> Iterator[Figures]:
    photographs = folder / "photographs"
    photographs.mkdir()
    (photographs / "first.jpg").write_bytes(large)
    numbers = count()
    with servers.thumbor(folder, photographs) as address:
        asked = Client(address)

        def path(file: str) -> str:
            return f"/unsafe/{_WIDTH_PX}x0/filters:format(webp)/{file}"

        def first() -> None:
            file = f"{next(numbers)}.jpg"
            os.link(photographs / "first.jpg", photographs / file)
            asked.picture(path(file))

        yield _timed(THUMBOR, "thumbnail, first request", first, seconds)
        again = cycle(range(_FIRST))
        yield _timed(THUMBOR, "thumbnail, again", lambda: asked.picture(path(f"{next(again)}.jpg")), seconds)


def _timed(
    way: str,
    operation: str,
    work: Callable[[], object],
    seconds: float,
    settle: Callable[[], None] = lambda: None,
) -> Figures:
    """Measure the work of one client, then of several. `settle` waits until a service does nothing any more."""
    client.warm_up(work)
    settle()
    milliseconds = client.milliseconds(work, seconds)
    settle()
    figures = Figures(way, operation, milliseconds, client.per_second(work, seconds))
    settle()
    return figures


def _path(image_id: str) -> str:
    return f"/images/{image_id}/render?w={_WIDTH_PX}&wait=10"


if __name__ == "__main__":
    main()
