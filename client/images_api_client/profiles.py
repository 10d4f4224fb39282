"""Addresses and tokens of services that a user has logged in to: profiles, in a file that only this user can read."""

import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
import tomli_w

from images_api_client.errors import ImagesError


class DamagedProfiles(ImagesError):
    """The file of the profiles cannot be understood."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Where a service is, and who asks it."""

    url: str  # without a slash at its end
    user: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles of a user by their names, and the name of the one that is used by default."""

    default: str | None = None
    by_name: Mapping[str, Profile] = field(default_factory=dict)

    def having(self, name: str, profile: Profile) -> "Profiles":
        """Return these profiles with another one, which becomes the default."""
        return Profiles(name, {**self.by_name, name: profile})

    def without(self, name: str) -> "Profiles":
        """Return these profiles without one. If it was the default, there is none: nothing else is chosen silently."""
        left = {each: profile for each, profile in self.by_name.items() if each != name}
        return Profiles(self.default if self.default in left else None, left)


def path() -> Path:
    """Return the path of the file: ~/.config/images-api/config.toml on Linux."""
    return platformdirs.user_config_path("images-api", appauthor=False) / "config.toml"


def load() -> Profiles:
    """Read the profiles; none if there is no file. Raises DamagedProfiles, OSError."""
    try:
        text = path().read_text(encoding="utf-8")
    except FileNotFoundError:
        return Profiles()
    try:
        document = tomllib.loads(text)
        by_name = {name: Profile(**values) for name, values in document.get("profiles", {}).items()}
    except (tomllib.TOMLDecodeError, TypeError, AttributeError):
        raise DamagedProfiles(f"The file {path()} is damaged: correct it, or delete it and log in.") from None
    return Profiles(document.get("default"), by_name)


def save(profiles: Profiles) -> None:
    """Write the profiles, all or nothing. Only the user can read the file. Raises OSError."""
    target = path().resolve()  # which may be a link into a folder of settings
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    document: dict[str, Any] = {"profiles": {name: _table(profile) for name, profile in profiles.by_name.items()}}
    if profiles.default:
        document = {"default": profiles.default, **document}
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            tomli_w.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _table(profile: Profile) -> dict[str, str]:
    values = {"url": profile.url, "user": profile.user, "token": profile.token}
    return {name: value for name, value in values.items() if value is not None}
