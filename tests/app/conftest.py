"""Chalice's test client over moto, with buckets and tables as `resources.yaml` declares them."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from chalice.test import Client, HTTPResponse
from moto import mock_aws

from app import app
from chalicelib import logs
from chalicelib.config import settings
from chalicelib.permissions import StageLocation
from chalicelib.stores import aws
from dev import provision
from tests.app import quick_moto
from tests.app.calls import Calls, Rule, StoreIsDown
from tests.conftest import WHOLE_SUITE
from tests.iam import Guard
from tests.pictures import base64_picture

GUARD = Guard(app, StageLocation("aws", "us-east-1", "123456789012", "local", settings()))


def pytest_configure(config: pytest.Config) -> None:
    """Let a run of all tests here fail for a declared permission that no test needed."""
    WHOLE_SUITE.guard = GUARD
    quick_moto.quicken_transactions()


Log = Callable[[], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Api:
    """A client of the service."""

    client: Client
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None) -> HTTPResponse:
        """Send a request: `body` as JSON, unless it is bytes."""
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        return self.client.http.request(method, path, headers=headers, body=sent)

    def get(self, path: str) -> HTTPResponse:
        """Send a GET."""
        return self.call("GET", path)

    def upload(self, **fields: Any) -> dict[str, Any]:
        """Upload an image and give its metadata; each field has a default."""
        body = {"user_id": "alice", "image_data": base64_picture(), **fields}
        answer = self.call("POST", "/images", body)
        assert answer.status_code == 201, answer.body
        metadata: dict[str, Any] = answer.json_body["metadata"]
        return metadata

    def listed(self, query: str = "") -> list[str]:
        """The ids on the first page of a list."""
        return [image["image_id"] for image in self.get(f"/images?{query}").json_body["images"]]

    def view(self, image_id: str) -> dict[str, Any]:
        """What the service says about an image."""
        shape: dict[str, Any] = self.get(f"/images/{image_id}").json_body
        return shape

    def pages(self, query: str) -> Iterator[list[str]]:
        """The ids of a list of images, page by page."""
        for page in self.pages_of("images", query):
            yield [image["image_id"] for image in page]

    def pages_of(self, collection: str, query: str) -> Iterator[list[dict[str, Any]]]:
        """The images, items or tags of a list, page by page."""
        key = ""
        while True:
            page = self.get(f"/{collection}?{query}{key}").json_body
            assert page["count"] == len(page[collection])
            assert ("last_evaluated_key" in page) is page["has_more"]
            yield page[collection]
            if not page["has_more"]:
                return
            key = f"&last_evaluated_key={page['last_evaluated_key']}"


@dataclass(frozen=True, slots=True)
class Stores:
    """What lies in S3 and DynamoDB."""

    s3: Any
    dynamodb: Any

    def objects(self, kind: str = "originals") -> dict[str, bytes]:
        """Each object key of the originals, or of what is staged or derived, with the bytes."""
        bucket = f"images-{kind}"
        keys = [found["Key"] for found in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {key: self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def records(self) -> list[dict[str, Any]]:
        """Each item of the table of records."""
        items: list[dict[str, Any]] = self.dynamodb.scan(TableName=settings().images_table_name)["Items"]
        return items

    def rows(self) -> list[dict[str, Any]]:
        """Each item of the table of terms."""
        items: list[dict[str, Any]] = self.dynamodb.scan(TableName=settings().image_tags_table_name)["Items"]
        return items

    def tag_counts(self) -> list[dict[str, Any]]:
        """Each item of the table of the tags' counts, and of changes that wait."""
        items: list[dict[str, Any]] = self.dynamodb.scan(TableName=settings().tag_counts_table_name)["Items"]
        return items

    def are_empty(self) -> bool:
        """Whether nothing is left anywhere.

        But for what the schedule removes when it has come round: the tags' counts, and the records of images that were
        deleted before they were processed.
        """
        records = [record for record in self.records() if record.get("state") != {"S": "deleted"}]
        objects = [self.objects(kind) for kind in ("originals", "staged", "derived")]
        uploads = self.s3.list_multipart_uploads(Bucket="images-staged").get("Uploads")
        return not (any(objects) or uploads or records or self.rows())


@pytest.fixture(autouse=True)
def unhurried() -> Iterator[None]:
    """A page may take as long as it does on a busy machine, unless a test says otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAX_PAGE_MILLISECONDS", "600000")
        settings.cache_clear()
        settings()  # now: the client puts the stage's own variables over these
        yield
    settings.cache_clear()


@pytest.fixture(autouse=True)
def permissions() -> Iterator[None]:
    """Each handler held to the permissions that it declares."""
    with GUARD.watching():
        yield


def _provide() -> None:
    provision.create(aws.s3(), aws.dynamodb(), settings())


@pytest.fixture(autouse=True)
def stores(permissions: None) -> Iterator[Stores]:
    """Fresh buckets and tables."""
    # The service's own clients: making others takes longer than all that most tests do.
    with mock_aws():
        quick_moto.provided(_provide)
        yield Stores(aws.s3(), aws.dynamodb())


@pytest.fixture
def api() -> Iterator[Api]:
    """A client that sends what tests tell it, and no more."""
    with Client(app, stage_name="local") as client:
        yield Api(client)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """What the service has logged so far, line by line."""
    lines = io.StringIO()
    monkeypatch.setattr(logging.getLogger("images-api"), "handlers", [logs.handler("json", lines)])
    return lambda: [json.loads(line) for line in lines.getvalue().splitlines()]


@pytest.fixture
def calls(stores: Stores) -> Iterator[Calls]:
    """Changes what happens to the service's AWS calls."""
    with Calls().watched() as calls:
        yield calls


@pytest.fixture
def variants_fail(calls: Calls) -> Rule:
    """No variant can be written, until the rule ends."""
    return calls.fail("PutObject", StoreIsDown(), when=lambda put: put["Bucket"] == settings().derived_bucket_name)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service tries again without waiting."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
