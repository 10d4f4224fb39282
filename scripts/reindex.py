"""Rebuild the terms of all images from their records, while the service runs; see docs/reindex.md.

What `make reindex` runs, in the repository's root: python -m scripts.reindex STAGE [--data FOLDER]
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

# What decides where rows lie, beside the code.
_SETTINGS = ("max_title_words", "max_description_words", "max_filename_words", "max_word_chars", "shards")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file in which a run that ended early has left where to go on."""

    file: Path
    run: str  # what tells its tables and settings from others

    def read(self) -> Position:
        """Where to go on: at the beginning, where there is no file.

        Raises CannotRun: the file is of another run, or none of these.
        """
        try:
            found = json.loads(self.file.read_text())
            of, position = found["run"], Position(Step(found["step"]), found["after"])
        except FileNotFoundError:
            return BEGINNING
        except (OSError, ValueError, KeyError, TypeError):
            raise CannotRun(f"{self.file} is no checkpoint; name another file.") from None
        if of != self.run:
            raise CannotRun(f"{self.file} is of other tables or settings; remove it to begin anew.")
        return position

    def write(self, position: Position | None) -> None:
        """Keep where to go on, whole or not at all; with None, which says that all is done, remove the file."""
        if position is None:
            self.file.unlink(missing_ok=True)
        else:
            write_privately(self.file, {"run": self.run, **asdict(position)})


def rebuild(file: Path = CHECKPOINT, *, dry_run: bool = False, rate: float | None = None) -> None:
    """Rebuild all terms, or what a checkpoint has left of them; say how far it is, and what it did.

    At most `rate` records, then rows, a second are looked at. A dry run begins at the beginning, and keeps no
    checkpoint.
    Raises CannotRun: the checkpoint can't be used, or records can't be read. Raises Unavailable: see rebuild.pages.
    """
    terms = {name: getattr(settings(), name) for name in _SETTINGS}
    tables = catalog.identity()
    checkpoint = Checkpoint(file, f"{tables} {terms}")
    position = BEGINNING if dry_run else checkpoint.read()
    print(f"{tables}{'' if position == BEGINNING else f': goes on as {file} says'}", file=sys.stderr)
    looked_at = dict.fromkeys(Step, 0)
    writes = dict.fromkeys(Step, 0)
    unreadable = 0
    reported = time.monotonic()
    for page in pages(position, dry_run=dry_run):
        looked_at[page.step] += page.looked_at
        writes[page.step] += page.writes
        unreadable += len(page.unreadable)
        for image_id in page.unreadable:
            print(f"The record {image_id!r} can't be read; its rows are left alone.", file=sys.stderr)
        if not dry_run:
            checkpoint.write(page.next)
        if time.monotonic() >= reported + _REPORT_SECONDS:
            reported = time.monotonic()
            print(_report(looked_at, writes, dry_run), file=sys.stderr)
        if rate is not None and page.next is not None:
            time.sleep(page.looked_at / rate)
    print(_report(looked_at, writes, dry_run))
    if unreadable:
        raise CannotRun(f"{unreadable} records can't be read.")


@one_line_errors()
def main() -> None:
    """Find the tables and rebuild their terms."""
    parser = argparse.ArgumentParser(description="Rebuild the terms of all images, while the service runs.")
    parser.add_argument("stage", help="of .chalice/config.json, whose settings count beside the environment's")
    parser.add_argument(
        "--data", type=Path, help="data folder of a running stack, to reach that; else boto3's environment decides"
    )
    parser.add_argument(
        "--checkpoint", type=Path, default=CHECKPOINT, help="file that keeps how far it is (default: %(default)s)"
    )
    parser.add_argument("--rate", type=float, help="most records, then rows, looked at in a second")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    asked = parser.parse_args()
    if asked.rate is not None and not asked.rate > 0:
        parser.error("argument --rate: must be more than 0")
    enter_stage(asked.stage, asked.data)
    try:
        rebuild(asked.checkpoint, dry_run=asked.dry_run, rate=asked.rate)
    except (Unavailable, ClientError, BotoCoreError) as error:
        raise CannotRun(f"Stopped; the same command goes on from there: {error}") from None
    except KeyboardInterrupt:
        raise CannotRun("Interrupted; the same command goes on from there.") from None


def _report(looked_at: dict[Step, int], writes: dict[Step, int], dry_run: bool) -> str:
    would = "to write" if dry_run else "written"
    gone = "to delete" if dry_run else "deleted"
    records, rows = (f"{looked_at[step]} {step} looked at, {writes[step]}" for step in Step)
    return f"{records} items {would}; {rows} {gone}"


if __name__ == "__main__":
    main()
