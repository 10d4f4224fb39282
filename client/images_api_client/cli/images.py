"""The commands that find images and look at them."""

import itertools
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from images_api_client.cli.completion import complete_tag
from images_api_client.cli.connection import SHORT, connect
from images_api_client.cli.filters import FilterOptions, with_filters
from images_api_client.cli.output import Column, Problem, json_line, say, table
from images_api_client.cli.parameters import ImageId, Json
from images_api_client.cli.rows import IMAGE_COLUMNS, details, image_row

if TYPE_CHECKING:
    from images_api_client import Image

SCREENFUL = 100  # images that `list` shows on a terminal, unless --limit says otherwise


@with_filters
def list_images(
    context: typer.Context,
    filters: FilterOptions,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="At most N images. Default: 100 on a terminal, else all."),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="FIELD", help="created_at (the default), updated_at or taken_at.")
    ] = None,
    order: Annotated[str | None, typer.Option(metavar="desc|asc", help="The newest or the oldest first.")] = None,
    json: Json = False,
) -> None:
    """List and search images.

    \b
    Examples:
      images list --mine --tag sea --tag summer
      images list --search "old harbour" --taken-from 1950-01-01 --order asc
      images list --mine --json | jq -r .checksum
    """
    client = connect(context, attempts=SHORT)
    everything = json or not sys.stdout.isatty()
    most = limit or (None if everything else SCREENFUL)
    page_size = min(most + 1, 1_000) if most else 1_000
    found = client.list(sort=sort, order=order, page_size=page_size, **filters.of(client))
    images = itertools.islice(found, most)
    if json:
        for image in images:
            json_line(image.document)
        return
    table(IMAGE_COLUMNS, map(image_row, images))
    if not everything and limit is None and next(found, None):
        say(f"There are more than {SCREENFUL} images: give --limit N, or filters.")


def view(
    context: typer.Context,
    image_id: ImageId,
    exif: Annotated[bool, typer.Option("--exif", help="Add camera, lens and settings.")] = False,
    location: Annotated[bool, typer.Option("--location", help="Add where it was taken; only for its owner.")] = False,
    json: Json = False,
) -> None:
    """Show all metadata of an image.

    The JSON document has presigned URLs: everyone who reads them can open the image for an hour.

    \b
    Examples:
      images view 018cc251-f400-7a3b-8c1d-2e3f4a5b6c7d --exif
      images view 018cc251-f400-7a3b-8c1d-2e3f4a5b6c7d --json | jq .analysis.color
    """
    include = [name for name, asked in (("exif", exif), ("location", location)) if asked]
    image = connect(context, attempts=SHORT).get(image_id, include=include)
    if json:
        json_line(image.document)
    else:
        table((Column("Field", whole=True), Column("Value", wrapped=True)), details(image))


def open_image(
    context: typer.Context,
    image_id: ImageId,
    original: Annotated[
        bool, typer.Option("--original", help="The original file, which a browser may not be able to show.")
    ] = False,
    print_url: Annotated[
        bool, typer.Option("--print", help="Print the URL instead. It may open a private image for an hour.")
    ] = False,
) -> None:
    """Open an image in the browser.

    \b
    Example:
      images open 018cc251-f400-7a3b-8c1d-2e3f4a5b6c7d
    """
    client = connect(context, attempts=SHORT)
    image = client.get(image_id)
    url = image.url if original else _picture_url(image, client.transport.url) or image.url
    if url is None:
        raise Problem("There is nothing to open yet: the image is not processed.")
    if print_url:
        print(url)
        return
    import webbrowser

    if not webbrowser.open(url):
        raise Problem("No browser can be opened here: give --print for the URL.")


def _picture_url(image: "Image", service: str) -> str | None:
    """Return the URL of a picture that every browser shows; None if the service has none that opens without headers.

    The picture of a private image has a signature in its path, unless the service has no secret to sign with.
    """
    path: str | None = image.document.get("render")
    if path is None or (image.visibility == "private" and "?" not in path):
        return None
    return f"{service}/{path}{'&' if '?' in path else '?'}wait=10"


def tags(
    context: typer.Context,
    mine: Annotated[bool, typer.Option("--mine", help="Only of your own images.")] = False,
    owner: Annotated[str | None, typer.Option(metavar="USER", help="Only of images of this owner.")] = None,
    prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Tags that begin so.", autocompletion=complete_tag)
    ] = None,
    json: Json = False,
) -> None:
    """List tags with the number of images that have each.

    \b
    Example:
      images tags --mine --prefix s
    """
    client = connect(context, attempts=SHORT)
    user_id = FilterOptions(mine=mine, owner=owner).of(client).get("user_id")
    found = client.tags(user_id=user_id, prefix=prefix)
    if json:
        for each in found:
            json_line({"tag": each.tag, "count": each.count})
    else:
        columns = (Column("Tag"), Column("Images", right=True))
        table(columns, ((each.tag, str(each.count)) for each in found))


def similar(
    context: typer.Context,
    image_id: ImageId,
    distance: Annotated[
        int | None, typer.Option(min=0, max=3, help="How different they may be: 0 to 3 bits of a hash.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most N images.")] = None,
    json: Json = False,
) -> None:
    """List copies of an image, and images that look like it.

    \b
    Example:
      images similar 018cc251-f400-7a3b-8c1d-2e3f4a5b6c7d --distance 3
    """
    found = connect(context, attempts=SHORT).similar(image_id, distance=distance, limit=limit)
    if json:
        for each in found.images:
            json_line(each.image.document)
    else:
        columns = (*IMAGE_COLUMNS[:2], Column("Likeness", whole=True), *IMAGE_COLUMNS[2:])
        rows = ((each, image_row(each.image)) for each in found.images)
        table(
            columns,
            ((*row[:2], "same file" if each.duplicate else f"{each.distance} bits", *row[2:]) for each, row in rows),
        )
    if not found.complete:
        say("Not all images could be compared: there may be more.")


@with_filters
def count(context: typer.Context, filters: FilterOptions, json: Json = False) -> None:
    """Count images. The filters are those of `images list`.

    \b
    Example:
      images count --mine --tag sea
    """
    client = connect(context, attempts=SHORT)
    counted = client.count(**filters.of(client))
    if json:
        json_line({"count": counted.count, "at_least": counted.at_least})
    else:
        print(counted.count)
        if counted.at_least:
            say("There may be more: the service counts no further.")
