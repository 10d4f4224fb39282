"""Files as bodies, events of other gateways, and requests with typing errors, beside the forms of the contracts."""

import base64
import json
from typing import Any

import pytest
from chalice.local import LambdaContext
from requests_toolbelt import MultipartEncoder

from app import app
from tests.app.conftest import Api, Stores
from tests.app.web.test_contracts import PHOTO, call, invoke
from tests.errors import error
from tests.pictures import picture

RAW = picture("JPEG")


@pytest.mark.parametrize(("path", "status"), [("/images", 201), ("/images/upload", 201), ("/upload", 201)])
def test_a_file_can_be_the_whole_body(api: Api, stores: Stores, path: str, status: int) -> None:
    headers = {"Content-Type": "image/jpeg", "X-User-Id": "alice", "X-Title": "Caf%C3%A9", "X-Tags": "sea,sky"}
    answer = call(api, "POST", f"{path}?filename=a.jpg", RAW, **headers)
    metadata = answer.body["metadata"]
    assert (answer.status, metadata["user_id"], metadata["title"]) == (status, "alice", "Café")
    assert (metadata["tags"], metadata["filename"], metadata["content_type"]) == (["sea", "sky"], "a.jpg", "image/jpeg")
    assert stores.objects() == {metadata["s3_key"]: RAW}


@pytest.mark.parametrize(
    ("query", "content_type", "body", "status", "word"),
    [
        ("?titl=x", "image/jpeg", RAW, 400, "'titl' is not a query parameter of this route. Did you mean title?"),
        (
            "?title=x",
            "application/json",
            {"image_file": PHOTO},
            400,
            "title is in the query string; send it in the body",
        ),
        ("", "image/jpeg", b"no image", 415, "image"),
        ("?visibility=friends", "image/jpeg", RAW, 400, "visibility must be public or private."),
    ],
)
def test_an_invalid_file_or_query_is_refused_and_leaves_nothing(
    api: Api, stores: Stores, query: str, content_type: str, body: object, status: int, word: str
) -> None:
    answer = call(api, "POST", f"/upload{query}", body, **{"Content-Type": content_type})
    assert answer.status == status
    assert word in answer.body["error"]
    assert stores.are_empty()


def test_contract_a_can_upload_a_form_with_its_own_field_for_the_file(api: Api, stores: Stores) -> None:
    encoder = MultipartEncoder({"image_file": ("dunes.jpg", RAW, "image/jpeg"), "title": "Dunes", "description": "D"})
    answer = call(api, "POST", "/upload", encoder.to_string(), **{"Content-Type": encoder.content_type})
    metadata = answer.body["metadata"]
    assert (answer.status, metadata["title"], metadata["filename"]) == (200, "Dunes", "dunes.jpg")
    assert stores.objects() == {metadata["s3_key"]: RAW}


@pytest.mark.parametrize("name", ["owner", "userid", "x", "page", "Limit"])
def test_an_unknown_filter_is_refused_instead_of_listing_everything(api: Api, name: str) -> None:
    api.upload()
    for path in ("/images", "/images/count", "/list", "/tags", "/items"):
        answer = call(api, "GET", f"{path}?{name}=x")
        assert (answer.status, answer.body["error"].split(".")[0]) == (
            400,
            f"{name!r} is not a query parameter of this route",
        )
    answer = invoke(api, "list_images", {"queryStringParameters": {name: "x"}})
    assert answer.status == 400


def test_an_invocation_with_a_repeated_parameter_lists_images_with_both_tags(api: Api) -> None:
    for tags in (["la"], ["lb"], ["la", "lb"]):
        both = api.upload(user_id="lam", tags=tags)
    event = {
        "httpMethod": "GET",
        "path": "/images",
        "queryStringParameters": {"user_id": "lam", "tag": "lb"},
        "multiValueQueryStringParameters": {"user_id": ["lam"], "tag": ["la", "lb"]},
    }
    assert [image["image_id"] for image in invoke(api, "list_images", event).body["images"]] == [both["image_id"]]
    assert api.listed("tag[]=la&tag[]=lb") == [both["image_id"]]


def gateway(api: Api, event: dict[str, Any]) -> dict[str, Any]:
    """Send an event of a gateway to the function of the API."""
    answer: dict[str, Any] = app(event, LambdaContext("api_handler", 256, 30_000))
    return answer


def http_api(method: str, path: str, query: str = "", **more: Any) -> dict[str, Any]:
    """Return an event in payload format 2.0, of an HTTP API or a function URL."""
    context = {"http": {"method": method, "path": path}, "stage": "$default"}
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "image/jpeg", "x-user-id": "alice"},
        "requestContext": context,
        "isBase64Encoded": False,
        **more,
    }


def test_the_api_can_be_called_through_an_http_api_or_a_function_url(api: Api) -> None:
    body = base64.b64encode(RAW).decode()
    uploaded = gateway(api, http_api("POST", "/images", "tags=a&tags=b", body=body, isBase64Encoded=True))
    metadata = json.loads(uploaded["body"])["metadata"]
    assert (uploaded["statusCode"], metadata["tags"], metadata["size"]) == (201, ["a", "b"], len(RAW))
    api.upload(tags=["a"])
    listed = gateway(api, http_api("GET", "/images", "tag=a&tag=b"))
    assert json.loads(listed["body"])["images"] == [metadata]
    viewed = gateway(api, http_api("GET", f"/images/{metadata['image_id']}"))
    assert json.loads(viewed["body"])["metadata"] == metadata
    unknown = [gateway(api, http_api("GET", path)) for path in ("/nope", "/" + "a/" * 20)]
    assert [(answer["statusCode"], json.loads(answer["body"])) for answer in unknown] == [
        (404, error("No route matches this path."))
    ] * 2
    assert gateway(api, http_api("PATCH", "/images"))["statusCode"] == 405


def test_the_api_can_be_called_through_a_load_balancer(api: Api) -> None:
    wanted = api.upload(title="Café noir")
    api.upload(title="Dunes")
    event = {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "httpMethod": "GET",
        "path": "/images",
        "multiValueQueryStringParameters": {"title": ["caf%C3%A9+noir"]},
        "multiValueHeaders": {"accept": ["*/*"]},
        "body": "",
        "isBase64Encoded": False,
    }
    answer = gateway(api, event)
    assert json.loads(answer["body"])["images"] == [wanted]
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/json"]
