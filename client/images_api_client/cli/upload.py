"""The command that uploads files and folders."""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from images_api_client.cli.completion import complete_tag
from images_api_client.cli.connection import connect
from images_api_client.cli.output import printable, progress
from images_api_client.cli.parameters import Json, NoProgress, Parallel
from images_api_client.cli.runs import Summary

if TYPE_CHECKING:
    from rich.progress import Progress

    from images_api_client.folders.model import UploadProgress


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
    parallel: Parallel = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    json: Json = False,
    no_progress: NoProgress = False,
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
    from images_api_client import UploadStatus

    shown = progress(disable=no_progress)
    latest = _Progress(shown)
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
            progress=latest.note,
        )
    except FileNotFoundError as error:
        raise typer.BadParameter(f"{error.strerror}: {printable(str(error.filename))}") from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    summary = Summary(UploadStatus, json=json, verbose=context.obj.verbose, dry_run=dry_run)
    try:
        with shown, closing(outcomes):
            try:
                for outcome in outcomes:
                    path = _text(outcome.path)
                    summary.add(outcome.status, path, outcome.reason, path=path, image_id=outcome.image_id)
            except KeyboardInterrupt:
                client.transport.close()  # so that nothing is tried again
                raise
    finally:
        # Also if the run was interrupted: before then, files were found that have no outcome.
        summary.end(unfinished=max(0, latest.found - summary.counts.total()), left_out=latest.left_out)
    if summary.counts[UploadStatus.FAILED]:
        raise typer.Exit(1)


class _Progress:
    """How far an upload is, as it was told last, on the terminal."""

    def __init__(self, shown: "Progress") -> None:
        self._shown = shown
        self._task = shown.add_task("Uploading", total=None)
        self._latest: UploadProgress | None = None

    def note(self, latest: "UploadProgress") -> None:
        """Show how far the upload is."""
        self._latest = latest
        files = f"{latest.files:,} of {latest.all_files:,}{'' if latest.counted else '+'} files"
        self._shown.update(
            self._task,
            description=f"{files}, {latest.processing:,} in processing" if latest.processing else files,
            completed=latest.size,
            total=max(latest.all_size, 1),
        )

    @property
    def found(self) -> int:
        """The number of files that were found."""
        return self._latest.all_files if self._latest else 0

    @property
    def left_out(self) -> int:
        """The number of files and folders that were left out."""
        return self._latest.left_out if self._latest else 0


def _text(path: Path) -> str:
    """Return a path as valid text: a name may have bytes that are no UTF-8."""
    return os.fsencode(path).decode(errors="replace")
