import json
from typing import Any

import pytest

from chalicelib.errors import BadInput
from chalicelib.web import invocations


def event(payload: object) -> dict[str, Any]:
    return invocations.api_event("POST", "/upload", payload)


def test_an_event_becomes_a_request_of_the_routes_path() -> None:
    assert event({"body": '{"title": "Dunes"}'}) == {
        "requestContext": {"httpMethod": "POST", "resourcePath": "/upload"},
        "headers": {"content-type": "application/json"},
        "pathParameters": {},
        "multiValueQueryStringParameters": {},
        "body": '{"title": "Dunes"}',
        "isBase64Encoded": False,
        "stageVariables": None,
    }


def test_an_event_may_have_objects_instead_of_json_strings() -> None:
    objects: dict[str, Any] = {
        "body": {"title": "Dunes"},
        "queryStringParameters": {"title": "Dunes", "limit": 5, "download": True, "tag": ["a", "b", None], "x": None},
        "pathParameters": {"image_id": "7"},
        "headers": {"X-User-Id": "alice", "Accept": None},
    }
    api_event = event(objects)
    assert api_event == event({name: json.dumps(value) for name, value in objects.items()})
    assert json.loads(api_event["body"]) == {"title": "Dunes"}
    assert api_event["multiValueQueryStringParameters"] == {
        "title": ["Dunes"],
        "limit": ["5"],
        "download": ["true"],
        "tag": ["a", "b"],
        "x": [],
    }
    assert api_event["pathParameters"] == {"image_id": "7"}
    assert api_event["headers"] == {"content-type": "application/json", "x-user-id": "alice"}


@pytest.mark.parametrize("payload", [{}, {"body": None, "queryStringParameters": None, "pathParameters": None}])
def test_absent_parts_of_an_event_are_empty(payload: dict[str, Any]) -> None:
    assert event(payload) == event({"body": {}, "queryStringParameters": {}, "pathParameters": {}})


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ([], "The event must be a JSON object."),
        (None, "The event must be a JSON object."),
        ({"queryStringParameters": "title=x"}, "queryStringParameters is not valid JSON."),
        ({"queryStringParameters": "[" * 10_000}, "queryStringParameters is not valid JSON."),
        (
            {"queryStringParameters": " " * 10_241},
            "queryStringParameters has more than 10240 characters, which is the limit (MAX_INVOCATION_CHARS).",
        ),
        (
            {"headers": {"If-Match": "," * 10_240}},
            "headers has more than 10240 characters, which is the limit (MAX_INVOCATION_CHARS).",
        ),
        ({"pathParameters": "[]"}, "pathParameters must be a JSON object."),
        ({"headers": 7}, "headers must be a JSON object."),
        ({"pathParameters": {"image_id": None}}, "pathParameters.image_id is missing."),
    ],
)
def test_an_invalid_event_is_rejected(payload: object, sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        invocations.api_event("GET", "/image/{image_id}", payload)
    assert raised.value.message == sentence
