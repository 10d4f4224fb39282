"""The commands that export all images of an owner to a folder, and import such a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from images_api_client.cli.connection import connect
from images_api_client.cli.output import printable, say
from images_api_client.cli.parameters import Json, NoProgress, Parallel
from images_api_client.cli.runs import Summary, shown_progress

if TYPE_CHECKING:
    from images_api_client.archive.report import Report


def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder. It is created if it does not exist.")],
    prune: Annotated[bool, typer.Option("--prune", help="Delete the files of images that were deleted.")] = False,
    parallel: Parallel = 4,
    json: Json = False,
    no_progress: NoProgress = False,
) -> None:
    """Export your images to a folder, or update it.

    The folder gets the originals, and a line of JSON about each. An export into the same folder updates it: files that
    are there are checked and not fetched again. The exit status is 0 if the export is complete.

    \b
    Example:
      images export backup
    """
    client = connect(context)
    with _resumable(), shown_progress("Exporting", disable=no_progress) as report:
        done = client.export(folder, parallel=parallel, prune=prune, progress=report)
    _end(done, json=json, verbose=context.obj.verbose)


def import_folder(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of an export.")],
    parallel: Parallel = 4,
    json: Json = False,
    no_progress: NoProgress = False,
) -> None:
    """Import the images of an export.

    They keep their ids, times and versions. The service must accept imports, and the images must be yours. What the
    service has is not sent again. At the end, the list of the service is compared with the export. The exit status is 0
    if the service has all of the export.

    \b
    Example:
      images --url https://new.example.com import backup
    """
    from images_api_client.archive import layout

    client = connect(context)
    if client.user is None:  # a service without tokens takes the name of the owner
        context.obj = replace(context.obj, user=layout.complete(folder).owner)
        client = connect(context)
    with _resumable(), shown_progress("Importing", disable=no_progress) as report:
        done = client.import_(folder, parallel=parallel, progress=report)
    _end(done, json=json, verbose=context.obj.verbose)


@contextmanager
def _resumable() -> Iterator[None]:
    """Say on Ctrl-C that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        say("Interrupted. Run the same command again: it goes on where it was.")
        raise


def _end(report: "Report", *, json: bool, verbose: bool) -> None:
    """Print what became of the images. Raises Exit: the status is 1 if something is missing."""
    summary = Summary(report.statuses, json=json, verbose=verbose)
    summary.counts.update(report.counts)
    for problem in report.problems:
        name, image_id = problem.image_id or "records.jsonl", problem.image_id or None
        summary.explain(problem.status, name, problem.reason, image_id=image_id)
    summary.end()
    for note in report.notes:
        say(note) if json else print(printable(note))
    if not report.ok:
        raise typer.Exit(1)
