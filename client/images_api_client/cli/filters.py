"""The filters of the API as options, which `list`, `count` and `download` share."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from images_api_client.cli.completion import complete_tag
from images_api_client.cli.output import Misused, Problem
from images_api_client.cli.parameters import with_options

if TYPE_CHECKING:
    from images_api_client.client import Client, Filters


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOptions:
    """Which images a command has. Each field is an option of the command."""

    mine: Annotated[bool, typer.Option("--mine", help="Only your own images.")] = False
    owner: Annotated[str | None, typer.Option(metavar="USER", help="Of this owner.")] = None
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="With this tag. Repeat it: all tags.", autocompletion=complete_tag),
    ] = None
    any_tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG", help="With this tag. Repeat it: at least one of the tags.", autocompletion=complete_tag
        ),
    ] = None
    q: Annotated[
        str | None,
        typer.Option("--search", "-q", metavar="WORDS", help="With these words in any text, or as tags."),
    ] = None
    title: Annotated[str | None, typer.Option(metavar="WORDS", help="With words of the title that begin so.")] = None
    description: Annotated[str | None, typer.Option(metavar="WORDS", help="The same, of the description.")] = None
    filename: Annotated[str | None, typer.Option(metavar="WORDS", help="The same, of the file name.")] = None
    visibility: Annotated[str | None, typer.Option(metavar="public|private", help="Public or private images.")] = None
    content_type: Annotated[str | None, typer.Option(metavar="TYPE", help="Of this type, such as image/jpeg.")] = None
    checksum: Annotated[str | None, typer.Option(metavar="SHA256", help="Whose file has this SHA-256.")] = None
    date_from: Annotated[str | None, typer.Option(metavar="DATE", help="Uploaded at this date or time, or later.")] = (
        None
    )
    date_to: Annotated[str | None, typer.Option(metavar="DATE", help="Uploaded at this date or time, or before.")] = (
        None
    )
    taken_from: Annotated[str | None, typer.Option(metavar="DATE", help="Taken at this date or time, or later.")] = None
    taken_to: Annotated[str | None, typer.Option(metavar="DATE", help="Taken at this date or time, or before.")] = None

    def of(self, client: "Client") -> "Filters":
        """Return the filters for the methods of a client.

        Raises Misused: `--mine` and `--owner` are given. Raises Problem: it is not known whose images `--mine` means.
        """
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        mine, owner = values.pop("mine"), values.pop("owner")
        if mine and owner:
            raise Misused("Give --mine or --owner, not both.")
        if mine and client.user is None:
            raise Problem("It is not known who you are: give --user NAME, or log in.")
        filters = {"user_id": client.user if mine else owner, **values}
        present: Filters = {name: value for name, value in filters.items() if value not in (None, [])}  # type: ignore[assignment]
        return present


# Gives a command these options in place of its parameter `filters: FilterOptions`.
with_filters = with_options("filters", FilterOptions)
