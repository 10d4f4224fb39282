"""The OpenAPI document as tests read it: its operations, their parameters, and what its references mean."""

from collections.abc import Iterator
from typing import Any

from chalicelib.web import openapi

Json = dict[str, Any]

DOCUMENT = openapi.of_contract("b")
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def resolved(value: Json) -> Json:
    """Return an object of the document, or the object that it refers to."""
    while "$ref" in value:
        target: Any = DOCUMENT
        for step in value["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        value = target
    return value


def operations() -> Iterator[tuple[str, str, Json]]:
    """Yield the method and the path of each operation, and its description, always in the same order."""
    for path, item in DOCUMENT["paths"].items():
        for method in sorted(METHODS & item.keys()):
            yield method.upper(), path, item[method]


def parameters(path: str, operation: Json) -> list[Json]:
    """Return the parameters of an operation, with those of its path."""
    return [
        resolved(each) for each in (*DOCUMENT["paths"][path].get("parameters", ()), *operation.get("parameters", ()))
    ]
