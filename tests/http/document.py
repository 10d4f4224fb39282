"""The OpenAPI document: tests generate requests from it, and check responses against it."""

import base64
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema
from schemathesis.transport.serialization import Binary

from chalicelib.web import openapi
from tests.pictures import picture

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

_CONFIG = {
    # The same requests in every run.
    "seed": 1,
    "generation": {"deterministic": True, "max-examples": 10, "database": "none"},
    "phases": {
        # Change nothing that a list returns: it may belong to someone else.
        "examples": {"extra-data-sources": {"responses": False}},
        "fuzzing": {"extra-data-sources": {"responses": False}},
        # The document does not describe methods that a path does not allow. test_errors.py tests them.
        "coverage": {"extra-data-sources": {"responses": False}, "unexpected-methods": []},
        "stateful": {"inference": {"algorithms": []}},
    },
}

_PICTURES = [picture(kind, width=4, height=3, seed=n) for n, kind in enumerate(("PNG", "JPEG", "GIF", "WEBP", "BMP"))]
# Mostly pictures, because no link follows a refused upload.
_FILES = st.sampled_from(_PICTURES) | st.sampled_from(_PICTURES) | st.binary(max_size=40)

schemathesis.openapi.format("base64", _FILES.map(lambda content: base64.b64encode(content).decode()))
schemathesis.openapi.format("binary", _FILES.map(Binary))

# Other contracts' names of the cursor are not described: clients that are generated cannot have them beside each other.
_CURSORS = ("last_evaluated_key", "next_token", "nextToken")
_NO_MORE_PAGES = {"properties": {"has_more": {"const": False}, **dict.fromkeys(_CURSORS, False)}}
_MORE_PAGES = {"properties": {"has_more": {"const": True}}, "required": [*_CURSORS]}
_PAGE = {"oneOf": [_MORE_PAGES, _NO_MORE_PAGES]}

# What is true of the responses, but not in the document, because generators of clients do not support it.
_CONDITIONS: dict[str, dict[str, Any]] = {
    "Id": {"pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"},
    "Time": {"pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"},
    "PresignedUrl": {"pattern": "^https?://[^?]+[?].*X-Amz-Signature="},
    "PictureUrl": {"pattern": "^https?://[^?]+[?].*X-Amz-Signature="},
    "ImagePage": _PAGE,
    "TagPage": _PAGE,
    "ItemPage": _PAGE,
    "Count": {"anyOf": [{"properties": {"at_least": {"const": True}}}]},
    "ImageView": {
        "oneOf": [
            {
                "required": ["presigned_url", "expires_in", "render"],
                "properties": {"metadata": {"$ref": "#/components/schemas/Image"}},
            },
            {"properties": {"presigned_url": False, "expires_in": False, "render": False, "analysis": False}},
        ]
    },
    "ImageDownload": {
        "oneOf": [
            {"required": ["download_url", "url", "expires_in"], "properties": {"content": False}},
            {"required": ["content"], "properties": {"download_url": False, "url": False, "expires_in": False}},
        ]
    },
    "DirectUpload": {
        "oneOf": [
            {"required": ["url", "fields"], "properties": {"part_size": False, "parts": False, "sent": False}},
            {"required": ["part_size", "parts", "sent"], "properties": {"url": False, "fields": False}},
        ]
    },
}


def _references(value: Any) -> Iterator[str]:
    """Yield the names of the schemas that a value refers to directly."""
    if isinstance(value, dict):
        if str(value.get("$ref", "")).startswith("#/components/schemas/"):
            yield value["$ref"].rpartition("/")[2]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _strict(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document by which a response has no field that is not described, and meets all conditions."""
    document = deepcopy(document)
    schemas = document["components"]["schemas"]
    found, names = set[str](), {*_references(document["components"]["responses"])}
    while names:
        found |= names
        names = {name for each in names for name in _references(schemas[each])} - found
    for name in found:
        if schemas[name]["type"] == "object":
            schemas[name].setdefault("additionalProperties", False)
        if "last_evaluated_key" in schemas[name].get("properties", ()):
            schemas[name]["properties"] |= {cursor: {"type": "string"} for cursor in _CURSORS[1:]}
        schemas[name].update(_CONDITIONS.get(name, {}))
    return document


def loaded(document: dict[str, Any]) -> OpenApiSchema:
    """Return a document against which responses are checked strictly."""
    return schemathesis.openapi.from_dict(_strict(document), config=schemathesis.Config.from_dict(_CONFIG))


DOCUMENT = loaded(openapi.of_contract("b"))


def check(method: str, path: str, answer: requests.Response, document: OpenApiSchema = DOCUMENT) -> None:
    """Check that a response conforms to a document. Unknown routes and a 304 are not checked.

    Raises FailureGroup: the response does not conform.
    """
    path = urlsplit(path).path
    operation = document.find_operation_by_path(method, path)
    # A path without parameters is matched before one with parameters (OpenAPI 3.1 section 4.8.8.1). HEAD is not GET.
    if operation and (operation.path == path or path not in {*document}) and operation.method.upper() == method:
        ids = {parameter.name: "-" for parameter in operation.path_parameters}  # any value, but a case needs one
        operation.Case(path_parameters=ids).validate_response(answer, checks=CHECKS)
