import base64
import json
from typing import Any

import pytest

from chalicelib.errors import BadInput, UnknownPath
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


def test_values_from_every_form_of_a_query_are_read() -> None:
    single = {"user_id": "lam", "tag": "lb"}
    repeated = {"user_id": ["lam"], "tag": ["la", "lb"]}
    expected = {"user_id": ["lam"], "tag": ["la", "lb"]}
    for payload in (
        {"queryStringParameters": single, "multiValueQueryStringParameters": repeated},
        {"multiValueQueryStringParameters": repeated},
        {"multiValueQueryStringParameters": json.dumps(repeated)},
        {"queryStringParameters": {"user_id": "lam"}, "multiValueQueryStringParameters": {"tag": ["la", "lb"]}},
        {"queryStringParameters": {"tag": "lb"}, "multiValueQueryStringParameters": {"user_id": "lam", "tag": ["la"]}},
        {"rawQueryString": "user_id=lam&tag=la&tag=lb", "queryStringParameters": {"user_id": "lam", "tag": "la,lb"}},
        {"rawQueryString": "user_id=lam&tag=l%61&tag=lb"},
        {"rawQueryString": "tag=la&tag=lb", "queryStringParameters": {"user_id": "lam"}},
    ):
        assert event(payload)["multiValueQueryStringParameters"] == expected


def test_a_load_balancer_passes_a_query_on_in_percent_encoding() -> None:
    encoded = {"title": "caf%C3%A9+noir", "tag%5B%5D": "100%25"}
    context = {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/a/b"}}
    decoded = {"title": ["café noir"], "tag[]": ["100%"]}
    for payload in (
        {"queryStringParameters": encoded},
        {"multiValueQueryStringParameters": {name: [value] for name, value in encoded.items()}},
    ):
        assert event({**payload, "requestContext": context})["multiValueQueryStringParameters"] == decoded
    assert event({"queryStringParameters": {"title": "100%25"}})["multiValueQueryStringParameters"] == {
        "title": ["100%25"]
    }


def test_headers_are_read_from_both_forms_and_a_repeated_header_is_one_list() -> None:
    payload = {"headers": {"X-Tags": "sky", "A": "1"}, "multiValueHeaders": {"x-tags": ["sea", "sky"], "B": ["2"]}}
    headers = {"content-type": "application/json", "x-tags": "sea, sky", "a": "1", "b": "2"}
    assert event(payload)["headers"] == headers
    assert event({"multiValueHeaders": {"Content-Type": ["image/png"]}})["headers"] == {"content-type": "image/png"}


def test_a_body_in_base64_is_decoded() -> None:
    payload = {"body": base64.b64encode(b"\xff\0").decode(), "isBase64Encoded": True}
    assert (event(payload)["body"], event(payload)["isBase64Encoded"]) == (b"\xff\0", False)
    with pytest.raises(BadInput, match=r"^body is not valid base64, although isBase64Encoded is true"):
        event({"body": "é", "isBase64Encoded": True})


PATHS = ["/", "/images", "/images/count", "/images/{image_id}", "/images/{image_id}/download", "/{segment1}"]


def of_http_api(path: str, method: str = "GET", stage: str = "$default", **more: Any) -> dict[str, Any]:
    context = {"http": {"method": method, "path": path}, "stage": stage}
    return {"version": "2.0", "rawPath": path, "rawQueryString": "", "requestContext": context, "headers": {}, **more}


@pytest.mark.parametrize(
    ("path", "route", "parameters"),
    [
        ("/", "/", {}),
        ("", "/", {}),
        ("/images", "/images", {}),
        ("/images/", "/images", {}),
        ("/images/count", "/images/count", {}),
        ("/images/a%20b", "/images/{image_id}", {"image_id": "a b"}),
        ("/images/7/download", "/images/{image_id}/download", {"image_id": "7"}),
        ("/nope", "/{segment1}", {"segment1": "nope"}),
    ],
)
def test_an_event_with_a_path_is_matched_to_a_route(path: str, route: str, parameters: dict[str, str]) -> None:
    for sent in (of_http_api(path), {"httpMethod": "GET", "path": path, "requestContext": {"elb": {}}}):
        got = invocations.gateway_event(sent, PATHS)
        assert (got["requestContext"]["resourcePath"], got["pathParameters"]) == (route, parameters)
        assert got["requestContext"]["httpMethod"] == "GET"


def test_an_event_of_payload_format_2_becomes_the_event_of_a_rest_api() -> None:
    sent: dict[str, Any] = of_http_api(
        "/images", "POST", rawQueryString="tag=a&tag=b", body="eA==", isBase64Encoded=True
    )
    sent |= {"cookies": ["a=1"], "headers": {"Content-Type": "image/png"}}
    got = invocations.gateway_event(sent, PATHS)
    assert {name: got[name] for name in ("headers", "multiValueQueryStringParameters", "pathParameters", "body")} == {
        "headers": {"content-type": "image/png"},
        "multiValueQueryStringParameters": {"tag": ["a", "b"]},
        "pathParameters": {},
        "body": "eA==",
    }
    assert (got["isBase64Encoded"], got["stageVariables"]) == (True, None)
    assert got["requestContext"]["httpMethod"] == "POST"


def test_the_stage_of_an_http_api_is_not_part_of_the_path() -> None:
    for path in ("/prod/images", "/images"):
        got = invocations.gateway_event(of_http_api(path, stage="prod"), PATHS)
        assert got["requestContext"]["resourcePath"] == "/images"


def test_a_path_without_a_route_is_unknown() -> None:
    with pytest.raises(UnknownPath):
        invocations.gateway_event(of_http_api("/a/b/c/d"), PATHS)


def test_an_event_of_a_rest_api_keeps_its_route() -> None:
    sent = {
        "requestContext": {"httpMethod": "GET", "resourcePath": "/images/{image_id}", "stage": "images"},
        "path": "/images/count",
        "headers": None,
        "pathParameters": {"image_id": "count"},
        "multiValueQueryStringParameters": None,
        "body": None,
    }
    assert invocations.gateway_event(sent, PATHS) == {**sent, "headers": {}, "multiValueQueryStringParameters": {}}


def test_a_load_balancer_gets_headers_in_the_form_that_it_sends() -> None:
    answer = {"statusCode": 200, "headers": {"ETag": "1"}, "multiValueHeaders": {"Vary": ["a", "b"]}, "body": ""}
    multi = {"requestContext": {"elb": {}}, "multiValueHeaders": {"accept": ["*/*"]}}
    assert invocations.gateway_answer(multi, answer) == {
        **answer,
        "multiValueHeaders": {"ETag": ["1"], "Vary": ["a", "b"]},
    }
    others: list[dict[str, Any]] = [{"requestContext": {"elb": {}}, "headers": {}}, {**multi, "requestContext": {}}, {}]
    for sent in others:
        assert invocations.gateway_answer(sent, answer) == answer


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
