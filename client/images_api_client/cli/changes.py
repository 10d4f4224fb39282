"""The commands that change and delete images."""

import sys
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from images_api_client.cli.completion import complete_tag
from images_api_client.cli.connection import SHORT, connect
from images_api_client.cli.output import Misused, Problem, json_line, say, sentence
from images_api_client.cli.parameters import ImageId, Json, image_id_of
from images_api_client.errors import PreconditionFailed, ServiceError, TooManyRequests, Unauthorized, Unavailable

if TYPE_CHECKING:
    from images_api_client import Client, Image

PARALLEL = 4  # deletions at the same time
TURNS = 10  # at adding and removing tags, while others change the image


def edit(
    context: typer.Context,
    image_id: ImageId,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="A new title; '' for none.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="A new description; '' for none.")] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG", help="All tags, in place of the present ones; '' for none.", autocompletion=complete_tag
        ),
    ] = None,
    add_tag: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="One more tag.", autocompletion=complete_tag)
    ] = None,
    remove_tag: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="A tag to remove.", autocompletion=complete_tag)
    ] = None,
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Who sees it: only its owner, or everyone.")
    ] = None,
    if_version: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only if the image still has this version.")
    ] = None,
    json: Json = False,
) -> None:
    """Change an image. What is not given stays as it is, and options of tags may be repeated.

    \b
    Examples:
      images edit 018cc251-f400-7a3b-8c1d-2e3f4a5b6c7d --title "The harbour" --add-tag sea
      images edit 018cc251-f400-7a3b-8c1d-2e3f4a5b6c7d --tag sea --tag summer --private
    """
    if tag and (add_tag or remove_tag):
        raise Misused("Give --tag, or --add-tag and --remove-tag, not both.")
    changes: dict[str, Any] = {"title": title, "description": description}
    if private is not None:
        changes["visibility"] = "private" if private else "public"
    if tag:
        changes["tags"] = [each for each in tag if each]
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes and not add_tag and not remove_tag:
        raise Misused("Say what to change: `images edit --help` lists the options.")
    client = connect(context, attempts=SHORT)
    try:
        if add_tag or remove_tag:
            image = _retagged(client, image_id, add_tag or (), remove_tag or (), changes, if_version)
        else:
            image = client.update(image_id, if_version=if_version, **changes)
    except PreconditionFailed:  # whose sentence is about the header If-Match
        raise Problem(
            f"Nothing is changed: the image is not at version {if_version}. `images view` shows it as it is now."
        ) from None
    if json:
        json_line(image.document)
    else:
        say(f"Changed the image {image.image_id}: it has version {image.version}.")


def delete(
    context: typer.Context,
    image_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Images; - reads ids from standard input.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete images for good. On a terminal, it asks first.

    \b
    Examples:
      images delete 018cc251-f400-7a3b-8c1d-2e3f4a5b6c7d
      images list --mine --tag draft --json | jq -r .image_id | images delete --yes -
    """
    if not yes and ("-" in image_ids or not sys.stdin.isatty()):
        raise Misused("Nothing is deleted: without a terminal on which to ask, give --yes.")
    ids = list(dict.fromkeys(_ids(image_ids)))
    if not ids:
        return
    if not yes:
        what = f"the image {ids[0]}" if len(ids) == 1 else f"{len(ids):,} images"
        typer.confirm(f"Delete {what} for good?", abort=True, err=True)
    from images_api_client.runs.parallel import in_order

    client = connect(context)
    failed = 0
    with closing(in_order(client.transport, partial(_deletion_error, client), ids, PARALLEL)) as errors:
        for image_id, error in zip(ids, errors, strict=True):
            if error:
                say(f"{image_id}: {sentence(error, context.obj.verbose)}")
                failed += 1
    deleted = f"Deleted: {len(ids) - failed:,}."
    say(f"{deleted} Not deleted: {failed:,}." if failed else deleted)
    if failed:
        raise typer.Exit(1)


def _ids(given: Iterable[str]) -> Iterable[str]:
    for each in given:
        if each == "-":
            yield from (image_id_of(line.strip()) for line in sys.stdin if line.strip())
        else:
            yield image_id_of(each)


def _deletion_error(client: "Client", image_id: str, _: object) -> ServiceError | None:
    """Delete an image, and return an error that concerns only this image.

    Raises Unauthorized, TooManyRequests, Unavailable, ConnectionFailed: other images would fail as well.
    """
    try:
        client.delete(image_id)
    except (Unauthorized, TooManyRequests, Unavailable):
        raise
    except ServiceError as error:
        return error
    return None


def _retagged(
    client: "Client",
    image_id: str,
    added: Iterable[str],
    removed: Iterable[str],
    changes: dict[str, Any],
    if_version: int | None,
) -> "Image":
    """Add and remove tags, and make other changes at once. If somebody else changes the image meanwhile, begin again.

    Raises PreconditionFailed: the image is not at `if_version`. Raises ServiceError, ConnectionFailed.
    """
    unwanted = {each.casefold() for each in removed}
    for _ in range(TURNS):
        image = client.get(image_id)
        tags = [each for each in image.tags if each.casefold() not in unwanted]
        present = {each.casefold() for each in tags}
        tags += [each for each in dict.fromkeys(added) if each.casefold() not in present]
        try:
            return client.update(image_id, tags=tags, if_version=if_version or image.version, **changes)
        except PreconditionFailed:
            if if_version is not None:
                raise
    raise Problem("Others change this image all the time: try again later.")
