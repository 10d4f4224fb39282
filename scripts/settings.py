"""Keep the table of settings in docs/settings.md equal to chalicelib/config.py and chalicelib/secrets.py.

`make settings` runs it in the root of the repository: python -m scripts.settings
"""

from dataclasses import Field, fields
from typing import Any

from chalicelib.config import Settings
from chalicelib.secrets import Secrets
from project import PROJECT
from project.markdown import formatted

PAGE = PROJECT / "docs" / "settings.md"
BEGIN, END = "<!-- settings: written by `make settings` -->\n", "<!-- end of settings -->\n"


def table() -> str:
    """Return a Markdown table with one row for each setting, in the order of config.py and secrets.py."""
    rows = "".join(_row(spec) for kind in (Settings, Secrets) for spec in fields(kind))
    return f"| variable | default | unit | meaning |\n| -- | -- | -- | -- |\n{rows}"


def with_table(text: str) -> str:
    """Return a page with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return formatted(f"{before}{BEGIN}\n{table()}\n{END}{after}")


def main() -> None:
    """Write the table into the page."""
    PAGE.write_text(with_table(PAGE.read_text()))


def _row(spec: Field[Any]) -> str:
    names = " or ".join(f"`{name}`" for name in spec.metadata["env"])
    default = f"`{spec.default}`" if spec.default != "" else ""
    return f"| {names} | {default} | {spec.metadata['unit']} | {spec.metadata['meaning']} |\n"


if __name__ == "__main__":
    main()
