import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from app import app
from tests.app.calls import ANY, Calls, canceled
from tests.app.conftest import Api, Stores
from tests.errors import error
from tests.pictures import base64_picture

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]  # all methods of API Gateway


@pytest.mark.parametrize("path", ["/nope", "/images/x/y", "/a/b/c/d/e/f/g/h"])
@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_path_is_not_found_with_any_method(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path)
    assert answer.status_code == 404
    if method == "HEAD":
        assert answer.body == b""
    else:
        assert answer.json_body == error("No route matches this path.")


def test_a_wrong_method_is_refused_with_the_allowed_methods(api: Api) -> None:
    answer = api.call("PATCH", "/images")
    assert answer.status_code == 405
    assert answer.json_body == error("PATCH is not allowed on this path, which allows POST, GET, HEAD.")
    assert answer.headers["Allow"] == "POST, GET, HEAD"


@pytest.mark.parametrize("path", app.routes)
def test_every_path_handles_every_method(path: str) -> None:
    # For a method without a route, API Gateway answers 403 and mentions a missing token.
    assert app.routes[path].keys() == {*METHODS}


def test_options_returns_the_methods_of_a_path(api: Api) -> None:
    answer = api.call("OPTIONS", "/images")
    assert (answer.status_code, answer.body, answer.headers["Allow"]) == (204, b"", "POST, GET, HEAD")
    assert not [name for name in answer.headers if name.startswith("Access-Control-") or name == "Vary"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/vnd.api+json"]
)
def test_a_body_of_another_content_type_is_refused(api: Api, content_type: str) -> None:
    form = Api(api.client, {"Content-Type": content_type})
    answer = form.call("POST", "/images", b"user_id=alice")
    assert (answer.status_code, answer.json_body) == (
        415,
        error(
            "The body must be application/json, multipart/form-data, or the file itself with its type, "
            f"such as image/jpeg; not {content_type!r}."
        ),
    )


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b"nul", b"{'user_id': 'alice'}"])
def test_a_body_that_is_not_json_is_refused(api: Api, body: bytes) -> None:
    answer = api.call("POST", "/images", body)
    assert (answer.status_code, answer.json_body) == (400, error("The body is not valid JSON."))


@pytest.mark.parametrize("accept", [None, "text/html", "application/json", "image/png", "*/*"])
def test_every_accept_header_gets_json(api: Api, accept: str | None) -> None:
    client = Api(api.client, {"accept": accept} if accept else {})
    assert client.get("/images").json_body == {"images": [], "count": 0, "has_more": False}


def test_an_uncaught_exception_is_logged_with_the_request_id_of_the_answer(
    api: Api, stores: Stores, log: Callable[[], list[dict[str, str]]]
) -> None:
    stores.dynamodb.delete_table(TableName="image_tags")
    answer = api.get("/images")
    request_id = answer.headers["X-Request-Id"]
    assert (answer.status_code, answer.json_body) == (
        500,
        {
            **error("An internal error occurred; the service's log has the details under this request_id."),
            "request_id": request_id,
        },
    )
    raised = [line for line in log() if "ResourceNotFoundException" in line.get("exception", "")]
    assert [line["request_id"] for line in raised] == [request_id]


def client_error(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Query")


@pytest.mark.parametrize(
    "failure",
    [
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
        client_error("ThrottlingException", 400),
        client_error("TransactionConflictException", 400),
        client_error("TransactionInProgressException", 400),
        client_error("RequestTimeout", 400),
        client_error("InternalServerError", 500),
    ],
    ids=["unreachable", "throttled", "in conflict", "in progress", "timed out", "failing"],
)
def test_an_unavailable_store_is_a_503(api: Api, calls: Calls, failure: Exception) -> None:
    calls.fail(ANY, failure)
    answer = api.get("/images")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_health_names_the_unavailable_store(api: Api, stores: Stores) -> None:
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


def test_the_root_lists_the_calls(api: Api) -> None:
    calls = api.get("/").json_body["calls"]
    assert calls.keys() == {
        *("gallery", "docs", "upload", "list", "count", "tags", "view", "render", "similar"),
        *("update", "delete", "describe", "health"),
    }


def test_unprocessed_keys_of_a_batch_are_read_again(api: Api, calls: Calls, no_pauses: None) -> None:
    uploaded = [api.upload(description="x" * 2000, tags=["x"])["image_id"] for _ in range(3)]
    calls.leave_keys("images", 1)
    assert api.listed("tag=x") == uploaded[::-1]
    uploaded += [api.upload(description="x" * 2000, tags=["x"])["image_id"] for _ in range(5)]
    assert api.get("/images?tag=x").status_code == 503


def test_keys_that_are_read_again_do_not_take_further_reads_of_a_page(
    api: Api, calls: Calls, configured: Callable[..., None], no_pauses: None
) -> None:
    configured(MAX_PAGE_READS="6")
    uploaded = [api.upload(description="x" * 2000, tags=["x"])["image_id"] for _ in range(5)]
    calls.leave_keys("images", 1)
    assert Api(api.client, {"X-User-Id": "alice"}).listed("tag=x") == uploaded[::-1]


def test_a_transaction_conflict_is_retried_and_then_a_503(
    api: Api, stores: Stores, calls: Calls, no_pauses: None
) -> None:
    image_id = api.upload()["image_id"]
    calls.fail("TransactWriteItems", canceled(stores, "TransactionConflict", "None"), times=7)
    assert api.call("DELETE", f"/images/{image_id}").status_code == 503
    assert api.call("DELETE", f"/images/{image_id}").status_code == 200
    assert api.call("POST", "/images", {"user_id": "a", "image_data": base64_picture()}).status_code == 201


def test_lambda_returns_json_as_text_and_not_in_base64() -> None:
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
