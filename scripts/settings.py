"""Keep the table of settings in README.md equal to chalicelib/config.py.

What `make settings` runs, in the repository's root: python -m scripts.settings
"""

from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from chalicelib.config import Settings

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- settings: written by `make settings` -->\n", "<!-- end of settings -->\n"


def table() -> str:
    """All settings, in Markdown: one row each, in the order of config.py."""
    rows = "".join(_row(spec) for spec in fields(Settings))
    return f"| variable | default | unit | what it says |\n|---|---|---|---|\n{rows}"


def with_table(text: str) -> str:
    """A text with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def main() -> None:
    """Write the table anew."""
    README.write_text(with_table(README.read_text()))


def _row(spec: Field[Any]) -> str:
    names = " or ".join(f"`{name}`" for name in spec.metadata["env"])
    default = f"`{spec.default}`" if spec.default != "" else ""
    return f"| {names} | {default} | {spec.metadata['unit']} | {spec.metadata['meaning']} |\n"


if __name__ == "__main__":
    main()
