"""Measure each operation on the embedded stack: milliseconds, AWS calls, read and write units.

Each operation is compared with bare boto3 calls: those that it needs at least. Both run alternately in this process, on
the same tables, so the ratio shows what the service adds. The units are those that DynamoDB Local counts. On AWS a
transaction takes twice the write units.
"""

import argparse
import base64
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from chalice.test import Client, HTTPResponse
from requests_toolbelt import MultipartEncoder

from bench.bare import Bare
from bench.usage import Usage, counted
from dev.stack import Stack, running
from project.command_line import one_line_errors
from tests.pictures import picture

IMAGES = 1_000  # in the tables while lists are measured
PAGE = 20
SIZES_PX = {"200 KB": (300, 223), "3 MB": (1_150, 870)}  # of noise as PNG: 3 bytes a pixel

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one operation."""

    milliseconds: float
    usage: Usage


@dataclass(frozen=True, slots=True)
class Api:
    """The service in this process, called without a socket."""

    client: Client

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> HTTPResponse:
        """Send a request. Its body is JSON unless the headers contain another Content-Type.

        Raises RuntimeError: the response is neither a success nor a redirect.
        """
        sent = {"Content-Type": "application/json", **headers}
        answer = self.client.http.request(method, path, headers=sent, body=body)
        if answer.status_code >= 400:
            raise RuntimeError(answer.body)
        return answer

    def newest(self, tag: str) -> list[str]:
        """Return the newest 100 images with a tag, once all of them are processed."""
        while True:
            page = self.send("GET", f"/images?limit=100&tag={tag}&include=analysis").json_body["images"]
            if all(image["state"] != "processing" for image in page):
                return [image["image_id"] for image in page]
            time.sleep(1)

    def render(self, image_ids: Sequence[str]) -> None:
        """Send a request for the picture of each image."""
        for image_id in image_ids:
            self.send("GET", f"/images/{image_id}/render?w=320")

    def upload(self, body: bytes) -> str:
        """Upload an image, and return its id."""
        return str(self.send("POST", "/images", body).json_body["image_id"])


@one_line_errors()
def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.operations")
    parser.add_argument(
        "--rounds",
        type=int,
        default=100,
        help="repetitions; the median counts (default: %(default)s)",
    )
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as stack:
        os.environ.update(stack.environment, AUTH="open", LOG_LEVEL="WARNING")
        print(f"Medians of {rounds} rounds, {IMAGES} images in the tables, pages of {PAGE}.\n")
        print("| operation | ms | bare ms | ratio | AWS calls | read units | write units |")
        print("|---|---|---|---|---|---|---|")
        for name, ours, bare in operations(stack, rounds):
            cost, least = compared(ours, bare, rounds)
            ratio = cost.milliseconds / least.milliseconds
            used = cost.usage
            print(
                f"| {name} | {cost.milliseconds:.1f} | {least.milliseconds:.1f} | {ratio:.2f} "
                f"| {used.calls} | {used.read_units:g} | {used.write_units:g} |",
                flush=True,
            )


def operations(stack: Stack, rounds: int) -> Iterator[tuple[str, Work, Work]]:
    """Yield each operation: its name, a request to the service, and bare calls."""
    from app import app  # reads the environment variables of the stack

    api = Api(Client(app, stage_name="local"))
    thumbnail = picture(width=32, height=32)
    first, *_ = [api.upload(upload_body(thumbnail, n)) for n in range(IMAGES)]
    bare = Bare.beside(stack, first, PAGE)

    for size, (width, height) in SIZES_PX.items():
        photo = picture(width=width, height=height)
        yield f"upload {size}, 3 tags", partial(api.upload, upload_body(photo)), partial(bare.upload, photo)
    photo = picture(width=300, height=223)
    form = upload_form(photo)
    in_form = partial(api.send, "POST", "/images", form.to_string(), **{"Content-Type": form.content_type})
    yield "upload 200 KB in a form, 3 tags", in_form, partial(bare.upload, photo)
    keys = (f"key-{n}" for n in count())
    keyed = partial(api.send, "POST", "/images", upload_body(photo))
    yield "upload 200 KB with a new key", lambda: keyed(**{"Idempotency-Key": next(keys)}), partial(bare.keyed, photo)
    yield "the same upload and key again", partial(keyed, **{"Idempotency-Key": "key-0"}), bare.look_up_key
    yield "update, 3 tags", partial(api.send, "PUT", f"/images/{first}", b'{"title": "New"}'), bare.update
    kept = api.upload(upload_body(photo))
    binary = partial(api.send, "GET", f"/images/{kept}/download?type=binary")
    yield "download 200 KB, binary", binary, partial(bare.download, kept, f"user-0/{kept}")
    yield "view", partial(api.send, "GET", f"/images/{first}"), partial(bare.view, first)

    def listed(query: str) -> Work:
        return partial(api.send, "GET", f"/images?limit={PAGE}&{query}")

    def both() -> None:
        bare.by_owner("user-1")
        bare.by_tag("tag-1")

    yield "list everything", listed(""), partial(bare.by_tag, "tag-1")
    yield "list by owner", listed("user_id=user-1"), partial(bare.by_owner, "user-1")
    yield "list by tag", listed("tag=tag-1"), partial(bare.by_tag, "tag-1")
    yield "list by owner and tag", listed("user_id=user-1&tag=tag-1"), both

    yield "list by title, which all have", listed("title=dunes"), partial(bare.by_tag, "tag-1")
    hundred = replace(bare, page=100)
    for name, include in (("list 100 by tag", ""), ("list 100 by tag, each with its URL", "&include=url")):
        listed_100 = partial(api.send, "GET", f"/images?limit=100&tag=nature{include}")
        yield name, listed_100, partial(hundred.by_tag, "nature")
    newest = api.newest("nature")
    pictures = partial(api.send, "GET", "/images?limit=100&tag=nature&include=thumbnail,analysis")
    yield "list 100 by tag, with thumbnails", pictures, partial(hundred.by_tag_with_records, "nature")
    yield "100 pictures by /render", partial(api.render, newest), partial(hundred.records, newest)
    yield "count 1,000 by tag", partial(api.send, "GET", "/images/count?tag=nature"), partial(bare.by_tag, "nature")
    yield (
        "list an owner's tags, 500 changes not applied yet",
        partial(api.send, "GET", "/tags?user_id=user-1"),
        partial(bare.tags, "user-1"),
    )

    doomed = iter([api.upload(upload_body(thumbnail)) for _ in range(2 * rounds)])
    yield "delete, 3 tags", lambda: api.send("DELETE", f"/images/{next(doomed)}"), bare.delete


def upload_body(photo: bytes, n: int = 0) -> bytes:
    """Return the JSON of an upload, for one of two owners, with one of ten tags."""
    tags = ["nature", f"tag-{n % 10}", "sand"]
    fields = {"user_id": f"user-{n % 2}", "title": "Dunes", "tags": tags}
    return json.dumps({**fields, "image_data": base64.b64encode(photo).decode()}).encode()


def upload_form(photo: bytes) -> MultipartEncoder:
    """Return the form of an upload."""
    fields = {"user": "user-0", "title": "Dunes", "tags": "nature,tag-0,sand"}
    return MultipartEncoder({**fields, "file": ("dunes.png", photo, "image/png")})


def compared(ours: Work, bare: Work, rounds: int) -> tuple[Cost, Cost]:
    """Return the cost of both, measured alternately, after some rounds that are not counted."""
    times: tuple[list[float], list[float]] = ([], [])
    usages = [Usage(), Usage()]
    for n in range(-rounds // 10, rounds):
        for i, work in enumerate((ours, bare)):
            with counted() as usages[i]:
                started = time.perf_counter()
                work()
                elapsed = time.perf_counter() - started
            if n >= 0:
                times[i].append(elapsed * 1_000)
    first, second = (Cost(statistics.median(each), usage) for each, usage in zip(times, usages, strict=True))
    return first, second


if __name__ == "__main__":
    main()
