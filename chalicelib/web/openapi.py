"""The OpenAPI document: kept in YAML for people, answered in JSON."""

from functools import cache
from pathlib import Path
from typing import Any

_DOCUMENT = Path(__file__).with_name("openapi.yaml")


@cache
def document() -> dict[str, Any]:
    """The HTTP contract of every route, in OpenAPI 3.1."""
    # Imported here: only who asks for the document pays for it.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Any] = yaml.load(_DOCUMENT.read_text(), loader)  # noqa: S506
    return found
