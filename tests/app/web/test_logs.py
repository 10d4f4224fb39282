"""What the service logs about requests, events and images, and what it never logs."""

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib import logs
from tests.app.background import object_created, sweep, upload_staged
from tests.app.calls import ANY, Calls, Rule, StoreIsDown
from tests.app.conftest import Api, Log, Stores
from tests.app.tokens import SECRET, token, with_token
from tests.app.uploads import BROKEN, announce, send, send_parts
from tests.embedded_metrics import assert_publishes
from tests.pictures import picture

Line = dict[str, Any]

COST = {"duration_ms", "aws_calls", "read_units", "write_units"}
ALWAYS = {"level", "timestamp", "message", "request_id"}


def lines(log: Log, message: str) -> list[Line]:
    return [line for line in log() if line["message"] == message]


def part(line: Line, *names: str) -> Line:
    return {name: line[name] for name in names if name in line}


class TestRequests:
    def test_a_request_logs_one_line(self, api: Api, log: Log) -> None:
        image_id = api.upload()["image_id"]
        answer = Api(api.client, {"X-User-Id": "bob"}).get(f"/images/{image_id}")
        _, line = log()
        assert line.keys() - {"cold_start"} == {
            *(ALWAYS | COST),
            *("route", "method", "status", "image_id", "user_id"),
        }
        assert part(line, "level", "message", "request_id", "route", "method", "status", "image_id", "user_id") == {
            "level": "INFO",
            "message": "request",
            "request_id": answer.headers["X-Request-Id"],
            "route": "/images/{image_id}",
            "method": "GET",
            "status": 200,
            "image_id": image_id,
            "user_id": "bob",
        }
        assert part(line, "aws_calls", "read_units", "write_units") == {
            "aws_calls": 1,
            "read_units": 0.5,
            "write_units": 0,
        }
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])

    @pytest.mark.parametrize("path", ["/images", "/images/upload", "/upload"])
    def test_an_upload_logs_the_image_and_its_owner(self, api: Api, log: Log, path: str) -> None:
        body = {"user_id": "alice", "image_data": BROKEN}
        shape = api.call("POST", path, body).json_body
        (line,) = lines(log, "request")
        assert part(line, "route", "status", "image_id", "user_id", "aws_calls") == {
            "route": path,
            "status": 201,
            "image_id": shape.get("image_id") or shape["metadata"]["image_id"],
            "user_id": "alice",
            "aws_calls": 2,
        }

    def test_a_repeated_upload_logs_the_existing_image(self, api: Api, log: Log) -> None:
        keyed = Api(api.client, {"Idempotency-Key": "k"})
        image_id = keyed.upload()["image_id"]
        assert keyed.upload()["image_id"] == image_id
        assert [line["image_id"] for line in lines(log, "request")] == [image_id] * 2

    def test_a_direct_upload_logs_the_announced_image(self, api: Api, log: Log) -> None:
        announced = announce(api)
        (line,) = lines(log, "request")
        assert part(line, "image_id", "user_id") == {"image_id": announced["image_id"], "user_id": "alice"}

    def test_a_request_logs_the_reads_of_its_page(self, api: Api, log: Log) -> None:
        api.upload(title="sea", tags=["a"])
        api.get("/images?title=sea&tag=a")
        (page,), request = lines(log, "list"), lines(log, "request")[-1]
        assert (request["aws_calls"], request["read_units"]) == (page["reads"], page["read_units"])
        assert page["reads"] > 1

    def test_a_write_logs_write_units(self, api: Api, log: Log) -> None:
        assert api.call("POST", "/items", {"name": "x"}).status_code == 201
        (line,) = lines(log, "request")
        assert part(line, "aws_calls", "read_units", "write_units") == {
            "aws_calls": 1,
            "read_units": 0,
            "write_units": 1,
        }

    def test_a_directly_invoked_function_logs_a_request(self, api: Api, log: Log) -> None:
        api.client.lambda_.invoke("list_images", {})
        api.client.lambda_.invoke("view_images", {"pathParameters": "["})
        assert [part(line, "route", "method", "status") for line in lines(log, "request")] == [
            {"route": "/images", "method": "GET", "status": 200},
            {"route": "/image/{image_id}", "method": "GET", "status": 400},
        ]

    @pytest.mark.parametrize(
        ("method", "path", "route", "status"),
        [
            ("GET", "/hush", "/{segment1}", 404),
            ("GET", "/images/hush?_=hush", "/images/{image_id}", 404),
            ("GET", "/images/hush?hush=hush", "/images/{image_id}", 400),
            ("DELETE", "/images/hush", "/images/{image_id}", 404),
            ("GET", "/images?limit=hush", "/images", 400),
            ("GET", "/images?last_evaluated_key=hush", "/images", 400),
            ("PATCH", "/images", "/images", 405),
        ],
    )
    def test_no_line_has_text_from_a_path_or_a_query(
        self, api: Api, log: Log, method: str, path: str, route: str, status: int
    ) -> None:
        assert api.call(method, path).status_code == status
        (line,) = lines(log, "request")
        assert part(line, "route", "status", "image_id", "user_id") == {"route": route, "status": status}
        assert "hush" not in json.dumps(log())

    def test_a_line_has_the_id_that_the_client_gave_its_request(self, api: Api, log: Log) -> None:
        answer = Api(api.client, {"X-Request-Id": "my-1"}).get("/images")
        (line,) = lines(log, "request")
        assert (answer.headers["X-Request-Id"], line["client_request_id"]) == ("my-1", "my-1")
        assert line["request_id"] not in ("", "my-1")

    def test_a_malformed_id_of_a_request_is_ignored(self, api: Api, log: Log) -> None:
        answer = Api(api.client, {"X-Request-Id": "hush hush"}).get("/images")
        (line,) = lines(log, "request")
        assert answer.headers["X-Request-Id"] == line["request_id"]
        assert "hush" not in json.dumps(log())

    @pytest.mark.parametrize("name", ["hush\x07", "hush" * 33])
    def test_no_line_has_an_invalid_user_id(self, api: Api, log: Log, name: str) -> None:
        Api(api.client, {"X-User-Id": name}).get("/images")
        assert "hush" not in json.dumps(log())

    def test_the_first_request_of_a_process_is_a_cold_start(self) -> None:
        program = (
            "import app\n"
            "event = {'requestContext': {'httpMethod': 'GET', 'resourcePath': '/'}, 'headers': None, 'body': None,"
            " 'pathParameters': None, 'stageVariables': None, 'multiValueQueryStringParameters': None}\n"
            "for _ in range(3): app.app(event, None)"
        )
        environment = {**os.environ, "LOG_FORMAT": "json"}
        written = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
        ).stdout
        assert [json.loads(line).get("cold_start") for line in written.splitlines()] == [True, None, None]


class TestEvents:
    def test_an_event_logs_one_line_and_its_image_one(self, api: Api, log: Log) -> None:
        metadata = api.upload()
        object_created(api, metadata["s3_key"])
        image, event = log()[1:]
        assert image.keys() - {"timestamp", "request_id"} == {
            *("level", "message", "image_id", "state", "images_ready", "processing_ms", "duration_ms")
        }
        assert part(image, "level", "message", "image_id", "state", "images_ready") == {
            "level": "INFO",
            "message": "image",
            "image_id": metadata["image_id"],
            "state": "ready",
            "images_ready": 1,
        }
        assert 0 < image["processing_ms"] <= image["duration_ms"] <= event["duration_ms"]
        assert event.keys() == ALWAYS | COST | {"function"}
        # Five calls: the record, the original, two variants, the transaction.
        assert part(event, "level", "message", "function", "aws_calls") == {
            "level": "INFO",
            "message": "event",
            "function": "on_object_created",
            "aws_calls": 5,
        }
        assert image["request_id"] == event["request_id"]

    def test_a_broken_image_logs_a_failed_image(self, api: Api, log: Log) -> None:
        metadata = api.upload(image_data=BROKEN)
        object_created(api, metadata["s3_key"])
        (image,) = lines(log, "image")
        assert part(image, "image_id", "state", "images_failed", "images_ready") == {
            "image_id": metadata["image_id"],
            "state": "failed",
            "images_failed": 1,
        }

    def test_a_direct_upload_of_another_file_logs_a_rejected_image(self, api: Api, stores: Stores, log: Log) -> None:
        announced = announce(api)
        upload_staged(api, send(stores, announced, b"x"))
        (image,), (event,) = lines(log, "image"), lines(log, "event")
        assert part(image, "image_id", "state", "images_rejected", "images_failed") == {
            "image_id": announced["image_id"],
            "state": "rejected",
            "images_rejected": 1,
        }
        assert event["function"] == "on_upload_staged"

    def test_a_failed_attempt_logs_a_warning_and_a_failed_image_counts_once(
        self, api: Api, log: Log, variants_fail: Rule
    ) -> None:
        metadata = api.upload()
        for _ in range(4):
            with pytest.raises(StoreIsDown):
                object_created(api, metadata["s3_key"])
        raised = [part(line, "level", "error", "images_failed") for line in lines(log, "image")]
        warning = {"level": "WARNING", "error": "StoreIsDown"}
        assert raised == [warning, warning, {**warning, "images_failed": 1}, warning]
        assert [part(line, "level", "error") for line in lines(log, "event")] == [warning] * 4

    def test_a_repeated_event_does_not_log_its_image_again(self, api: Api, log: Log) -> None:
        metadata = api.upload()
        object_created(api, metadata["s3_key"])
        object_created(api, metadata["s3_key"])
        assert len(lines(log, "image")) == 1
        assert len(lines(log, "event")) == 2


class TestSchedule:
    def test_it_logs_the_age_of_the_oldest_unfinished_image(self, api: Api, stores: Stores, log: Log) -> None:
        api.upload()
        (record,) = stores.records()
        sweep(api)
        stores.dynamodb.put_item(TableName="images", Item={**record, "updated_at": {"S": "2020-01-01T00:00:00.000Z"}})
        api.client.lambda_.invoke("sweep", {"dry_run": True})
        young, old = lines(log, "event")
        assert (young["function"], young["repaired"], old["repaired"]) == ("sweep", 0, 0)
        assert 0 <= young["oldest_unfinished_seconds"] < 60
        assert old["oldest_unfinished_seconds"] > 100_000_000

    def test_a_half_finished_deletion_is_an_unfinished_image(self, api: Api, stores: Stores, log: Log) -> None:
        metadata = api.upload()
        object_created(api, metadata["s3_key"])
        (record,) = stores.records()
        half_done = {"state": {"S": "deleting"}, "updated_at": {"S": "2020-01-01T00:00:00.000Z"}}
        stores.dynamodb.put_item(TableName="images", Item={**record, **half_done})
        api.client.lambda_.invoke("sweep", {"dry_run": True})
        assert lines(log, "event")[-1]["oldest_unfinished_seconds"] > 100_000_000

    def test_it_logs_the_number_of_repaired_images_and_0_if_none_is_unfinished(
        self, api: Api, log: Log, configured: Callable[..., None]
    ) -> None:
        configured(SWEEP_AFTER_SECONDS="0")
        metadata = api.upload()
        sweep(api)
        (image,), event = lines(log, "image"), lines(log, "event")[-1]
        assert part(image, "image_id", "state") == {"image_id": metadata["image_id"], "state": "ready"}
        assert part(event, "function", "repaired", "oldest_unfinished_seconds") == {
            "function": "sweep",
            "repaired": 1,
            "oldest_unfinished_seconds": 0,
        }


class TestMetrics:
    def test_metrics_are_part_of_the_log_lines(
        self, api: Api, stores: Stores, log: Log, configured: Callable[..., None]
    ) -> None:
        configured(METRICS_NAMESPACE="images-api/prod")
        intact, broken = api.upload(), api.upload(image_data=BROKEN)
        upload_staged(api, send(stores, announce(api), b"x"))
        object_created(api, intact["s3_key"])
        object_created(api, broken["s3_key"])
        sweep(api)
        for line in lines(log, "request"):
            assert_publishes(line, COST)
        rejected, ready, failed = lines(log, "image")
        assert_publishes(rejected, {"images_rejected", "processing_ms"})
        assert_publishes(ready, {"images_ready", "processing_ms"})
        assert_publishes(failed, {"images_failed", "processing_ms"})
        *events, schedule = lines(log, "event")
        assert_publishes(schedule, {"oldest_unfinished_seconds"})
        assert not any("_aws" in line for line in events)
        directives = [each for line in log() if "_aws" in line for each in line["_aws"]["CloudWatchMetrics"]]
        assert {directive["Namespace"] for directive in directives} == {"images-api/prod"}

    def test_only_lists_publish_the_milliseconds_of_lists(
        self, api: Api, log: Log, configured: Callable[..., None]
    ) -> None:
        configured(METRICS_NAMESPACE="images-api/prod")
        metadata = api.upload()
        api.get("/images")
        api.get("/list")
        api.get("/images/count")
        api.get(f"/images/{metadata['image_id']}")
        upload, *lists, count, view = lines(log, "request")
        for line in lists:
            assert_publishes(line, {*COST, "list_ms"})
            assert 0 < line["list_ms"] <= line["duration_ms"]
        assert not any("list_ms" in line for line in (upload, count, view))

    def test_without_a_namespace_there_are_no_metrics(self, api: Api, log: Log) -> None:
        metadata = api.upload()
        object_created(api, metadata["s3_key"])
        sweep(api)
        assert not any("_aws" in line for line in log())


class TestText:
    """Log lines for a terminal."""

    @pytest.fixture
    def text(self, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr(logging.getLogger("images-api"), "handlers", [logs.handler("text", stream)])
        return stream

    def shown(self, text: io.StringIO) -> list[str]:
        """Return the lines without the time of day, and with N for each duration."""
        lines = text.getvalue().splitlines()
        assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
        return [re.sub(r"\d+ ms", "N ms", line[9:]) for line in lines]

    def test_requests_images_and_events_are_short_lines(self, api: Api, text: io.StringIO) -> None:
        metadata = api.upload()
        api.get(f"/images/{metadata['image_id']}")
        api.get("/images?tag=sea")
        api.call("PATCH", "/images")
        object_created(api, metadata["s3_key"])
        assert self.shown(text) == [
            "POST   /images  201  N ms, 2 AWS calls",
            "GET    /images/{image_id}  200  N ms, 1 AWS call",
            "GET    /images  200  N ms, 1 AWS call",
            "PATCH  /images  405  N ms, 0 AWS calls",
            f"image  {metadata['image_id']}  ready  N ms",
            "event  on_object_created  ok  N ms, 5 AWS calls",
        ]

    def test_a_failed_event_shows_its_error(self, api: Api, text: io.StringIO, variants_fail: Rule) -> None:
        metadata = api.upload()
        with pytest.raises(StoreIsDown):
            object_created(api, metadata["s3_key"])
        image, event = self.shown(text)[1:]
        assert image == f"image  {metadata['image_id']}  StoreIsDown  N ms"
        assert event.startswith("event  on_object_created  StoreIsDown  N ms, ")

    def test_there_are_no_metrics(self, api: Api, text: io.StringIO, configured: Callable[..., None]) -> None:
        configured(METRICS_NAMESPACE="images-api/local")
        api.upload()
        assert self.shown(text) == ["POST   /images  201  N ms, 2 AWS calls"]

    def test_no_line_has_text_that_a_client_sent(self, api: Api, text: io.StringIO, calls: Calls) -> None:
        hush = Api(api.client, {"X-User-Id": "hush"})
        for path in ("/hush", "/images/hush?hush=hush", "/images?tag=hush&last_evaluated_key=hush"):
            hush.get(path)
        hush.upload(user_id="hush", title="hush", filename="hush.png", tags=["hush"])

        unreachable = EndpointConnectionError(endpoint_url="http://127.0.0.1:1/images/alice/1?uploadId=hush")
        with calls.fail(ANY, unreachable):
            assert api.get("/images").status_code == 503
        assert "http://127.0.0.1:1/images/alice/1?…" in text.getvalue()
        assert "hush" not in text.getvalue()

    def test_control_characters_are_escaped(self, text: io.StringIO) -> None:
        try:
            raise ValueError("\x1b[2Jcleared\r")
        except ValueError:
            logging.getLogger("images-api").exception("Failed.")
        first, *_, last = text.getvalue().splitlines()
        assert (first[9:], last) == ("ERROR Failed.", r"ValueError: \x1b[2Jcleared\r")


class TestSecrets:
    """A reader of the log can neither read images nor act as another user."""

    def test_no_line_has_secrets_filenames_titles_or_tags(
        self, api: Api, stores: Stores, log: Log, configured: Callable[..., None]
    ) -> None:
        configured(AUTH="jwt", JWT_SECRET=SECRET, CURSOR_SECRET="cursor-hush", MULTIPART_THRESHOLD_BYTES="5000")
        bearer, forged = token("alice"), token("alice", "f" * 32)
        alice = with_token(api, bearer)
        images = [alice.upload(filename="file-hush.png", title="title-hush", tags=["tag-hush"]) for _ in range(2)]
        path_of_image = f"/images/{images[0]['image_id']}"
        cursor = alice.get("/images?limit=1&tag=tag-hush&include=url").json_body["last_evaluated_key"]
        object_created(api, images[0]["s3_key"])
        form = announce(alice, filename="file-hush.png")
        upload_staged(api, send(stores, form))
        content = picture(width=300, height=300)
        parts = announce(alice, filename="file-hush.png", size=len(content))
        send_parts(stores, parts, content)
        calls = [
            *(
                ("GET", path)
                for path in (
                    path_of_image,
                    f"{path_of_image}?download=true",
                    f"{path_of_image}/download",
                    f"{path_of_image}/render?w=20",
                )
            ),
            *(("GET", f"{path_of_image}/download?type={kind}") for kind in ("redirect", "binary", "base64")),
            ("GET", f"/images?limit=1&tag=tag-hush&last_evaluated_key={cursor}"),
            *(("POST", f"/images/{parts['image_id']}/{verb}") for verb in ("parts", "complete")),
            ("PUT", path_of_image),
            ("DELETE", path_of_image),
        ]
        for client in (alice, with_token(api, forged), api):
            for method, path in calls:
                client.call(method, path, {"title": "title-hush"} if method == "PUT" else None)
        stores.dynamodb.delete_table(TableName="image_tags")
        assert alice.get(f"/images?tag=tag-hush&last_evaluated_key={cursor}").status_code == 500
        statuses = {line["status"] for line in lines(log, "request")}
        assert {200, 201, 202, 302, 401, 404, 500} <= statuses
        assert any("exception" in line for line in log())
        text = json.dumps(log())
        secrets = [bearer, forged, SECRET, cursor, form["fields"]["policy"], form["fields"]["x-amz-signature"]]
        for secret in [*secrets, "hush", "X-Amz-", "policy", "uploadId", "Bearer", *bearer.split(".")]:
            assert secret.lower() not in text.lower()

    def test_an_exception_is_logged_without_the_query_of_its_url(self, api: Api, log: Log, calls: Calls) -> None:
        endpoint = "http://127.0.0.1:1/images/alice/1?uploadId=hush"
        calls.fail(ANY, EndpointConnectionError(endpoint_url=endpoint))
        assert api.get("/images").status_code == 503
        (line,) = (line for line in log() if "exception" in line)
        assert "http://127.0.0.1:1/images/alice/1?…" in line["exception"]
        assert "hush" not in json.dumps(log())
