"""The OpenAPI document of the API. Maintainers edit it as YAML; the service answers it as JSON."""

from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.config import settings

_DOCUMENT = Path(__file__).with_name("openapi.yaml")
_CONTRACTS = Path(__file__).with_name("openapi_contracts.yaml")


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every route, with the answers of this stage's CONTRACT."""
    return of_contract(settings().contract)


@cache
def of_contract(contract: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a stage with this CONTRACT."""
    document: dict[str, Any] = _read(_DOCUMENT)
    return document if contract == "b" else _patched(document, _read(_CONTRACTS)[contract])


def _read(file: Path) -> Any:
    # Imported here: only requests for the document need the YAML parser.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(), loader)  # noqa: S506


def _patched(value: Any, patch: Any) -> Any:
    """Return a value after a JSON merge patch (RFC 7396 section 2)."""
    if not isinstance(patch, dict):
        return patch
    value = value if isinstance(value, dict) else {}
    changed = {name: _patched(value.get(name), each) for name, each in patch.items() if each is not None}
    return {name: each for name, each in value.items() if name not in patch} | changed
