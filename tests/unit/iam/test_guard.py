import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from chalice.app import Chalice, CloudWatchEvent, Rate
from chalice.test import Client
from moto import mock_aws

from chalicelib.config import Settings
from chalicelib.permissions import CATALOG, ORIGINALS, Permission, StageLocation, needs
from tests.iam import Guard, Refused, aside

LOCATION = StageLocation("aws", "us-east-1", "123456789012", "dev", Settings())
IMAGES = "arn:aws:dynamodb:us-east-1:123456789012:table/images"


def tiny(view: Callable[[], Any], *permissions: Permission) -> Chalice:
    """Return an app with one route, GET /."""
    app = Chalice(app_name="tiny")
    app.route("/", name="view")(needs(*permissions)(view))
    return app


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY":
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_PROFILE":
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="images-originals")
        boto3.client("dynamodb").create_table(
            TableName="images",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "image_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "image_id", "KeyType": "HASH"}],
        )
        yield


def get_record() -> None:
    boto3.client("dynamodb").get_item(TableName="images", Key={"image_id": {"S": "1"}})


def sign_url() -> str:
    request = AWSRequest("GET", "https://s3.us-east-1.amazonaws.com/images-originals/k")
    signer: Any = S3SigV4QueryAuth
    signer(Credentials("key", "secret"), "s3", "us-east-1").add_auth(request)
    return str(request.url)


def sign_form() -> str:
    request = AWSRequest("POST", "https://s3.us-east-1.amazonaws.com/images-originals")
    request.context["s3-presign-post-policy"] = {"conditions": [["starts-with", "$key", "alice/"]]}
    signer: Any = S3SigV4PostAuth
    signer(Credentials("key", "secret"), "s3", "us-east-1").add_auth(request)
    return str(request.context["s3-presign-post-fields"]["x-amz-signature"])


def refusal(view: Callable[[], Any], *permissions: Permission) -> str:
    """Return the guard's message when the app answers a request with this view."""
    app = tiny(view, *permissions)
    guard = Guard(app, LOCATION)
    with pytest.raises(Refused) as refused, guard.watching():
        Client(app).http.get("/")
    return str(refused.value)


def unused(view: Callable[[], Any], *permissions: Permission) -> list[str]:
    """Return the permissions that remain unused when the app answers a request with this view."""
    app = tiny(view, *permissions)
    guard = Guard(app, LOCATION)
    with guard.watching():
        assert Client(app).http.get("/").status_code == 200
    return guard.unused()


def test_a_declared_call_is_allowed_and_the_permission_is_used() -> None:
    assert unused(get_record, CATALOG.get, CATALOG.put) == ["view: dynamodb:PutItem on Catalog"]


def test_an_undeclared_call_is_refused() -> None:
    assert refusal(get_record, CATALOG.put) == f"view may not dynamodb:GetItem on {IMAGES}."


def test_a_call_in_another_region_is_refused() -> None:
    def elsewhere() -> None:
        boto3.client("dynamodb", region_name="eu-west-1").get_item(TableName="images", Key={})

    assert "dynamodb:eu-west-1:" in refusal(elsewhere, CATALOG.get)


def test_an_unknown_operation_is_refused() -> None:
    assert "checks for dynamodb ListTables" in refusal(lambda: boto3.client("dynamodb").list_tables())


def test_a_refused_call_is_not_sent() -> None:
    key = {"image_id": {"S": "1"}}
    refusal(lambda: boto3.client("dynamodb").put_item(TableName="images", Item=key), CATALOG.get)
    assert "Item" not in boto3.client("dynamodb").get_item(TableName="images", Key=key)


def test_permission_to_query_a_table_does_not_include_its_indexes() -> None:
    def query() -> None:
        boto3.client("dynamodb").query(TableName="images", IndexName="state-index")

    assert refusal(query, CATALOG.query) == f"view may not dynamodb:Query on {IMAGES}/index/state-index."


def test_paginators_and_resources_are_checked() -> None:
    def pages() -> None:
        list(boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket="images-originals"))

    def resource() -> None:
        boto3.resource("dynamodb").Table("images").get_item(Key={"image_id": "1"})

    assert refusal(pages, ORIGINALS.get) == "view may not s3:ListBucket on arn:aws:s3:::images-originals."
    assert unused(resource, CATALOG.get) == []


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_url_presigned_by_a_client_needs_its_action(version: str) -> None:
    client = boto3.client("s3", config=Config(signature_version=version, s3={"addressing_style": "path"}))

    def sign() -> str:
        return client.generate_presigned_url("put_object", {"Bucket": "images-originals", "Key": "k"})

    assert refusal(sign, ORIGINALS.get) == "view may not s3:PutObject on arn:aws:s3:::images-originals/k."
    assert unused(sign, ORIGINALS.put) == []


def test_a_url_presigned_without_a_client_needs_its_action() -> None:
    assert "view may not s3:GetObject on" in refusal(sign_url, ORIGINALS.put)
    assert unused(sign_url, ORIGINALS.get) == []


def test_a_presigned_form_needs_put_object() -> None:
    assert "view may not s3:PutObject on" in refusal(sign_form, ORIGINALS.get)
    assert unused(sign_form, ORIGINALS.put) == []


def test_calls_in_threads_belong_to_the_handler_that_started_the_threads() -> None:
    def concurrently() -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda _: get_record(), range(4)))

    assert "view may not dynamodb:GetItem" in refusal(concurrently, CATALOG.put)
    assert unused(concurrently, CATALOG.get) == []


def test_a_call_in_a_thread_without_a_handler_is_refused() -> None:
    def call() -> None:
        with pytest.raises(Refused):
            get_record()

    def in_thread() -> None:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    app = tiny(in_thread, CATALOG.get)
    with pytest.raises(pytest.fail.Exception, match="a thread that doesn't say"), Guard(app, LOCATION).watching():
        Client(app).http.get("/")


def test_a_refusal_fails_the_test_even_if_the_app_catches_it() -> None:
    def swallow() -> None:
        with suppress(BaseException):
            get_record()

    app = tiny(swallow, CATALOG.put)
    with (
        pytest.raises(pytest.fail.Exception, match="view may not dynamodb:GetItem on"),
        Guard(app, LOCATION).watching(),
    ):
        assert Client(app).http.get("/").status_code == 200


def test_middleware_has_no_permissions() -> None:
    app = tiny(get_record, CATALOG.get)

    @app.middleware("http")
    def curious(event: Any, get_response: Callable[[Any], Any]) -> Any:
        get_record()
        return get_response(event)

    with pytest.raises(Refused, match="outside of any handler"), Guard(app, LOCATION).watching():
        Client(app).http.get("/")


def test_an_event_handler_has_only_its_own_permissions() -> None:
    app = tiny(get_record, CATALOG.get)

    @app.schedule(Rate(5, unit=Rate.MINUTES))
    @needs(CATALOG.query_state)
    def sweep(event: CloudWatchEvent) -> None:
        get_record()

    guard = Guard(app, LOCATION)
    event = Client(app).events.generate_cw_event("aws.events", "Scheduled Event", {}, [])
    with pytest.raises(Refused, match="sweep may not dynamodb:GetItem"), guard.watching():
        Client(app).lambda_.invoke("sweep", event)
    assert guard.unused() == ["view: dynamodb:GetItem on Catalog", "sweep: dynamodb:Query on CatalogStateIndex"]


def test_calls_of_the_test_itself_are_not_checked() -> None:
    with Guard(tiny(get_record), LOCATION).watching():
        get_record()
        with ThreadPoolExecutor() as pool:
            pool.submit(get_record).result()


def test_calls_of_the_test_while_a_handler_is_paused_are_not_checked() -> None:
    def paused() -> None:
        with aside():
            get_record()

    assert unused(paused) == []


def test_calls_after_the_end_of_the_guard_are_not_checked() -> None:
    app = tiny(get_record)
    with Guard(app, LOCATION).watching():
        pass
    assert Client(app).http.get("/").status_code == 200
