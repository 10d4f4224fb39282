"""The command that uploads files and folders."""

import os
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from images_api_client.cli.completion import complete_tag
from images_api_client.cli.connection import connect
from images_api_client.cli.output import json_line, out, printable, progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from images_api_client.folders.model import UploadOutcome, UploadProgress

_MOST_PATHS = 20  # that the summary names for each reason
_MOST_REASONS = 20
_STATUSES = ("uploaded", "already there", "refused", "failed")
_STYLES = {"uploaded": "green", "refused": "yellow", "failed": "bold red"}
_NOTES = {"left out": "  (hidden or excluded, not counted above)"}
_DRY_RUN_NOTES = {"found": "  (dry run: nothing was sent)", "uploaded": "  (would be sent)"}


def upload(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.")],
    include: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Only these files, as in a .gitignore. Repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Not these files and folders. Repeatable.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="A tag of every image. Repeatable.", autocompletion=complete_tag),
    ] = None,
    folder_tags: Annotated[
        bool, typer.Option("--folder-tags", help="Also tag with the names of the folders below PATH.")
    ] = False,
    description: Annotated[str, typer.Option(metavar="TEXT", help="The description of every image.")] = "",
    private: Annotated[bool, typer.Option("--private", help="Only you can see the images.")] = False,
    parallel: Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Send N files at the same time.")] = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document a file, and one with totals.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress.")] = False,
) -> None:
    """Upload files, and folders with all that is in them. Hidden files are left out.

    What the service has is not sent again, and an upload that was interrupted or killed goes on. The exit status is 0
    unless a file failed. Files that are refused, because they are not images, are no failure.

    \b
    Examples:
      images upload ~/Pictures --exclude Trash --exclude '*.tif'
      images upload ~/Pictures/2024 scan.png --tag holiday --folder-tags --private
      images upload ~/Pictures --dry-run
    """
    client = connect(context)
    if client.user is None:
        raise typer.BadParameter("An upload needs a user: give --user or a token.")
    shown = progress(disable=no_progress)
    report = _Report(json=json, verbose=context.obj.verbose, dry_run=dry_run, shown=shown)
    try:
        outcomes = client.upload_many(
            paths,
            include=include or (),
            exclude=exclude or (),
            tags=tag or (),
            folder_tags=folder_tags,
            description=description,
            visibility="private" if private else "public",
            parallel=parallel,
            dry_run=dry_run,
            progress=report.note,
        )
    except FileNotFoundError as error:
        raise typer.BadParameter(f"{error.strerror}: {printable(str(error.filename))}") from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    try:
        with shown, closing(outcomes):
            try:
                for outcome in outcomes:
                    report.add(outcome)
            except KeyboardInterrupt:
                client.transport.close()  # so that nothing is tried again
                raise
    finally:
        report.end()
    if report.failed:
        raise typer.Exit(1)


@dataclass(slots=True)
class _Reason:
    """How many files have a reason, and the first of them."""

    count: int = 0
    paths: list[str] = field(default_factory=list)


class _Report:
    """What a person sees of an upload, in a memory that does not grow with the number of files."""

    def __init__(self, *, json: bool, verbose: bool, dry_run: bool, shown: "Progress") -> None:
        self._json = json
        self._verbose = verbose
        self._dry_run = dry_run
        self._shown = shown
        self._task: TaskID | None = None
        self._latest: UploadProgress | None = None
        self._counts: Counter[str] = Counter()
        self._reasons: dict[str, dict[str, _Reason]] = {"refused": {}, "failed": {}}

    @property
    def failed(self) -> bool:
        """Return whether a file failed."""
        return self._counts["failed"] > 0

    def note(self, latest: "UploadProgress") -> None:
        """Show how far the upload is."""
        self._latest = latest
        if self._task is None:
            self._task = self._shown.add_task("Uploading")
        files = f"{latest.files:,} of {latest.all_files:,}{'' if latest.counted else '+'} files"
        self._shown.update(
            self._task,
            description=f"{files}, {latest.processing:,} in processing" if latest.processing else files,
            completed=latest.size,
            total=max(latest.all_size, 1),
        )

    def add(self, outcome: "UploadOutcome") -> None:
        """Count an outcome, and print it if each file is asked for."""
        status, path = str(outcome.status), _text(outcome.path)
        self._counts[status] += 1
        if status in self._reasons:
            reasons = self._reasons[status]
            text = outcome.reason if outcome.reason in reasons or len(reasons) < _MOST_REASONS else "Other reasons."
            reason = reasons.setdefault(text, _Reason())
            reason.count += 1
            if len(reason.paths) < _MOST_PATHS:
                reason.paths.append(path)
        if self._json:
            json_line(
                {"path": path, "status": _key(status), "image_id": outcome.image_id, "reason": outcome.reason or None}
            )
        elif status in self._reasons and self._verbose:
            self._say(f"{status}: {path}: {outcome.reason}")
        elif status == "uploaded" and self._dry_run:
            self._say(f"would be sent: {path}")

    def end(self) -> None:
        """Print the totals. They add up to the files that were found, also if the run was interrupted."""
        done = self._counts.total()
        found = max(done, self._latest.all_files if self._latest else 0)
        totals = {"found": found, **{name: self._counts[name] for name in _STATUSES}}
        if found > done:
            totals["not finished"] = found - done
        if self._latest and self._latest.left_out:
            totals["left out"] = self._latest.left_out
        if self._json:
            reasons = {
                name: {text: reason.count for text, reason in each.items()} for name, each in self._reasons.items()
            }
            counts = {_key(name): count for name, count in totals.items()}
            json_line({"totals": counts, "reasons": reasons, "dry_run": self._dry_run})
            return
        width = max(len(f"{count:,}") for count in totals.values())
        for name, count in totals.items():
            note = _NOTES.get(name, "") or (_DRY_RUN_NOTES.get(name, "") if self._dry_run else "")
            self._say(f"{name:<14}{count:>{width},}{note}", _STYLES.get(name) if count else "dim")
            for text, reason in self._reasons.get(name, {}).items():
                self._say(f"  {reason.count:,} x {text}")
                if not self._verbose:
                    self._paths(reason)

    def _paths(self, reason: "_Reason") -> None:
        for path in reason.paths:
            self._say(f"      {path}")
        if more := reason.count - len(reason.paths):
            self._say(f"      and {more:,} more: --verbose names all")

    def _say(self, line: str, style: str | None = None) -> None:
        if style:
            out().print(printable(line), style=style, soft_wrap=True)
        else:  # ten times as fast, for a million lines
            print(printable(line))


def _key(name: str) -> str:
    return name.replace(" ", "_")


def _text(path: Path) -> str:
    """Return a path as valid text: a name may have bytes that are no UTF-8."""
    return os.fsencode(path).decode(errors="replace")
