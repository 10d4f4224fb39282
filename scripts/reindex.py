"""Rebuild the index rows of all images from their records, while the service runs. See docs/reindex.md.

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
from project import CannotRun
from project.command_line import one_line_errors
from project.environment import enter_stage
from project.files import write_privately
from scripts.rebuild import BEGINNING, Position, Step, pages

CHECKPOINT = Path(".reindex.json")
_REPORT_SECONDS = 5

# The settings that the index rows depend on.
_SETTINGS = ("max_title_words", "max_description_words", "max_filename_words", "max_word_chars", "shards")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file that records where a run has stopped."""

    file: Path
    run: str  # identifies the tables and settings

    def read(self) -> Position:
        """Return where to continue: at the beginning if there is no file.

        Raises CannotRun: the file belongs to other tables or settings, or is not a checkpoint.
        """
        try:
            found = json.loads(self.file.read_text())
            of, position = found["run"], Position(Step(found["step"]), found["after"])
        except FileNotFoundError:
            return BEGINNING
        except (OSError, ValueError, KeyError, TypeError):
            raise CannotRun(f"{self.file} is not a checkpoint. Name another file.") from None
        if of != self.run:
            raise CannotRun(f"{self.file} belongs to other tables or settings. Delete it to start from the beginning.")
        return position

    def write(self, position: Position | None) -> None:
        """Record where to continue, by one rename. None means that all is done, and deletes the file."""
        if position is None:
            self.file.unlink(missing_ok=True)
        else:
            write_privately(self.file, {"run": self.run, **asdict(position)})


def rebuild(file: Path = CHECKPOINT, *, dry_run: bool = False, rate: float | None = None) -> None:
    """Rebuild the index rows, starting at the checkpoint if there is one. Prints progress and a summary.

    Reads at most `rate` records, then rows, per second. A dry run starts at the beginning and writes no checkpoint.
    Raises CannotRun: the checkpoint cannot be used, or records cannot be read. Raises Unavailable: see rebuild.pages.
    """
    terms = {name: getattr(settings(), name) for name in _SETTINGS}
    tables = catalog.identity()
    checkpoint = Checkpoint(file, f"{tables} {terms}")
    position = BEGINNING if dry_run else checkpoint.read()
    print(f"{tables}{'' if position == BEGINNING else f': continues where {file} says'}", file=sys.stderr)
    checked = dict.fromkeys(Step, 0)
    writes = dict.fromkeys(Step, 0)
    unreadable = 0
    reported = time.monotonic()
    for page in pages(position, dry_run=dry_run):
        checked[page.step] += page.checked
        writes[page.step] += page.writes
        unreadable += len(page.unreadable)
        for image_id in page.unreadable:
            print(f"The record {image_id!r} cannot be read. Its rows stay as they are.", file=sys.stderr)
        if not dry_run:
            checkpoint.write(page.next)
        if time.monotonic() >= reported + _REPORT_SECONDS:
            reported = time.monotonic()
            print(_report(checked, writes, dry_run), file=sys.stderr)
        if rate is not None and page.next is not None:
            time.sleep(page.checked / rate)
    print(_report(checked, writes, dry_run))
    if unreadable:
        raise CannotRun(f"{unreadable} records cannot be read.")


@one_line_errors()
def main() -> None:
    """Rebuild the index rows of the stage that the command line names."""
    parser = argparse.ArgumentParser(description="Rebuild the index rows of all images while the service runs.")
    parser.add_argument("stage", help="a stage of .chalice/config.json; environment variables override its settings")
    parser.add_argument(
        "--data", type=Path, help="data folder of a running stack; without it, boto3's environment leads to the stage"
    )
    parser.add_argument(
        "--checkpoint", type=Path, default=CHECKPOINT, help="file that records the progress (default: %(default)s)"
    )
    parser.add_argument("--rate", type=float, help="maximum of records, then rows, that are read per second")
    parser.add_argument("--dry-run", action="store_true", help="print what would be written, and write nothing")
    asked = parser.parse_args()
    if asked.rate is not None and not asked.rate > 0:
        parser.error("argument --rate: must be more than 0")
    enter_stage(asked.stage, asked.data)
    try:
        rebuild(asked.checkpoint, dry_run=asked.dry_run, rate=asked.rate)
    except (Unavailable, ClientError, BotoCoreError) as error:
        raise CannotRun(f"Stopped; the same command continues from here: {error}") from None
    except KeyboardInterrupt:
        raise CannotRun("Interrupted; the same command continues from here.") from None


def _report(checked: dict[Step, int], writes: dict[Step, int], dry_run: bool) -> str:
    would = "to write" if dry_run else "written"
    gone = "to delete" if dry_run else "deleted"
    records, rows = (f"{checked[step]} {step} read, {writes[step]}" for step in Step)
    return f"{records} items {would}; {rows} {gone}"


if __name__ == "__main__":
    main()
