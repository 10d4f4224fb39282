"""The commands that store and show profiles: login, logout and profiles."""

import os
import sys
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from images_api_client.cli.completion import complete_profile
from images_api_client.cli.connection import client_of
from images_api_client.cli.output import Column, Problem, json_line, say, table
from images_api_client.cli.parameters import Json
from images_api_client.profiles import Profile, Profiles, load, path, save

if TYPE_CHECKING:
    from images_api_client import Client

VARIABLES = ("IMAGES_URL", "IMAGES_PROFILE", "IMAGES_USER", "IMAGES_TOKEN")  # that come before profiles


def login(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="URL", help="The address of the service.")],
    with_token: Annotated[bool, typer.Option("--with-token", help="Read the token from standard input.")] = False,
) -> None:
    """Store the address of a service and your token.

    They are a profile, which has the name of the host or that of --profile, and becomes the default. On a terminal,
    the token is asked for, unless --user names you for a service without tokens.

    \b
    Examples:
      images login http://127.0.0.1:8000 --user me
      images login https://images.example.com --profile work
      images login https://images.example.com --with-token < token.txt
    """
    user = context.obj.user or os.environ.get("IMAGES_USER")
    profiles = load()  # a damaged file is found before the token is typed
    token = _token(with_token, asked=not user)
    with client_of(Profile(service, user, token), attempts=1) as client:
        _check(client)
        url = client.transport.url
        known = f" as {client.user}" if client.user else ""
    name = context.obj.profile or os.environ.get("IMAGES_PROFILE") or urlsplit(url).netloc
    save(profiles.having(name, Profile(url, user, token)))
    say(f"Logged in to {url}{known}. The profile {name!r} is now the default.")
    _say_what_comes_first()


def logout(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="PROFILE", help="By default the default one.", autocompletion=complete_profile),
    ] = None,
) -> None:
    """Delete a profile with its token.

    \b
    Example:
      images logout work
    """
    profiles = load()
    name = name or context.obj.profile or os.environ.get("IMAGES_PROFILE") or profiles.default
    if name is None:
        raise Problem("There is no default profile: name one that `images profiles` lists.")
    save(_existing(profiles, name).without(name))
    say(f"The profile {name!r} and its token are deleted.")
    if name == profiles.default and len(profiles.by_name) > 1:
        say("No profile is the default now: choose one with `images profiles --default NAME`.")


def list_profiles(
    context: typer.Context,
    default: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Make this profile the default.", autocompletion=complete_profile),
    ] = None,
    json: Json = False,
) -> None:
    """List the services that you have logged in to. Tokens are not shown.

    \b
    Examples:
      images profiles
      images profiles --default work
    """
    profiles = load()
    if default is not None:
        profiles = Profiles(default, _existing(profiles, default).by_name)
        save(profiles)
    if json:
        for name, profile in profiles.by_name.items():
            stored = {"url": profile.url, "user": profile.user, "token": "stored" if profile.token else None}
            json_line({"profile": name, "default": name == profiles.default, **stored})
        return
    columns = (Column(""), Column("Profile"), Column("Service"), Column("User"), Column("Token"))
    rows = [
        ("*" if name == profiles.default else "", name, profile.url, profile.user or "", _token_of(profile))
        for name, profile in profiles.by_name.items()
    ]
    if rows:
        table(columns, rows)
        say(f"They are stored in {path()}.")
    else:
        say("There are no profiles: `images login URL` stores one.")
    _say_what_comes_first()


def _say_what_comes_first() -> None:
    if present := [each for each in VARIABLES if os.environ.get(each)]:
        say(f"The environment comes first: {' and '.join(present)} {'is' if len(present) == 1 else 'are'} set.")


def _existing(profiles: Profiles, name: str) -> Profiles:
    if name not in profiles.by_name:
        raise Problem(f"There is no profile {name!r}: `images profiles` lists them.")
    return profiles


def _token_of(profile: Profile) -> str:
    return "stored" if profile.token else "none"


def _token(with_token: bool, asked: bool) -> str | None:
    """Return the token from standard input or from a hidden prompt; None if the user gives none."""
    if with_token:
        token = sys.stdin.readline().strip()
        if not token:
            raise Problem("Standard input has no token.")
    elif asked and sys.stdin.isatty():
        token = typer.prompt("Token (Enter if you have none)", default="", show_default=False, hide_input=True).strip()
    else:
        return None
    return token or None


def _check(client: "Client") -> None:
    """Check that the service answers, and accepts the token. Raises Problem, ServiceError, ConnectionFailed."""
    from images_api_client.errors import NotFound, UnexpectedAnswer

    try:
        for path, expected in (("/health", "stores"), ("/images?limit=1", "images")):
            client.transport.json("GET", path)[expected]
    except (NotFound, UnexpectedAnswer):
        raise Problem(f"{client.transport.url} is not the address of an images-api: check it.") from None
