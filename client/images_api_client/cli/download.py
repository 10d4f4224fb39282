"""The command that downloads images: one by its id, or those of a query."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from images_api_client.cli.connection import connect
from images_api_client.cli.filters import FilterOptions, with_filters
from images_api_client.cli.output import Misused, printable, progress, say
from images_api_client.cli.parameters import Json, NoProgress, Parallel, image_id_of
from images_api_client.cli.runs import Summary, shown_progress

if TYPE_CHECKING:
    from images_api_client import Client
    from images_api_client.client import Filters

_STDOUT = "-"
_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


@with_filters
def download(
    context: typer.Context,
    filters: FilterOptions,
    image_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="The id of one image.", parser=image_id_of)
    ] = None,
    to: Annotated[
        str, typer.Option("--to", "-o", metavar="PATH", help="A folder. For one image also a file, or - for stdout.")
    ] = ".",
    everything: Annotated[bool, typer.Option("--all", help="All images that you can see.")] = False,
    parallel: Parallel = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Name the files, and download nothing.")] = False,
    json: Json = False,
    no_progress: NoProgress = False,
) -> None:
    """Download one image, or all that filters find.

    The filters are those of `images list`. Files have the names of the images. A complete file is not fetched again,
    and an interrupted download goes on where it was. The exit status is 0 if nothing failed.

    \b
    Examples:
      images download 018cc251-f400-7a3b-8c1d-2e3f4a5b6c7d --to summit.jpg
      images download --mine --tag sea --to sea
    """
    client = connect(context)
    query = filters.of(client)
    if [image_id is not None, bool(query), everything].count(True) != 1:
        raise Misused("Give one of these: the id of an image, filters such as --mine, or --all.")
    if image_id:
        if dry_run or json:
            raise Misused("--dry-run and --json are for downloads of several images.")
        _download_one(client, image_id, to, no_progress=no_progress)
    elif to == _STDOUT:
        raise Misused("Only one image can go to stdout: give its id.")
    else:
        _download_many(
            client,
            query,
            Path(to),
            parallel=parallel,
            dry_run=dry_run,
            json=json,
            verbose=context.obj.verbose,
            no_progress=no_progress,
        )


def _download_one(client: "Client", image_id: str, to: str, *, no_progress: bool) -> None:
    from images_api_client.downloads import receiving
    from images_api_client.downloads.folder import VARIANT

    image = client.get(image_id)
    if to.endswith(_SEPARATORS):
        Path(to).mkdir(parents=True, exist_ok=True)
    if to == _STDOUT:
        client.download(image, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        with progress(disable=no_progress) as shown:
            task = shown.add_task("Downloading", total=image.size)
            path = client.download(image, to, progress=lambda size: shown.update(task, completed=size))
        print(printable(str(path)))
    if not receiving.source(image).is_original:
        say(VARIANT)


def _download_many(
    client: "Client",
    query: "Filters",
    folder: Path,
    *,
    parallel: int,
    dry_run: bool,
    json: bool,
    verbose: bool,
    no_progress: bool,
) -> None:
    from images_api_client.downloads.folder import DownloadStatus

    summary = Summary(DownloadStatus, json=json, verbose=verbose, dry_run=dry_run)
    stopped = True
    try:
        with shown_progress("Downloading", disable=no_progress) as report:
            for outcome in client.download_many(folder, parallel=parallel, dry_run=dry_run, progress=report, **query):
                path = str(outcome.path) if outcome.path else None
                summary.add(
                    outcome.status, path or outcome.image_id, outcome.reason, path=path, image_id=outcome.image_id
                )
        stopped = False
    finally:
        summary.end(stopped=stopped)
    if summary.counts[DownloadStatus.FAILED]:
        raise typer.Exit(1)
