"""Markdown in the form that `make lint` checks, for pages that are generated."""

import tomllib
from functools import cache
from typing import Any

import mdformat

from project import PROJECT


def formatted(text: str) -> str:
    """Return a page as mdformat writes it, with the options of .mdformat.toml."""
    return mdformat.text(text, options=_options(), extensions={"gfm", "tables"})


@cache
def _options() -> dict[str, Any]:
    return tomllib.loads((PROJECT / ".mdformat.toml").read_text())
