"""Which service a command calls, as whom: from options, environment variables and profiles."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from images_api_client.cli.output import Problem

if TYPE_CHECKING:
    from images_api_client import Client
    from images_api_client.profiles import Profile


@dataclass(slots=True)
class Options:
    """The options that every command has. They are the `obj` of its context."""

    url: str | None = None
    user: str | None = None
    profile: str | None = None
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The service that a command calls, and the name of the profile it comes from."""

    profile: "Profile"
    name: str | None


def connect(context: typer.Context) -> "Client":
    """Return a client of the chosen service. It is closed when the command ends.

    Raises Problem: no service is chosen. Raises DamagedProfiles, OSError.
    """
    from images_api_client import Client

    profile = target(context.obj).profile
    client = Client(profile.url, token=profile.token, user=profile.user)
    context.call_on_close(client.transport.close)
    return client


def target(options: Options) -> Target:
    """Return the chosen service: the address that is given or else that of a profile.

    A stored token is only sent to the address that it was stored with. Raises Problem, DamagedProfiles, OSError.
    """
    from images_api_client import profiles

    stored = profiles.load()
    name = options.profile or (None if options.url else stored.default)
    if options.profile and options.profile not in stored.by_name:
        raise Problem(f"There is no profile {options.profile!r}: see `images profiles`.")
    if name is None and options.url:
        name = next((each for each, profile in stored.by_name.items() if _same(profile.url, options.url)), None)
    profile = stored.by_name.get(name) if name else None
    if profile and options.url and not _same(profile.url, options.url):
        profile = None
    url = options.url or (profile.url if profile else None)
    if not url:
        raise Problem("No service is chosen: run `images login URL`, or set IMAGES_URL.")
    user = options.user or (profile.user if profile else None)
    token = os.environ.get("IMAGES_TOKEN") or (profile.token if profile else None)
    return Target(profiles.Profile(url.rstrip("/"), user, token), name if profile else None)


def _same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")
