"""Measure the upload of a folder of photographs: the client `images`, a loop of curl, and `aws s3 cp` to the same S3.

Each way gets an embedded stack of its own. The loop of curl sends forms, so the service refuses its large files. The
AWS CLI only copies files: nothing checks them, and there is no record of them.

The stack processes images in the background. The client waits for its large files, which are in
lists once they are processed. So the second time of each row says when all images were processed.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pillow_heif
from PIL import Image, ImageChops

from dev.stack import Stack, running
from project import PROJECT, CannotRun
from project.command_line import one_line_errors
from tests.http.client import Service

AWSCLI = "awscli==1.46.3"
USER = "bench"
BUCKET = "bench-uploads"

_MEGAPIXELS = 1_000_000
_POLL_SECONDS = 1.0
# The share of each kind in 100 files: format, megapixels, and whether the file is cut off.
_KINDS: Mapping[tuple[str, float, bool], int] = {
    ("jpeg", 0.1, False): 10,
    ("jpeg", 0.5, False): 10,
    ("jpeg", 1, False): 15,
    ("jpeg", 2, False): 20,
    ("jpeg", 5, False): 15,
    ("jpeg", 8, False): 9,
    ("jpeg", 12, False): 9,
    ("heif", 3, False): 6,
    ("png", 0.3, False): 4,
    ("jpeg", 1, True): 2,
}
_SUFFIXES = {"jpeg": "jpg", "heif": "heic", "png": "png"}

# Prints the status of each response.
_CURL_LOOP = """
for file in "$2"/*; do
  curl --silent --show-error --output /dev/null --write-out '%{http_code}\\n' \\
    --form-string "user_id=$3" --form "file=@$file" "$1/images"
done
"""

# Runs a command, and prints its exit status and the peak memory of its largest process. A process of its own, because
# Linux counts the memory of the one that starts a command as the command's.
_LAUNCHER = """
import os, sys
silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent), 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one way of uploading did with the folder."""

    seconds: float  # until the command ended
    processed_seconds: float | None  # until all images were processed; None: nothing processes them
    stored: int  # files that the service or S3 has afterwards
    stored_bytes: int
    peak_mb: float  # of the largest process of the client


@one_line_errors()
def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.uploads")
    parser.add_argument("--photographs", type=int, default=2_000, help="number of files (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other files (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="keep the photographs in this folder, and use them again")
    tools = Path(tempfile.gettempdir()) / "images-api-awscli"
    parser.add_argument("--cache", type=Path, default=tools, help="folder for the AWS CLI (default: %(default)s)")
    options = parser.parse_args()
    kept: AbstractContextManager[str] = nullcontext(str(options.folder)) if options.folder else _temporary()
    with kept as name:
        folder = Path(name) / f"{options.photographs}-{options.seed}"
        make(folder, options.photographs, options.seed)
        files = [file.stat().st_size for file in folder.iterdir()]
        print(f"{len(files):,} files, {sum(files) / 1e6:,.0f} MB\n")
        print("| way | sent after, s | processed after, s | images/s | MB/s | refused | peak MB |")
        print("| -- | -- | -- | -- | -- | -- | -- |")
        for way, figures in _measured(folder, options.cache):
            processed = f"{figures.processed_seconds:.1f}" if figures.processed_seconds else "-"
            rates = f"{figures.stored / figures.seconds:.1f} | {figures.stored_bytes / 1e6 / figures.seconds:.1f}"
            refused = len(files) - figures.stored
            print(
                f"| {way} | {figures.seconds:.1f} | {processed} | {rates} | {refused} | {figures.peak_mb:.0f} |",
                flush=True,
            )


def make(folder: Path, number: int, seed: int) -> None:
    """Write photographs to a folder that does not have them yet. Their names and bytes depend on the seed alone.

    Files of one kind have the same picture: they differ by the bytes after it, which decoders ignore.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(seed)  # noqa: S311
    contents: dict[tuple[str, float, bool], bytes] = {}
    for n, kind in enumerate(random.choices(list(_KINDS), list(_KINDS.values()), k=number)):
        file = folder / f"{seed}-{n:06}.{_SUFFIXES[kind[0]]}"
        if file.exists():
            continue
        if kind not in contents:
            contents[kind] = photograph(*kind, seed)
        unique = f"{seed}-{n:06}".encode()
        # A box of the type "free" (ISO/IEC 14496-12), because a HEIC must consist of boxes.
        file.write_bytes(contents[kind] + (len(unique) + 8).to_bytes(4) + b"free" + unique)


def photograph(kind: str, megapixels: float, is_cut_off: bool, seed: int) -> bytes:
    """Return an enlarged sample with sensor noise, so that the file has a realistic size."""
    height = round((megapixels * _MEGAPIXELS * 3 / 4) ** 0.5)
    size = (height * 4 // 3, height)
    with Image.open(PROJECT / "samples" / "hubble-deep-field.jpg") as sample:
        picture = sample.convert("RGB").resize(size)
    noise = Image.frombytes("L", size, Random(seed).randbytes(size[0] * size[1]))  # noqa: S311
    noise = noise.point([value // 5 for value in range(256)])
    content = io.BytesIO()
    ImageChops.add(picture, Image.merge("RGB", (noise,) * 3), 1, -25).save(content, kind, quality=90)
    return content.getvalue()[: content.tell() // 2 if is_cut_off else None]


def _measured(folder: Path, cache: Path) -> Iterator[tuple[str, Figures]]:
    """Yield the figures of each way."""
    yield "`images upload`", _measure(folder, _client, _images, processed=_is_processed)
    yield "a loop of `curl --form`", _measure(folder, _curl, _images, processed=_is_processed)
    try:
        aws = _installed(cache)
    except subprocess.CalledProcessError as failed:
        print(f"The AWS CLI is left out, because it cannot be installed: {failed.stderr.strip()}", file=sys.stderr)
        return
    copy = [str(aws), "s3", "cp", "--recursive", "--only-show-errors", str(folder), f"s3://{BUCKET}/"]
    yield "`aws s3 cp --recursive`, without the service", _measure(folder, lambda *_: copy, _objects)


Command = Callable[[Stack, Path], Sequence[str]]


def _measure(
    folder: Path,
    command: Command,
    stored: Callable[[Stack], list[int]],
    processed: Callable[[Stack], bool] | None = None,
) -> Figures:
    with _temporary() as home, running(Path(home) / "data") as stack:
        stack.client("s3").create_bucket(Bucket=BUCKET)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "IMAGES_", "XDG_"))},
            **stack.environment,
            "HOME": home,
            "PYTHONPATH": str(PROJECT / "client"),
            "IMAGES_URL": stack.url,
            "IMAGES_USER": USER,
        }
        started = time.monotonic()
        launched = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command(stack, folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds = time.monotonic() - started
        status, peak_kb = map(int, launched.stdout.split())
        while processed and not processed(stack):
            time.sleep(_POLL_SECONDS)
        processed_seconds = time.monotonic() - started if processed else None
        sizes = stored(stack)
    if not sizes:
        raise CannotRun(f"Nothing was uploaded; the command ended with exit status {status}.")
    return Figures(seconds, processed_seconds, len(sizes), sum(sizes), peak_kb / 1024)


def _client(stack: Stack, folder: Path) -> Sequence[str]:
    return [sys.executable, "-m", "images_api_client", "upload", str(folder)]


def _curl(stack: Stack, folder: Path) -> Sequence[str]:
    return ["sh", "-c", _CURL_LOOP, "sh", stack.url, str(folder), USER]


def _images(stack: Stack) -> list[int]:
    """Return the size of each listed image."""
    return [image["size"] for page in Service(stack.url).pages(user_id=USER, limit=1000) for image in page]


def _is_processed(stack: Stack) -> bool:
    """Whether no listed image is being processed. The stack processes the oldest first, so the newest say it."""
    newest = Service(stack.url).get("/images", user_id=USER, limit=100, include="analysis")["images"]
    return all(image["state"] != "processing" for image in newest)


def _objects(stack: Stack) -> list[int]:
    """Return the size of each object."""
    pages = stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return [entry["Size"] for page in pages for entry in page.get("Contents", ())]


def _installed(cache: Path) -> Path:
    """Return the AWS CLI of an environment that is made once. Raises CalledProcessError: pip failed."""
    aws = cache / "bin" / "aws"
    if not aws.exists():
        venv.create(cache, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--python", str(cache / "bin" / "python"), "install", "--quiet", AWSCLI]
        subprocess.run(pip, capture_output=True, text=True, check=True)
    return aws


def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="images-api-uploads-")


if __name__ == "__main__":
    pillow_heif.register_heif_opener()
    main()
