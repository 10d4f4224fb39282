"""The OpenAPI document: tests generate requests from it, and check responses against it."""

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

schemathesis.openapi.format("byte", _FILES.map(lambda content: base64.b64encode(content).decode()))
schemathesis.openapi.format("binary", _FILES.map(Binary))

DOCUMENT = schemathesis.openapi.from_dict(openapi.document(), config=schemathesis.Config.from_dict(_CONFIG))
_PATHS = {*DOCUMENT}


def check(method: str, path: str, answer: requests.Response) -> None:
    """Check that a response conforms to the document. Unknown routes are not checked.

    Raises FailureGroup: the response does not conform.
    """
    path = urlsplit(path).path
    operation = DOCUMENT.find_operation_by_path(method, path)
    # A path without parameters is matched before one with parameters (OpenAPI 3.1 section 4.8.8.1). HEAD is not GET.
    if operation and (operation.path == path or path not in _PATHS) and operation.method.upper() == method:
        ids = {parameter.name: "-" for parameter in operation.path_parameters}  # any value, but a case needs one
        operation.Case(path_parameters=ids).validate_response(answer, checks=CHECKS)
