"""What a shell completes: names of profiles, and tags in use. Nothing is completed if something fails."""

from contextlib import suppress

import typer

from images_api_client.errors import ImagesError

_SECONDS = 2.0  # that a person waits for tags
_MOST_TAGS = 50


def complete_profile(incomplete: str) -> list[str]:
    """Return the names of profiles that begin so."""
    from images_api_client import profiles

    with suppress(ImagesError, OSError):
        return [name for name in profiles.load().by_name if name.startswith(incomplete)]
    return []


def complete_tag(context: typer.Context, incomplete: str) -> list[str]:
    """Return tags in use that begin so: one page of the service's list."""
    from images_api_client import Client
    from images_api_client.cli.connection import Options, chosen
    from images_api_client.transport import Timeouts

    given = context.find_root().params
    options = Options(url=given.get("url"), user=given.get("user"), profile=given.get("profile"))
    with suppress(ImagesError, OSError):
        profile = chosen(options)
        timeouts = Timeouts(connect_seconds=_SECONDS, read_seconds=_SECONDS)
        client = Client(profile.url, token=profile.token, user=profile.user, timeouts=timeouts, attempts=1)
        found = client.transport.json(
            "GET", "/tags", params={"prefix": incomplete, "limit": _MOST_TAGS, "user_id": client.user}
        )
        return [each["tag"] for each in found["tags"]]
    return []
