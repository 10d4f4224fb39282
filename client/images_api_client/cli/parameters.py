"""Parameters that several commands share. Many options together are a dataclass with one option in each field."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

Command = Callable[..., None]


def with_options(name: str, kind: type[Any]) -> Callable[[Command], Command]:
    """Give a command an option for each field of the dataclass `kind`, in place of its parameter `name`.

    Typer reads the options of a command from its signature, and does not know dataclasses.
    """
    fields = dataclasses.fields(kind)

    def decorate(command: Command) -> Command:
        def call(**values: Any) -> None:
            options = kind(**{each.name: values.pop(each.name) for each in fields})
            command(**{name: options}, **values)

        own = [each for each in inspect.signature(command).parameters.values() if each.name != name]
        options = [parameter(each.name, each.type, each.default) for each in fields]
        return with_parameters(call, command, [*options, *own])

    return decorate


def parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    """Return a parameter for `with_parameters`."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def with_parameters(call: Command, command: Command, parameters: Iterable[inspect.Parameter]) -> Command:
    """Return `call` with the name and docstring of a command, and with these parameters as its signature."""
    keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    call.__name__, call.__doc__ = command.__name__, command.__doc__
    call.__annotations__ = {each.name: each.annotation for each in keywords}
    call.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    return call


def image_id_of(text: str) -> str:
    """Return the id of an image in lower case. Raises BadParameter: it is not the whole id of an image."""
    if not _UUID.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not the id of an image: give a whole id, as `images list` prints it.")
    return text.lower()


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")]
ImageId = Annotated[str, typer.Argument(metavar="ID", help="The id of the image.", parser=image_id_of)]
Parallel = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Transfer N files at the same time.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Show no progress.")]
