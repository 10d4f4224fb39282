"""The OpenAPI document of the API. Maintainers edit it as YAML; the service answers it as JSON."""

from functools import cache
from pathlib import Path
from typing import Any

_DOCUMENT = Path(__file__).with_name("openapi.yaml")


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every route."""
    # Imported here: only requests for the document need the YAML parser.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(_DOCUMENT.read_text(), loader)  # noqa: S506
    return document
