"""The OpenAPI document: requests are made from it, and answers held to it."""

import base64
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
        # Nothing that a list happens to show is changed: it may be somebody's.
        "examples": {"extra-data-sources": {"responses": False}},
        "fuzzing": {"extra-data-sources": {"responses": False}},
        # The document says nothing of methods that a path doesn't take: test_errors.py looks at these.
        "coverage": {"extra-data-sources": {"responses": False}, "unexpected-methods": []},
        "stateful": {"inference": {"algorithms": []}},
    },
}

_PICTURES = [picture(kind, width=4, height=3, seed=n) for n, kind in enumerate(("PNG", "JPEG", "GIF", "WEBP", "BMP"))]
# Mostly pictures: an upload that is refused leads nowhere.
_FILES = st.sampled_from(_PICTURES) | st.sampled_from(_PICTURES) | st.binary(max_size=40)

schemathesis.openapi.format("byte", _FILES.map(lambda content: base64.b64encode(content).decode()))
schemathesis.openapi.format("binary", _FILES.map(Binary))

DOCUMENT = schemathesis.openapi.from_dict(openapi.document(), config=schemathesis.Config.from_dict(_CONFIG))
_PATHS = {*DOCUMENT}


def check(method: str, path: str, answer: requests.Response) -> None:
    """Hold an answer to what the document says of its route; of unknown ones it says nothing.

    Raises FailureGroup.
    """
    path = urlsplit(path).path
    operation = DOCUMENT.find_operation_by_path(method, path)
    # A path without parameters comes before one with (OpenAPI 3.1 section 4.8.8.1), and HEAD is not GET.
    if operation and (operation.path == path or path not in _PATHS) and operation.method.upper() == method:
        ids = {parameter.name: "-" for parameter in operation.path_parameters}  # whichever; a case must have some
        operation.Case(path_parameters=ids).validate_response(answer, checks=CHECKS)
