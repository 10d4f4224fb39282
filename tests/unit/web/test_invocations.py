import json
from typing import Any

import pytest

from chalicelib.errors import BadInput
from chalicelib.web import invocations


def event(given: object) -> dict[str, Any]:
    return invocations.api_event("POST", "/upload", given)


def test_an_event_is_a_request_of_the_routes_path() -> None:
    assert event({"body": '{"title": "Dunes"}'}) == {
        "requestContext": {"httpMethod": "POST", "resourcePath": "/upload"},
        "headers": {"content-type": "application/json"},
        "pathParameters": {},
        "multiValueQueryStringParameters": {},
        "body": '{"title": "Dunes"}',
        "isBase64Encoded": False,
        "stageVariables": None,
    }


def test_what_is_json_in_a_string_may_be_an_object() -> None:
    inner: dict[str, Any] = {
        "body": {"title": "Dunes"},
        "queryStringParameters": {"title": "Dunes", "limit": 5, "download": True, "tag": ["a", "b", None], "x": None},
        "pathParameters": {"image_id": "7"},
        "headers": {"X-User-Id": "alice", "Accept": None},
    }
    found = event(inner)
    assert found == event({name: json.dumps(value) for name, value in inner.items()})
    assert json.loads(found["body"]) == {"title": "Dunes"}
    assert found["multiValueQueryStringParameters"] == {
        "title": ["Dunes"],
        "limit": ["5"],
        "download": ["true"],
        "tag": ["a", "b"],
        "x": [],
    }
    assert found["pathParameters"] == {"image_id": "7"}
    assert found["headers"] == {"content-type": "application/json", "x-user-id": "alice"}


@pytest.mark.parametrize("given", [{}, {"body": None, "queryStringParameters": None, "pathParameters": None}])
def test_what_is_absent_is_empty(given: dict[str, Any]) -> None:
    assert event(given) == event({"body": {}, "queryStringParameters": {}, "pathParameters": {}})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "The event must be a JSON object."),
        (None, "The event must be a JSON object."),
        ({"queryStringParameters": "title=x"}, "queryStringParameters is not valid JSON."),
        ({"queryStringParameters": "[" * 100_000}, "queryStringParameters is not valid JSON."),
        ({"pathParameters": "[]"}, "pathParameters must be a JSON object."),
        ({"headers": 7}, "headers must be a JSON object."),
        ({"pathParameters": {"image_id": None}}, "pathParameters.image_id is missing."),
    ],
)
def test_an_event_of_another_form_is_refused(given: object, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        invocations.api_event("GET", "/image/{image_id}", given)
    assert refused.value.message == sentence
