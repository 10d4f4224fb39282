"""The command that uploads files and folders."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from images_api_client.cli.connection import connect
from images_api_client.cli.output import json_line, out, printable, progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from images_api_client.folders.model import FolderProgress, Outcome

_MOST_PATHS = 20  # that the summary names
_MOST_REASONS = 20


def upload(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.")],
    include: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Only these files, as in a .gitignore. Repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Not these files and folders. Repeatable.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="A tag of every image. Repeatable.")] = None,
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
    """Upload files and folders. What the service has is not sent again, and an interrupted upload goes on.

    The exit status is 0 unless a file failed. Files that are refused, because they are not images, are no failure.
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
        with shown:
            report.all(outcomes)
    finally:
        report.end()
    if report.failed:
        raise typer.Exit(1)


class _Report:
    """What a person sees of an upload, in a memory that does not grow with the number of files."""

    def __init__(self, *, json: bool, verbose: bool, dry_run: bool, shown: "Progress") -> None:
        self._json = json
        self._verbose = verbose
        self._dry_run = dry_run
        self._shown = shown
        self._task: TaskID | None = None
        self._latest: FolderProgress | None = None
        self._counts: Counter[str] = Counter()
        self._reasons: dict[str, Counter[str]] = {"refused": Counter(), "failed": Counter()}
        self._named: dict[str, list[Outcome]] = {"refused": [], "failed": []}

    @property
    def failed(self) -> bool:
        """Return whether a file failed."""
        return self._counts["failed"] > 0

    def note(self, latest: "FolderProgress") -> None:
        """Show how far the upload is."""
        self._latest = latest
        if self._task is None:
            self._task = self._shown.add_task("Uploading")
        self._shown.update(
            self._task,
            description=f"{latest.files:,} of {latest.all_files:,}{'' if latest.counted else '+'} files",
            completed=latest.size,
            total=max(latest.all_size, 1),
        )

    def all(self, outcomes: "Iterator[Outcome]") -> None:
        """Take each outcome as it comes."""
        for outcome in outcomes:
            status = str(outcome.status)
            self._counts[status] += 1
            if status in self._reasons:
                reasons = self._reasons[status]
                reason = outcome.reason if outcome.reason in reasons or len(reasons) < _MOST_REASONS else "Others."
                reasons[reason] += 1
                if len(self._named[status]) < _MOST_PATHS:
                    self._named[status].append(outcome)
            if self._json:
                document = {"path": _text(outcome.path), "status": status, "image_id": outcome.image_id}
                json_line({**document, "reason": outcome.reason or None})
            elif self._verbose and status in self._reasons:
                self._shown.console.print(printable(f"{status}: {outcome.path}: {outcome.reason}"), soft_wrap=True)

    def end(self) -> None:
        """Print the totals. They add up to the files that were found, also of a run that was interrupted."""
        done = self._counts.total()
        found = max(done, self._latest.all_files if self._latest else 0)
        totals: dict[str, Any] = {
            "found": found,
            **{name: self._counts[name] for name in ("uploaded", "already there", "refused", "failed")},
            **({"not tried": found - done} if found > done else {}),
            "left out": self._latest.left_out if self._latest else 0,
        }
        if self._json:
            reasons = {name: dict(counter) for name, counter in self._reasons.items()}
            json_line({"totals": totals, "reasons": reasons, "dry_run": self._dry_run})
            return
        self._lines(totals)

    def _lines(self, totals: dict[str, int]) -> None:
        console = out()
        notes = {"left out": "hidden or excluded, not counted above"}
        if self._dry_run:
            notes |= {"uploaded": "would be sent", "found": "dry run: nothing was sent"}
        width = max(len(f"{count:,}") for count in totals.values())
        for name, count in totals.items():
            if name == "left out" and not count:
                continue
            note = f"  ({notes[name]})" if name in notes else ""
            console.print(f"{name:<14}{count:>{width},}{note}", soft_wrap=True, style=_style(name, count))
            for reason, times in self._reasons.get(name, Counter()).most_common():
                console.print(printable(f"  {times:,} x {reason}"), soft_wrap=True)
            if not self._verbose:
                for outcome in self._named.get(name, ()):
                    console.print(printable(f"    {_text(outcome.path)}"), soft_wrap=True)
                if count > _MOST_PATHS and name in self._named:
                    console.print(
                        f"    and {count - _MOST_PATHS:,} more: see them with --json or --verbose", soft_wrap=True
                    )


def _style(name: str, count: int) -> str | None:
    if not count:
        return "dim"
    return {"failed": "bold red", "refused": "yellow", "uploaded": "green"}.get(name)


def _text(path: Path) -> str:
    """Return a path as valid text: a name may have bytes that are no UTF-8."""
    return os.fsencode(path).decode(errors="replace")
