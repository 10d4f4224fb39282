import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from app import app
from tests.app.calls import ANY, Calls, canceled
from tests.app.conftest import Api, Stores
from tests.aws_calls import Call
from tests.pictures import base64_picture

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]  # those that API Gateway knows


@pytest.mark.parametrize("path", ["/nope", "/images/x/y", "/a/b/c/d/e/f/g/h"])
@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_path_is_not_found_by_any_method(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path)
    assert (answer.status_code, answer.json_body) == (404, {"error": "No route matches this path."})


def test_a_wrong_method_says_which_are_right(api: Api) -> None:
    answer = api.call("PATCH", "/images")
    assert answer.status_code == 405
    assert answer.json_body == {"error": "PATCH is not allowed on this path, which allows POST, GET."}
    assert answer.headers["Allow"] == "POST, GET"


@pytest.mark.parametrize("path", app.routes)
def test_no_method_of_any_path_is_left_to_api_gateway(path: str) -> None:
    # It would answer 403, and speak of a missing token.
    assert app.routes[path].keys() == {*METHODS}


def test_options_are_the_methods_that_a_path_takes(api: Api) -> None:
    answer = api.call("OPTIONS", "/images")
    assert (answer.status_code, answer.body, answer.headers["Allow"]) == (204, b"", "POST, GET")
    assert not [name for name in answer.headers if name.startswith("Access-Control-") or name == "Vary"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "image/png"])
def test_a_body_of_another_content_type_is_refused(api: Api, content_type: str) -> None:
    form = Api(api.client, {"Content-Type": content_type})
    answer = form.call("POST", "/images", b"user_id=alice")
    assert (answer.status_code, answer.json_body) == (
        415,
        {"error": f"The body must be application/json or multipart/form-data, not {content_type!r}."},
    )


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b"nul", b"{'user_id': 'alice'}"])
def test_a_body_that_is_no_json_is_refused(api: Api, body: bytes) -> None:
    answer = api.call("POST", "/images", body)
    assert (answer.status_code, answer.json_body) == (400, {"error": "The body is not valid JSON."})


@pytest.mark.parametrize("accept", [None, "text/html", "application/json", "image/png", "*/*"])
def test_every_client_is_answered_whatever_it_accepts(api: Api, accept: str | None) -> None:
    client = Api(api.client, {"accept": accept} if accept else {})
    assert client.get("/images").json_body == {"images": [], "count": 0, "has_more": False}


def test_an_uncaught_exception_is_logged_under_the_id_that_the_answer_repeats(
    api: Api, stores: Stores, log: Callable[[], list[dict[str, str]]]
) -> None:
    stores.dynamodb.delete_table(TableName="image_tags")
    answer = api.get("/images")
    request_id = answer.headers["X-Request-Id"]
    assert (answer.status_code, answer.json_body) == (
        500,
        {
            "error": "An internal error occurred; the service's log has the details under this request_id.",
            "request_id": request_id,
        },
    )
    raised = [line for line in log() if "ResourceNotFoundException" in line.get("exception", "")]
    assert [line["request_id"] for line in raised] == [request_id]


def refusal(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Query")


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
        refusal("ThrottlingException", 400),
        refusal("TransactionConflictException", 400),
        refusal("TransactionInProgressException", 400),
        refusal("RequestTimeout", 400),
        refusal("InternalServerError", 500),
    ],
    ids=["away", "throttled", "in conflict", "in progress", "timed out", "failing"],
)
def test_a_store_that_does_not_answer_is_a_503(api: Api, calls: Calls, error: Exception) -> None:
    calls.fail(ANY, error)
    answer = api.get("/images")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_health_says_which_store_is_away(api: Api, stores: Stores) -> None:
    assert (api.get("/health").status_code, api.get("/health").json_body) == (
        200,
        {"status": "ok", "stores": {"s3": "ok", "dynamodb": "ok"}},
    )
    stores.dynamodb.delete_table(TableName="images")
    assert (api.get("/health").status_code, api.get("/health").json_body) == (
        503,
        {"status": "unavailable", "stores": {"s3": "ok", "dynamodb": "unavailable"}},
    )
    stores.s3.delete_bucket(Bucket="images-originals")
    assert api.get("/health").json_body["stores"] == {"s3": "unavailable", "dynamodb": "unavailable"}


def test_the_root_leads_a_newcomer_on(api: Api) -> None:
    calls = api.get("/").json_body["calls"]
    assert calls.keys() == {
        *("upload", "list", "count", "tags", "view", "render", "similar", "update", "delete", "describe", "health")
    }


def test_keys_that_a_batch_leaves_over_are_asked_for_again(api: Api, calls: Calls, no_pauses: None) -> None:
    made = [api.upload(description="x" * 2000, tags=["x"])["image_id"] for _ in range(3)]

    def one_at_a_time(call: Call) -> Any:
        first, *others = call.params["RequestItems"]["images"]["Keys"]
        answer = call.send(RequestItems={"images": {"Keys": [first]}})
        return {**answer, "UnprocessedKeys": {"images": {"Keys": others}} if others else {}}

    calls.on("BatchGetItem", one_at_a_time)
    assert api.listed("tag=x") == made[::-1]
    made += [api.upload(description="x" * 2000, tags=["x"])["image_id"] for _ in range(5)]
    assert api.get("/images?tag=x").status_code == 503


def test_a_contended_record_is_tried_again_and_then_a_503(
    api: Api, stores: Stores, calls: Calls, no_pauses: None
) -> None:
    image_id = api.upload()["image_id"]
    calls.fail("TransactWriteItems", canceled(stores, "TransactionConflict", "None"), times=7)
    assert api.call("DELETE", f"/images/{image_id}").status_code == 503
    assert api.call("DELETE", f"/images/{image_id}").status_code == 200
    assert api.call("POST", "/images", {"user_id": "a", "image_data": base64_picture()}).status_code == 201


def test_json_leaves_lambda_as_text_and_not_in_base64() -> None:
    event = {
        "requestContext": {"httpMethod": "GET", "resourcePath": "/"},
        "headers": None,
        "pathParameters": {},
        "stageVariables": None,
        "multiValueQueryStringParameters": None,
        "body": None,
    }
    answer = app(event, None)
    assert "isBase64Encoded" not in answer
    assert json.loads(answer["body"])["service"] == "images-api"
    assert answer["headers"]["Content-Type"] == "application/json"
