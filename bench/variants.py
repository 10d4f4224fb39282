"""Measure the making of variants against other libraries: milliseconds and peak memory.

Each library runs in a process of its own for each photograph, on one processor. pyvips and sharp are installed once
into a folder outside the repository. If one cannot be installed, it is left out, and a line says why.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops

from tests.icc import DISPLAY_P3, matrix_profile

ROOT = Path(__file__).resolve().parent.parent
PYVIPS = ("pyvips==3.2.0", "pyvips-binary==8.18.7")
SHARP = "sharp@0.35.5"

SIZES_PX = {"3 MP": (2_000, 1_500), "12 MP": (4_000, 3_000), "24 MP": (6_000, 4_000)}
_ORIENTATION = 0x0112


class CannotInstall(Exception):
    """A library cannot be installed. The message is the reason, in one line."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The cost of one library for one photograph."""

    milliseconds: float  # median
    peak_mb: float  # VmHWM of the process
    written_kb: float  # size of all variants


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.variants")
    parser.add_argument(
        "--rounds",
        type=int,
        default=7,
        help="repetitions; the median counts (default: %(default)s)",
    )
    folder = Path(tempfile.gettempdir()) / "images-api-engines"
    parser.add_argument("--cache", type=Path, default=folder, help="folder for the libraries (default: %(default)s)")
    options = parser.parse_args()
    commands = _commands(options.cache)
    with tempfile.TemporaryDirectory() as photos:
        print("| photograph | " + " | ".join(commands) + " |")
        print("|---|" + "---|" * len(commands))
        for name, path in _photographs(Path(photos)):
            cells = [_cell(_measured(command, path, options.rounds)) for command in commands.values()]
            print(f"| {name}, {path.stat().st_size / 1e6:.1f} MB | {' | '.join(cells)} |", flush=True)


def _commands(cache: Path) -> Mapping[str, Sequence[str]]:
    """Return the command of each library, without the photograph and the number of rounds."""
    module = "bench.engines."
    service = [sys.executable, "-m", module + "service"]
    found = {
        "this service": service,
        "with its JPEG": ["env", "JPEG_VARIANT_WIDTH_PX=1280", *service],
        "Pillow, each width from the full image": [sys.executable, "-m", module + "plain"],
    }
    ways: dict[str, Callable[[Path], list[str]]] = {"pyvips": _pyvips, "sharp": _sharp}
    for name, install in ways.items():
        try:
            found[name] = install(cache)
        except CannotInstall as reason:
            print(f"{name} is left out: {reason}", file=sys.stderr)
    return found


def _pyvips(cache: Path) -> list[str]:
    folder = cache / "python"
    python = str(folder / "bin" / "python")
    if not (folder / "installed").exists():
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYVIPS])
        (folder / "installed").touch()
    return [python, "-m", "bench.engines.vips"]


def _sharp(cache: Path) -> list[str]:
    folder = cache / "node"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise CannotInstall("Node.js with npm is not on PATH.")
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), SHARP])
        (folder / "installed").touch()
    return [node, str(ROOT / "bench" / "engines" / "sharp.mjs"), str(folder)]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        raise CannotInstall(lines[-1])


def _photographs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield photographs of each size: an enlarged sample with sensor noise, so that the files have realistic sizes."""
    with Image.open(ROOT / "samples" / "hubble-deep-field.jpg") as sample:
        picture = sample.convert("RGB")
    for name, size in SIZES_PX.items():
        photo = _photo(picture, size)
        path = folder / f"{name}.jpg"
        photo.save(path, quality=90)
        yield name, path
        if name == "12 MP":
            exif = Image.Exif()
            exif[_ORIENTATION] = 6
            path = folder / "phone.jpg"
            photo.save(path, quality=90, exif=exif, icc_profile=matrix_profile(DISPLAY_P3, 2.2))
            yield "12 MP, rotated, in Display P3", path


def _photo(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    noise = Image.effect_noise(size, 24)
    return ImageChops.add(picture.resize(size), Image.merge("RGB", (noise,) * 3), 1, -128)


def _measured(command: Sequence[str], path: Path, rounds: int) -> Figures:
    done = subprocess.run(
        [*command, str(path), str(rounds)],
        cwd=ROOT,
        env={**os.environ, "VIPS_CONCURRENCY": "1"},
        # libvips encodes on a second thread, whatever its settings are.
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    return Figures(statistics.median(found["milliseconds"]), found["peak_kb"] / 1000, found["bytes"] / 1000)


def _cell(figures: Figures) -> str:
    return f"{figures.milliseconds:.0f} ms, {figures.peak_mb:.0f} MB, {figures.written_kb:.0f} KB"


if __name__ == "__main__":
    main()
