"""Measure the processor time that the schedule takes to add queued changes of tag counts to their counters.

Run in the root of the repository: python -m bench.tag_changes. The changes are those of uploads of bench/scale/load.py.
"""

import os
import tempfile
import time
from pathlib import Path

from bench.scale import load
from bench.tables import commit
from bench.usage import counted
from chalicelib.tags import store, tags
from dev.stack import running

_CHANGES = 1_000
_CALLS = 3  # of a batch: see tags.apply_changes


def main() -> None:
    """Queue changes on an embedded stack, apply them, and print the cost of a batch."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as stack:
        os.environ.update(stack.environment, AUTH="open", LOG_LEVEL="WARNING")
        commit(stack, [store.queue(change) for change in load.tag_changes(_CHANGES)])
        started = time.process_time()
        with counted() as usage:
            tags.apply_changes()
        seconds = time.process_time() - started
    batches = usage.calls / _CALLS
    print(f"{_CHANGES} changes in {batches:.0f} batches: {_CHANGES / batches:.1f} changes and", end=" ")
    print(f"{1000 * seconds / batches:.0f} ms of processor time each")


if __name__ == "__main__":
    main()
