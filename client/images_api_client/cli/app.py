"""The commands in the order of the help, the options of all commands, and what happens to errors."""

import errno
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from images_api_client.cli import images
from images_api_client.cli.connection import Options
from images_api_client.cli.output import say, sentence
from images_api_client.cli.upload import upload
from images_api_client.errors import ImagesError


class Commands(TyperGroup):
    """Runs a command. An error is one sentence on stderr and exit status 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except (ImagesError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:  # as in `images list | head`
                raise
            say(sentence(error, verbose=isinstance(ctx.obj, Options) and ctx.obj.verbose))
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they print local variables, such as tokens
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from images_api_client import __version__

        typer.echo(f"images {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(envvar="IMAGES_URL", help="The address of the service.")] = None,
    user: Annotated[
        str | None, typer.Option(envvar="IMAGES_USER", help="Who you are, for a service without tokens.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(envvar="IMAGES_PROFILE", help="A stored service: see `images login`.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show the status and the request id of an error of the service.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version, and end.")
    ] = False,
) -> None:
    """Upload, find, edit and download images of the image service images-api."""
    context.obj = Options(url=url, user=user, profile=profile, verbose=verbose)


app.command("upload")(upload)
app.command("list")(images.list_images)
