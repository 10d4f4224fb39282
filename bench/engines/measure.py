"""What the Python programs share. They run in separate processes, because one has a virtual environment of its own."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

WIDTHS = (1920, 1280, 640, 320)
QUALITY = 80
EFFORT = 2


def run(make: Callable[[Path], Sequence[bytes]]) -> None:
    """Make the variants in as many rounds as the command line says, and print milliseconds, bytes and peak memory."""
    path, rounds = Path(sys.argv[1]), int(sys.argv[2])
    milliseconds, sizes = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        contents = make(path)
        milliseconds.append(1000 * (time.perf_counter() - began))
        sizes = sum(map(len, contents))
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"milliseconds": milliseconds, "bytes": sizes, "peak_kb": int(peak.split()[1])}))
