"""Rebuild the index of all images from their records, while the service runs; see docs/reindex.md.

`make reindex` runs this in the repository's root: python -m scripts.reindex STAGE [--data FOLDER]
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.config import settings
from chalicelib.errors import Unavailable
from chalicelib.stores import catalog
from dev.environment import enter_stage
from dev.folder import write_privately
from scripts.rebuild import BEGINNING, Position, Step, pages

CHECKPOINT = Path(".reindex.json")
_REPORT_SECONDS = 5  # between two lines of progress

# The settings that decide which rows there are and where they lie.
_SETTINGS = ("max_title_words", "max_description_words", "max_filename_words", "max_word_chars", "shards")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file that keeps the position of a run, so that an interrupted run can continue."""

    file: Path
    run: str  # identifies the tables and settings of the run

    def read(self) -> Position:
        """Return the position to continue at; the beginning if there is no file.

        Raises SystemExit: the file is not a checkpoint, or belongs to another run.
        """
        try:
            checkpoint = json.loads(self.file.read_text())
            run, position = checkpoint["run"], Position(Step(checkpoint["step"]), checkpoint["after"])
        except FileNotFoundError:
            return BEGINNING
        except (OSError, ValueError, KeyError, TypeError):
            raise SystemExit(f"{self.file} is not a checkpoint; choose another file (--checkpoint).") from None
        if run != self.run:
            raise SystemExit(f"{self.file} belongs to other tables or settings; delete it to begin again.")
        return position

    def write(self, position: Position | None) -> None:
        """Write the position atomically. None, at the end of the run, removes the file."""
        if position is None:
            self.file.unlink(missing_ok=True)
        else:
            write_privately(self.file, {"run": self.run, **asdict(position)})


def rebuild(file: Path = CHECKPOINT, *, dry_run: bool = False, rate: float | None = None) -> None:
    """Rebuild the index from the position in a checkpoint on, and print the progress and the result.

    Checks at most `rate` records, then rows, per second. A dry run begins at the beginning and writes no checkpoint.
    Raises SystemExit: the checkpoint cannot be used, or some records cannot be read.
    Raises Unavailable: see rebuild.pages.
    """
    index_settings = {name: getattr(settings(), name) for name in _SETTINGS}
    tables = catalog.identity()
    checkpoint = Checkpoint(file, f"{tables} {index_settings}")
    position = BEGINNING if dry_run else checkpoint.read()
    print(f"{tables}{'' if position == BEGINNING else f': continues from {file}'}", file=sys.stderr)
    checked = dict.fromkeys(Step, 0)
    writes = dict.fromkeys(Step, 0)
    unreadable = 0
    reported = time.monotonic()
    for page in pages(position, dry_run=dry_run):
        checked[page.step] += page.checked
        writes[page.step] += page.writes
        unreadable += len(page.unreadable)
        for image_id in page.unreadable:
            print(f"The record {image_id!r} cannot be read; its rows are not changed.", file=sys.stderr)
        if not dry_run:
            checkpoint.write(page.next)
        if time.monotonic() >= reported + _REPORT_SECONDS:
            reported = time.monotonic()
            print(_report(checked, writes, dry_run), file=sys.stderr)
        if rate is not None and page.next is not None:
            time.sleep(page.checked / rate)
    print(_report(checked, writes, dry_run))
    if unreadable:
        raise SystemExit(f"Records that cannot be read: {unreadable}; they are named above.")


def main() -> None:
    """Find the tables of a stage and rebuild their index."""
    parser = argparse.ArgumentParser(description="Rebuild the index of all images, while the service runs.")
    parser.add_argument("stage", help="stage in .chalice/config.json whose settings are used, after the environment's")
    parser.add_argument(
        "--data",
        type=Path,
        help="data folder of a running local stack, whose tables are rebuilt (default: those that boto3's environment "
        "leads to)",
    )
    parser.add_argument(
        "--checkpoint", type=Path, default=CHECKPOINT, help="file that keeps the position (default: %(default)s)"
    )
    parser.add_argument("--rate", type=float, help="maximum number of records, then rows, per second")
    parser.add_argument("--dry-run", action="store_true", help="only count the writes; write nothing")
    options = parser.parse_args()
    if options.rate is not None and not options.rate > 0:
        parser.error("argument --rate: must be more than 0")
    enter_stage(options.stage, options.data)
    try:
        rebuild(options.checkpoint, dry_run=options.dry_run, rate=options.rate)
    except (Unavailable, ClientError, BotoCoreError) as error:
        raise SystemExit(f"Stopped; run the same command again to continue: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("Interrupted; run the same command again to continue.") from None


def _report(checked: dict[Step, int], writes: dict[Step, int], dry_run: bool) -> str:
    written = "to write" if dry_run else "written"
    deleted = "to delete" if dry_run else "deleted"
    records, rows = (f"{checked[step]} {step} checked, {writes[step]}" for step in Step)
    return f"{records} items {written}; {rows} {deleted}"


if __name__ == "__main__":
    main()
