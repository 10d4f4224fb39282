"""Measure how much the embedded stack does in a second: requests of clients, and processing of photographs.

The first table has the processor time of each request, by program, because clients and programs share the processors.
DynamoDB Local is measured alone, too, with the calls that a view and a list need at least: the stack cannot exceed
that. Linux only.
"""

import argparse
import io
import json
import os
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from PIL import Image, ImageChops

from bench.clients import Clients, Load, clients, http_request, memory_mb, peak_mb
from bench.operations import upload_body
from dev.stack import Stack, running
from project import PROJECT
from project.command_line import one_line_errors
from tests.pictures import picture

IMAGES = 1_000
_SIZE_PX = (4_000, 3_000)  # of the photographs
_NOISE_60_KB_PX = (165, 120)  # as PNG: 3 bytes a pixel
_POLL_SECONDS = 0.1

Json = dict[str, Any]


@one_line_errors()
def main() -> None:
    """Measure, and print tables in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.throughput")
    parser.add_argument("--clients", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="of each row (default: %(default)s)")
    parser.add_argument("--photographs", type=int, default=24, help="(default: %(default)s)")
    parser.add_argument("options", nargs="*", help="of `python -m dev run`, after --")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", *options.options) as stack,
        clients(options.clients) as load,
    ):
        _add_images(stack)
        print(f"{os.cpu_count()} processors, {options.clients} clients, {IMAGES} images.\n")
        _measure_requests(stack, load, options.seconds)
        if options.photographs:
            _measure_processing(stack, load, options.photographs)


def _measure_requests(stack: Stack, load: Clients, seconds: float) -> None:
    programs = _programs(stack)
    print(f"| request | per second | p50 ms | p99 ms | processor ms: {' | '.join(programs)} | clients | failed |")
    print("|---" * (6 + len(programs)) + "|")
    for each in _loads(stack):
        figures = load.send(each, seconds, programs)
        times = " | ".join(f"{milliseconds:.2f}" for milliseconds in (*figures.server_ms.values(), figures.client_ms))
        latencies = f"{figures.p50_ms:.1f} | {figures.p99_ms:.1f}"
        print(f"| {each.name} | {figures.per_second:.0f} | {latencies} | {times} | {figures.failed} |", flush=True)
        _wait_until_processed(stack)
    print(f"\nThe service has {memory_mb(programs['service']):.0f} MB.\n")


def _measure_processing(stack: Stack, load: Clients, photographs: int) -> None:
    photograph, service = _photograph(), _programs(stack)["service"]
    print(f"{photographs} JPEGs of 12 megapixels and {len(photograph) / 1e6:.1f} MB:\n")
    print("| processing | images/s | peak MB of the service | views/s | p99 ms |\n|---|---|---|---|---|")
    view = next(_loads(stack))
    with peak_mb(service) as peak:
        alone = _processed_per_second(stack, photograph, photographs)
        print(f"| alone | {alone:.2f} | {peak():.0f} |  |  |", flush=True)
    with peak_mb(service) as peak, ThreadPoolExecutor(1) as beside:
        # About as long as the processing takes alone.
        views = beside.submit(load.send, view, photographs / alone, {})
        rate = _processed_per_second(stack, photograph, photographs)
        figures = views.result()
        print(f"| beside views | {rate:.2f} | {peak():.0f} | {figures.per_second:.0f} | {figures.p99_ms:.0f} |")


def _programs(stack: Stack) -> Mapping[str, Collection[int]]:
    """Return the processes of each program of a stack: its first two children are its engines."""
    service, s3, dynamodb, *others = stack.pids
    return {"service": (service, *others), "DynamoDB Local": (dynamodb,), "S3": (s3,)}


def _loads(stack: Stack) -> Iterator[Load]:
    """Yield requests to the service, and then to DynamoDB Local alone."""
    url = stack.url
    page = requests.get(f"{url}/images?tag=all&limit=100", timeout=60).json()["images"]
    image_ids = [image["image_id"] for image in page]
    yield Load("view", url, [http_request("GET", url, f"/images/{image_id}") for image_id in image_ids])
    for limit in (20, 100):
        target = f"/images?tag=all&limit={limit}"
        yield Load(f"list of {limit} by tag", url, [http_request("GET", url, target)])
    yield Load("health", url, [http_request("GET", url, "/health")])
    width, height = _NOISE_60_KB_PX
    bodies = [upload_body(picture(width=width, height=height, seed=seed)) for seed in range(16)]
    yield Load("upload of 60 KB", url, [http_request("POST", url, "/images", body) for body in bodies])
    gets: list[Json] = [{"TableName": "images", "Key": {"image_id": {"S": image_id}}} for image_id in image_ids]
    yield _dynamodb_load(stack, "GetItem", gets)
    for limit in (20, 100):
        query = {
            "TableName": "image_tags",
            "KeyConditionExpression": "tag = :tag",
            "ExpressionAttributeValues": {":tag": {"S": "all"}},
            "ScanIndexForward": False,
            "Limit": limit + 1,
        }
        yield _dynamodb_load(stack, "Query", [query], f" of {limit} rows")


def _dynamodb_load(stack: Stack, operation: str, bodies: list[Json], of: str = "") -> Load:
    """Return calls of DynamoDB Local. It does not check the signature, only whose database is meant."""
    key_id, region = stack.environment["AWS_ACCESS_KEY_ID"], stack.environment["AWS_REGION"]
    signed = f"AWS4-HMAC-SHA256 Credential={key_id}/20260101/{region}/dynamodb/aws4_request"
    headers = {
        "Authorization": f"{signed}, SignedHeaders=host, Signature=none",
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "X-Amz-Date": "20260101T000000Z",
        "Content-Type": "application/x-amz-json-1.0",
    }
    url = stack.environment["AWS_ENDPOINT_URL_DYNAMODB"]
    sent = [http_request("POST", url, "/", json.dumps(body).encode(), **headers) for body in bodies]
    return Load(f"DynamoDB Local: {operation}{of}", url, sent)


def _add_images(stack: Stack) -> None:
    """Upload small images, and wait until they are processed."""
    _send_all(stack, (picture(seed=number) for number in range(IMAGES)))
    _wait_until_processed(stack)


def _send_all(stack: Stack, photos: Iterable[bytes]) -> None:
    """Upload photos in forms, four at the same time."""

    def send(photo: bytes) -> None:
        fields = {"user_id": "bench", "title": "Dunes", "tags": "all,sand"}
        requests.post(f"{stack.url}/images", fields, files={"file": photo}, timeout=60).raise_for_status()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, photos))


def _processed_per_second(stack: Stack, photograph: bytes, count: int) -> float:
    """Upload photographs, and return how many are processed in a second, from the first upload to the last image."""
    began = time.perf_counter()
    _send_all(stack, [photograph] * count)
    _wait_until_processed(stack)
    return count / (time.perf_counter() - began)


def _wait_until_processed(stack: Stack) -> None:
    """Return when no image is waiting. Asks the database, so that the service has nothing to do meanwhile."""
    dynamodb: Any = stack.client("dynamodb")
    query = {
        "TableName": "images",
        "IndexName": "state-index",
        "KeyConditionExpression": "#state = :state",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":state": {"S": "processing"}},
        "Select": "COUNT",
    }
    while dynamodb.query(**query)["Count"]:
        time.sleep(_POLL_SECONDS)


def _photograph() -> bytes:
    """Return a JPEG of 12 megapixels: an enlarged sample with sensor noise, so that it has a realistic size."""
    with Image.open(PROJECT / "samples" / "hubble-deep-field.jpg") as sample:
        large = sample.convert("RGB").resize(_SIZE_PX)
    noise = Image.effect_noise(_SIZE_PX, 16)
    buffer = io.BytesIO()
    ImageChops.add(large, Image.merge("RGB", (noise,) * 3), 1, -128).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
