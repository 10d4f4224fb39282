"""Markdown in the form that `make lint` checks, for pages that are generated."""

import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import mdformat

from project import PROJECT


def formatted(text: str) -> str:
    """Return a page as mdformat writes it, with the options of .mdformat.toml."""
    return mdformat.text(text, options=_options(), extensions={"gfm", "tables"})


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with these names of columns."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (names, ["--"] * len(names), *rows))


@cache
def _options() -> dict[str, Any]:
    return tomllib.loads((PROJECT / ".mdformat.toml").read_text())
