"""Measure the gallery in a real browser, with many images on an embedded stack: python -m bench.pages.

The time is from the navigation to the first row of thumbnails that are completely drawn, with an empty cache. The
requests are those of the first screen. They are compared with a gallery that asks `/render` for each picture.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image as Pillow
from playwright.sync_api import Browser, Page, Response

from bench import album, tables
from chalicelib.config import settings
from chalicelib.model import EXTENSIONS, Analysis, Image, Visibility
from chalicelib.pictures import variants
from dev.samples import FOLDER
from dev.stack import Stack, running
from project import CannotRun
from project.browser import launched
from project.command_line import one_line_errors

_CROPS = 40  # different pictures; each image shows one of them
_THREADS = 16
_VIEWPORT: Any = {"width": 1280, "height": 900}
# Notes when the first row is drawn. The page's policy lets no other script wait for it.
_WATCH = """requestAnimationFrame(function watch() {
  const shown = [...document.querySelectorAll("main img")].filter(
    (image) => image.complete && image.naturalWidth && image.getBoundingClientRect().top < innerHeight)
  if (shown.length >= 4) window.firstRowMs = performance.now()
  else requestAnimationFrame(watch)
})"""
_LONGEST_MS = 60_000  # of a visit

Crop = tuple[Analysis, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit with an empty cache."""

    thumbnails_ms: float  # until the first row is drawn
    api_requests: int
    pictures: int  # that were loaded
    page_bytes: int  # of the page and its parts, as sent
    requests: int


@one_line_errors()
def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages")
    parser.add_argument("--images", type=int, default=10_000, help="images in the tables (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="visits; the median counts (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="folder that keeps the tables for the next run")
    options = parser.parse_args()
    with tables.kept(options.data) as data:
        folder = data / f"pages-{options.images}"
        is_new = not folder.exists()
        with running(folder) as stack, launched() as browser:
            if is_new:
                _fill(stack, options.images)
            visits = [_visit(browser, stack.url) for _ in range(options.rounds)]
    print(f"Medians of {options.rounds} visits to the gallery, {options.images:,} images.\n")
    print("| first thumbnails | API requests | pictures | requests in all | page and its parts |")
    print("|---|---|---|---|---|")
    middle = {name: statistics.median(getattr(each, name) for each in visits) for name in Visit.__slots__}
    print(
        f"| {middle['thumbnails_ms']:.0f} ms | {middle['api_requests']:.0f} | {middle['pictures']:.0f} "
        f"| {middle['requests']:.0f} | {middle['page_bytes'] / 1_000:.1f} KB |"
    )
    with_render = middle["api_requests"] + middle["pictures"]
    print(f"\nWith one `/render` for each picture, the API would get {with_render / middle['api_requests']:.0f} times")
    print(f"as many requests: {with_render:.0f}.")


def _visit(browser: Browser, url: str) -> Visit:
    context = browser.new_context(base_url=url, viewport=_VIEWPORT)
    context.add_init_script(_WATCH)
    page = context.new_page()
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))
    page.goto("/")
    milliseconds = _first_row_ms(page)
    page.wait_for_load_state("networkidle")
    host = urlsplit(url).netloc
    own = [each for each in responses if urlsplit(each.url).netloc == host]
    parts = [each for each in own if each.request.resource_type not in ("fetch", "xhr")]
    visit = Visit(
        thumbnails_ms=milliseconds,
        api_requests=len(own) - len(parts),
        pictures=len(responses) - len(own),
        page_bytes=sum(each.request.sizes()["responseBodySize"] for each in parts),
        requests=len(responses),
    )
    context.close()
    return visit


def _first_row_ms(page: Page) -> float:
    """Wait for the first row of thumbnails, and return its time since the navigation began."""
    for _ in range(_LONGEST_MS // 50):
        milliseconds: float | None = page.evaluate("window.firstRowMs")
        if milliseconds is not None:
            return milliseconds
        page.wait_for_timeout(50)
    raise CannotRun(f"The gallery showed no row of thumbnails in {_LONGEST_MS} ms.")


def _fill(stack: Stack, count: int) -> None:
    """Write records, index rows and thumbnails of images, as if they had been uploaded and processed."""
    crops = list(_crops())
    s3 = stack.client("s3")
    limits = settings()

    def write(image: Image) -> None:
        analysis, contents = crops[int(image.checksum, 16) % _CROPS]
        for variant, content in zip(analysis.variants, contents, strict=True):
            key = f"{image.s3_key}/{variant.width}{EXTENSIONS[variant.content_type]}"
            s3.put_object(Bucket=limits.derived_bucket_name, Key=key, Body=content, ContentType=variant.content_type)

    def processed(image: Image) -> Image:
        analysis, _ = crops[int(image.checksum, 16) % _CROPS]
        return replace(
            image, analysis=analysis, width=analysis.width, height=analysis.height, visibility=Visibility.PUBLIC
        )

    images = [processed(image) for image in album.images(0, count)]
    tables.write(stack, images)
    with ThreadPoolExecutor(_THREADS) as pool:
        for done, _ in enumerate(pool.map(write, images), 1):
            if done % 1_000 == 0:
                print(f"{done:>9,} images with thumbnails", file=sys.stderr, flush=True)


def _crops() -> Iterator[Crop]:
    """Yield pictures of several shapes, each 640 pixels wide, cut from the samples."""
    shapes = ((640, 480), (640, 427), (640, 640), (640, 853))
    with tempfile.TemporaryDirectory() as folder:
        samples = sorted(FOLDER.glob("*.jpg"))
        for n in range(_CROPS):
            with Pillow.open(samples[n % len(samples)]) as sample:
                width, height = shapes[n % len(shapes)]
                turned = sample.convert("RGB").rotate(9 * n, expand=False).resize((width, height))
            path = Path(folder) / f"{n}.jpg"
            turned.save(path, quality=85)
            yield variants.make(path)


if __name__ == "__main__":
    main()
