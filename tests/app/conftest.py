"""Chalice's test client and moto, with the buckets and tables of `resources.yaml`."""

import io
import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chalice.local import LambdaContext
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
    """Let a run of all tests in this folder fail if no test needed a declared permission."""
    WHOLE_SUITE.guard = GUARD
    quick_moto.speed_up_transactions()


Log = Callable[[], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Api:
    """A client of the service."""

    client: Client
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None) -> HTTPResponse:
        """Send a request. A body that is not bytes is sent as JSON."""
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        return self.client.http.request(method, path, headers=headers, body=sent)

    def get(self, path: str) -> HTTPResponse:
        """Send a GET."""
        return self.call("GET", path)

    def upload(self, **fields: Any) -> dict[str, Any]:
        """Upload an image and return its metadata. Each field has a default."""
        body = {"user_id": "alice", "image_data": base64_picture(), **fields}
        answer = self.call("POST", "/images", body)
        assert answer.status_code == 201, answer.body
        metadata: dict[str, Any] = answer.json_body["metadata"]
        return metadata

    def listed(self, query: str = "") -> list[str]:
        """Return the ids on the first page of a list."""
        return [image["image_id"] for image in self.get(f"/images?{query}").json_body["images"]]

    def view(self, image_id: str) -> dict[str, Any]:
        """Return the view of an image."""
        view: dict[str, Any] = self.get(f"/images/{image_id}").json_body
        return view

    def pages(self, query: str) -> Iterator[list[str]]:
        """Yield the ids of a list of images, page by page."""
        for page in self.pages_of("images", query):
            yield [image["image_id"] for image in page]

    def pages_of(self, collection: str, query: str) -> Iterator[list[dict[str, Any]]]:
        """Yield the images, items or tags of a list, page by page."""
        cursor = ""
        while True:
            page = self.get(f"/{collection}?{query}{cursor}").json_body
            assert page["count"] == len(page[collection])
            assert ("last_evaluated_key" in page) is page["has_more"]
            yield page[collection]
            if not page["has_more"]:
                return
            cursor = f"&last_evaluated_key={page['last_evaluated_key']}"


@dataclass(frozen=True, slots=True)
class Stores:
    """The contents of S3 and DynamoDB."""

    s3: Any
    dynamodb: Any

    def objects(self, kind: str = "originals") -> dict[str, bytes]:
        """Return the bytes of each object by its key. `kind` is "originals", "staged" or "derived"."""
        bucket = f"images-{kind}"
        keys = [item["Key"] for item in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {key: self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def records(self) -> list[dict[str, Any]]:
        """Return all records of images."""
        items: list[dict[str, Any]] = self.dynamodb.scan(TableName=settings().images_table_name)["Items"]
        return items

    def rows(self) -> list[dict[str, Any]]:
        """Return all index rows."""
        items: list[dict[str, Any]] = self.dynamodb.scan(TableName=settings().image_tags_table_name)["Items"]
        return items

    def tag_counts(self) -> list[dict[str, Any]]:
        """Return all tag counters and queued changes."""
        items: list[dict[str, Any]] = self.dynamodb.scan(TableName=settings().tag_counts_table_name)["Items"]
        return items

    def are_empty(self) -> bool:
        """Whether no object, multipart upload, record or index row is left.

        Ignores what a later run of the schedule deletes: tag counters, and records in the state `deleted`.
        """
        records = [record for record in self.records() if record.get("state") != {"S": "deleted"}]
        objects = [self.objects(kind) for kind in ("originals", "staged", "derived")]
        uploads = self.s3.list_multipart_uploads(Bucket="images-staged").get("Uploads")
        return not (any(objects) or uploads or records or self.rows())


@pytest.fixture(autouse=True)
def no_time_limit() -> Iterator[None]:
    """No time limit for a page, so that tests pass on a slow machine. A test can set another limit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAX_PAGE_MILLISECONDS", "600000")
        settings.cache_clear()
        settings()  # read now: the test client later sets the variables of its stage
        yield
    settings.cache_clear()


@pytest.fixture(autouse=True, scope="session")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the service's temporary files: in a common one, every process removes the old files of all."""
    with pytest.MonkeyPatch.context() as patch:
        folder = Path(tmp_path_factory.mktemp("temporary"))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def permissions() -> Iterator[None]:
    """Checks that each handler uses only its declared permissions."""
    with GUARD.watching():
        yield


def _create_stores() -> None:
    provision.create(aws.s3(), aws.dynamodb(), settings())


@pytest.fixture(autouse=True)
def stores(permissions: None) -> Iterator[Stores]:
    """Empty buckets and tables."""
    # These are the service's own clients. Creating others takes longer than most tests.
    with mock_aws():
        quick_moto.restore(_create_stores)
        yield Stores(aws.s3(), aws.dynamodb())


@pytest.fixture
def api() -> Iterator[Api]:
    """A client that adds no headers except the content type."""
    with pytest.MonkeyPatch.context() as patch, Client(app, stage_name="local") as client:
        # A function that Chalice's client invokes has three seconds, whatever its configuration says.
        patch.setattr("chalice.test.LambdaContext", partial(LambdaContext, max_runtime_ms=300_000))
        yield Api(client)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """Returns the lines that the service has logged so far."""
    lines = io.StringIO()
    monkeypatch.setattr(logging.getLogger("images-api"), "handlers", [logs.handler("json", lines)])
    return lambda: [json.loads(line) for line in lines.getvalue().splitlines()]


@pytest.fixture
def calls(stores: Stores) -> Iterator[Calls]:
    """Changes the AWS calls of the service."""
    with Calls().watched() as calls:
        yield calls


@pytest.fixture
def variants_fail(calls: Calls) -> Rule:
    """Writing variants fails until the rule ends."""
    return calls.fail("PutObject", StoreIsDown(), when=lambda put: put["Bucket"] == settings().derived_bucket_name)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service retries without waiting."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
