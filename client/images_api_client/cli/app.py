"""The commands in the order of the help, the options of all commands, and what happens to errors."""

import errno
import inspect
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from images_api_client.cli import archive, changes, download, images, login
from images_api_client.cli.connection import LaterOptions, Options
from images_api_client.cli.output import Problem, say, sentence
from images_api_client.cli.parameters import Command, parameter, with_options, with_parameters
from images_api_client.cli.upload import upload
from images_api_client.errors import ImagesError


class Commands(TyperGroup):
    """Runs a command. An error is one sentence on stderr and exit status 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # while an error can still be handled
        except (ImagesError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:  # as in `images list | head`
                raise
            say(sentence(error, verbose=isinstance(ctx.obj, Options) and ctx.obj.verbose))
            raise typer.Exit(error.exit_status if isinstance(error, Problem) else 1) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they print local variables, such as tokens
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The first four options may also follow the command. `images COMMAND --help` describes a command.",
)


def _show_version(asked: bool) -> None:
    if asked:
        from images_api_client import __version__

        typer.echo(f"images {__version__}")
        raise typer.Exit


@app.callback()
@with_options("options", Options)
def images_command(
    context: typer.Context,
    options: Options,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Upload, find, edit and download images of the image service images-api."""
    context.obj = options


def _with_later_options(command: Command) -> Command:
    """Let the options of all commands also follow the name of this one."""

    def call(context: typer.Context, later: LaterOptions, **values: Any) -> None:
        context.obj = context.find_root().obj = later.before(context.obj)
        command(context=context, **values)

    own = inspect.signature(command).parameters.values()
    combined = with_parameters(call, command, [*own, parameter("later", LaterOptions)])
    return with_options("later", LaterOptions)(combined)


for _name, _command in (
    ("upload", upload),
    ("list", images.list_images),
    ("view", images.view),
    ("open", images.open_image),
    ("download", download.download),
    ("edit", changes.edit),
    ("delete", changes.delete),
    ("tags", images.tags),
    ("similar", images.similar),
    ("count", images.count),
    ("export", archive.export),
    ("import", archive.import_folder),
    ("login", login.login),
    ("logout", login.logout),
    ("profiles", login.list_profiles),
):
    app.command(_name)(_with_later_options(_command))
