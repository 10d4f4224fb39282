"""Which service a command calls, and as whom: from options, environment variables and profiles."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from images_api_client.cli.completion import complete_profile
from images_api_client.cli.output import Problem, say

if TYPE_CHECKING:
    from images_api_client import Client
    from images_api_client.profiles import Profile

# Attempts of a short command, which end after some seconds. A transfer keeps the client's own patience.
SHORT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of all commands, as they were given. They are the `obj` of a command's context."""

    url: Annotated[
        str | None, typer.Option(metavar="URL", help="The address of the service. Environment: IMAGES_URL.")
    ] = None
    user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who you are, for a service without tokens. Environment: IMAGES_USER."),
    ] = None
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A service that you have logged in to. Environment: IMAGES_PROFILE.",
            autocompletion=complete_profile,
        ),
    ] = None
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Name all that failed, and the request ids of errors of the service.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterOptions:
    """The same options after the name of a command, where the help does not repeat them."""

    url: Annotated[str | None, typer.Option(hidden=True)] = None
    user: Annotated[str | None, typer.Option(hidden=True)] = None
    profile: Annotated[str | None, typer.Option(hidden=True, autocompletion=complete_profile)] = None
    verbose: Annotated[bool, typer.Option("--verbose", hidden=True)] = False

    def before(self, options: Options) -> Options:
        """Return all options; these take the place of earlier ones."""
        return Options(
            url=self.url or options.url,
            user=self.user or options.user,
            profile=self.profile or options.profile,
            verbose=self.verbose or options.verbose,
        )


def connect(context: typer.Context, *, attempts: int | None = None) -> "Client":
    """Return a client of the chosen service. It is closed when the command ends.

    Raises Problem: no service is chosen. Raises BadAddress, DamagedProfiles, OSError.
    """
    client = client_of(chosen(context.obj), attempts=attempts)
    context.call_on_close(client.transport.close)
    return client


def client_of(profile: "Profile", *, attempts: int | None = None) -> "Client":
    """Return a client of a service. Says so if the network could read the token."""
    from images_api_client import Client
    from images_api_client.transport import ATTEMPTS

    if profile.token and _is_readable(profile.url):
        say(f"Warning: {profile.url} is not https, so the network can read your token.")
    return Client(profile.url, token=profile.token, user=profile.user, attempts=attempts or ATTEMPTS)


def chosen(options: Options) -> "Profile":
    """Return the chosen service: of the options, or else of the environment, or else the default profile.

    A stored token is sent only to the address that it was stored with. A profile that is an option takes nothing from
    the environment. Raises Problem, DamagedProfiles, OSError.
    """
    from images_api_client.profiles import Profile, load

    environment: Mapping[str, str] = {} if options.profile else os.environ
    url, name = options.url, options.profile
    if not url and not name:
        url, name = environment.get("IMAGES_URL"), environment.get("IMAGES_PROFILE")
    url = url and url.strip().rstrip("/")
    profiles = load()
    if name:
        profile = profiles.by_name.get(name)
        if profile is None:
            raise Problem(f"There is no profile {name!r}: `images profiles` lists them.")
        if url and url != profile.url:
            raise Problem(f"The profile {name!r} has another address: choose an address or a profile, not both.")
    elif url:
        same = (each for each in profiles.by_name.values() if each.url == url)
        profile = next(same, Profile(url))
    elif profiles.default and profiles.default in profiles.by_name:
        profile = profiles.by_name[profiles.default]
    else:
        raise Problem("It is not known which service to call: run `images login URL`, or set IMAGES_URL.")
    user = options.user or environment.get("IMAGES_USER") or profile.user
    return Profile(profile.url, user, environment.get("IMAGES_TOKEN") or profile.token)


def _is_readable(url: str) -> bool:
    """Whether requests to an address leave this computer unencrypted."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return False
    host = parts.hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
