"""The commands that look at images, and change or delete them."""

import itertools
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from images_api_client.cli.connection import connect
from images_api_client.cli.filters import FilterOptions, with_filters
from images_api_client.cli.output import Column, json_line, say, table

if TYPE_CHECKING:
    from images_api_client import Image

SCREENFUL = 100  # images that `list` shows on a terminal, unless --limit says otherwise

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")]

COLUMNS = (
    Column("Id", whole=True),
    Column("Title or file"),
    Column("Uploaded", whole=True, least_width=80),
    Column("Size", right=True, whole=True, least_width=90),
    Column("Tags", least_width=110),
    Column("Visibility", whole=True, least_width=100),
)


@with_filters
def list_images(
    context: typer.Context,
    filters: FilterOptions,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="At most N images. Default: 100 on a terminal, else all."),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="FIELD", help="By created_at (the default), updated_at or taken_at.")
    ] = None,
    order: Annotated[str | None, typer.Option(metavar="desc|asc", help="Newest or oldest first.")] = None,
    json: Json = False,
) -> None:
    """List and search images."""
    client = connect(context)
    everything = json or not sys.stdout.isatty()
    most = limit or (None if everything else SCREENFUL)
    page_size = min(most + 1, 1_000) if most else 1_000
    found = client.list(sort=sort, order=order, page_size=page_size, **filters.of(client))
    images = itertools.islice(found, most)
    if json:
        for image in images:
            json_line(image.document)
        return
    table(COLUMNS, map(row, images))
    if not everything and limit is None and next(found, None):
        say(f"There are more than {SCREENFUL} images: give --limit N, or filters.")


def row(image: "Image") -> Sequence[str]:
    """Return the cells of an image in a table with COLUMNS."""
    return (
        image.image_id,
        image.title or image.filename,
        moment(image.created_at),
        size(image.size),
        ", ".join(image.tags),
        str(image.visibility),
    )


def moment(time: datetime) -> str:
    """Return a time for a person, in the time zone of the computer."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M")


def size(count: int) -> str:
    """Return a number of bytes for a person: 4.2 MB is 4,200,000 bytes."""
    from rich.filesize import decimal

    return decimal(count)
