"""S3 events and schedules call the app's handlers, as on AWS."""

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from chalice.app import Chalice, CloudWatchEvent, Cron, Rate, S3Event
from chalice.config import Config

from chalicelib.config import settings
from dev import pump
from dev.folder import Debt
from dev.pump import Pump
from project import CannotRun
from tests.stack.conftest import Emulator


@pytest.fixture
def bucket(emulator: Emulator) -> str:
    name = f"bucket-{uuid4()}"
    emulator.s3.create_bucket(Bucket=name)
    return name


@contextmanager
def pumping(emulator: Emulator, app: Chalice, retries: tuple[int, ...] = (0, 0), **options: Any) -> Iterator[None]:
    config = Config.create(chalice_app=app, app_name="pumped", lambda_timeout=20)
    with Pump(app, config, emulator.s3, emulator.sqs, retries, **options):
        yield


def message_count(emulator: Emulator, name: str) -> int:
    """Return the number of messages in a queue, including those in flight."""
    url = emulator.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = emulator.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)


@pytest.fixture
def dead_letters(emulator: Emulator) -> Callable[[], int]:
    """Return a function that counts the dead letters of the test."""
    name = settings().dead_letter_queue_name
    emulator.sqs.create_queue(QueueName=name)
    before = message_count(emulator, name)
    return lambda: message_count(emulator, name) - before


def test_an_upload_calls_its_handler_with_one_record(emulator: Emulator, bucket: str) -> None:
    app, events = Chalice("pumped", configure_logs=False), queue.Queue[S3Event]()
    app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"])(events.put)
    with pumping(emulator, app):
        emulator.s3.put_object(Bucket=bucket, Key="grüße/a b", Body=b"abc")
        event = events.get(timeout=60)
    assert (event.bucket, event.key) == (bucket, "grüße/a b")
    (record,) = event.to_dict()["Records"]
    assert (record["eventSource"], record["eventName"], record["s3"]["object"]["size"]) == (
        "aws:s3",
        "ObjectCreated:Put",
        3,
    )
    context: Any = event.context
    assert 0 < context.get_remaining_time_in_millis() <= 20_000
    assert events.empty()


def test_prefix_suffix_and_event_type_choose_the_handler(emulator: Emulator, bucket: str) -> None:
    app, calls = Chalice("pumped", configure_logs=False), queue.Queue[tuple[str, str]]()

    @app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"], prefix="in/", suffix=".jpg")
    def on_photograph(event: S3Event) -> None:
        calls.put(("photograph", event.key))

    @app.on_s3_event(bucket=bucket, events=["s3:ObjectRemoved:*"])
    def on_removal(event: S3Event) -> None:
        calls.put(("removal", event.key))

    with pumping(emulator, app):
        for key in ("out/a.jpg", "in/a.png", "in/a.jpg"):
            emulator.s3.put_object(Bucket=bucket, Key=key, Body=b"")
        assert calls.get(timeout=60) == ("photograph", "in/a.jpg")
        emulator.s3.delete_object(Bucket=bucket, Key="out/a.jpg")
        assert calls.get(timeout=60) == ("removal", "out/a.jpg")
    assert calls.empty()


def test_a_handler_that_fails_three_times_leaves_a_dead_letter(
    emulator: Emulator, bucket: str, dead_letters: Callable[[], int]
) -> None:
    app, calls = Chalice("pumped", configure_logs=False), queue.Queue[str]()

    @app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"])
    def on_object_created(event: S3Event) -> None:
        calls.put(event.key)
        if event.key == "bad":
            raise RuntimeError("not today")

    with pumping(emulator, app):
        emulator.s3.put_object(Bucket=bucket, Key="bad", Body=b"")
        assert [calls.get(timeout=60) for _ in range(3)] == ["bad"] * 3
        # Events after the failure are still delivered.
        emulator.s3.put_object(Bucket=bucket, Key="good", Body=b"")
        assert calls.get(timeout=60) == "good"
    assert calls.empty()
    assert (message_count(emulator, pump.QUEUE), dead_letters()) == (0, 1)


def test_an_event_that_ended_its_process_at_each_attempt_becomes_a_dead_letter(
    emulator: Emulator, bucket: str, dead_letters: Callable[[], int]
) -> None:
    app, calls = Chalice("pumped", configure_logs=False), queue.Queue[str]()

    @app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"])
    def on_object_created(event: S3Event) -> None:
        calls.put(event.key)

    with pumping(emulator, app):
        emulator.s3.put_object(Bucket=bucket, Key="good", Body=b"")
        assert calls.get(timeout=60) == "good"
    emulator.s3.put_object(Bucket=bucket, Key="deadly", Body=b"")
    url = emulator.sqs.get_queue_url(QueueName=pump.QUEUE)["QueueUrl"]
    for _ in range(3):  # a process that ends at once leaves the message to the next one
        assert emulator.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=10)["Messages"]
    with pumping(emulator, app):
        emulator.s3.put_object(Bucket=bucket, Key="next", Body=b"")
        assert calls.get(timeout=60) == "next"
    assert calls.empty()
    assert (message_count(emulator, pump.QUEUE), dead_letters()) == (0, 1)


def test_only_the_last_failure_is_logged_with_a_traceback(
    emulator: Emulator, bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    app, calls = Chalice("pumped", configure_logs=False), queue.Queue[str]()

    @app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"])
    def on_object_created(event: S3Event) -> None:
        calls.put(event.key)
        raise RuntimeError("too early")

    with pumping(emulator, app, retries=(0,)):
        emulator.s3.put_object(Bucket=bucket, Key="early", Body=b"")
        assert [calls.get(timeout=60) for _ in range(2)] == ["early"] * 2
    assert [(record.getMessage(), bool(record.exc_info)) for record in caplog.records if record.name == "dev"] == [
        ("The handler on_object_created failed and will be called again: RuntimeError('too early')", False),
        ("The handler on_object_created failed.", True),
    ]


def test_a_failed_event_waits_for_its_retry_and_delays_no_other_event(emulator: Emulator, bucket: str) -> None:
    app, calls = Chalice("pumped", configure_logs=False), queue.Queue[str]()

    @app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"])
    def on_object_created(event: S3Event) -> None:
        calls.put(event.key)
        if event.key == "bad":
            raise RuntimeError("not today")

    with pumping(emulator, app, retries=(600, 600)):
        emulator.s3.put_object(Bucket=bucket, Key="bad", Body=b"")
        emulator.s3.put_object(Bucket=bucket, Key="good", Body=b"")
        assert {calls.get(timeout=60), calls.get(timeout=60)} == {"bad", "good"}
    assert calls.empty()
    url = emulator.sqs.get_queue_url(QueueName=pump.QUEUE)["QueueUrl"]
    assert message_count(emulator, pump.QUEUE) == 1
    emulator.sqs.purge_queue(QueueUrl=url)


def test_events_from_before_a_start_are_delivered(emulator: Emulator, bucket: str) -> None:
    app, calls = Chalice("pumped", configure_logs=False), queue.Queue[S3Event]()
    app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"])(calls.put)
    with pumping(emulator, app):
        pass
    emulator.s3.put_object(Bucket=bucket, Key="early", Body=b"")
    with pumping(emulator, app):
        assert calls.get(timeout=60).key == "early"


def test_events_that_a_killed_stack_lost_are_sent_again(emulator: Emulator, bucket: str) -> None:
    app, calls = Chalice("pumped", configure_logs=False), queue.Queue[S3Event]()
    emulator.s3.put_object(Bucket=bucket, Key="grüße/a b.jpg", Body=b"")
    emulator.s3.put_object(Bucket=bucket, Key="grüße/a b.png", Body=b"")
    app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"], suffix=".jpg")(calls.put)
    debt = Debt(datetime.now(UTC) - timedelta(hours=1))
    with pumping(emulator, app, debt=debt):
        assert calls.get(timeout=60).key == "grüße/a b.jpg"
    assert calls.empty()
    assert debt.is_paid


def test_a_process_that_is_started_again_does_not_send_lost_events_again(emulator: Emulator, bucket: str) -> None:
    app, calls = Chalice("pumped", configure_logs=False), queue.Queue[S3Event]()
    emulator.s3.put_object(Bucket=bucket, Key="lost", Body=b"")
    app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"])(calls.put)
    debt = Debt(datetime.now(UTC) - timedelta(hours=1))
    with pumping(emulator, app, debt=debt):
        assert calls.get(timeout=60).key == "lost"
    with pumping(emulator, app, debt=debt):
        emulator.s3.put_object(Bucket=bucket, Key="new", Body=b"")
        assert calls.get(timeout=60).key == "new"
    assert calls.empty()


def test_events_older_than_the_lost_ones_are_not_sent_again(emulator: Emulator, bucket: str) -> None:
    app, calls = Chalice("pumped", configure_logs=False), queue.Queue[S3Event]()
    emulator.s3.put_object(Bucket=bucket, Key="old", Body=b"")
    app.on_s3_event(bucket=bucket, events=["s3:ObjectCreated:*"])(calls.put)
    with pumping(emulator, app, debt=Debt(datetime.now(UTC) + timedelta(hours=1))):
        emulator.s3.put_object(Bucket=bucket, Key="new", Body=b"")
        assert calls.get(timeout=60).key == "new"
    assert calls.empty()


def test_a_schedule_calls_its_handler_repeatedly(emulator: Emulator) -> None:
    app, events = Chalice("pumped", configure_logs=False), queue.Queue[CloudWatchEvent]()

    @app.schedule(Rate(1, unit=Rate.MINUTES))
    def sweep(event: CloudWatchEvent) -> None:
        events.put(event)
        raise RuntimeError("a failure doesn't end the schedule")

    with pumping(emulator, app, units={"minute": 0.2}):
        first, second = events.get(timeout=60), events.get(timeout=60)
    assert (first.source, first.detail_type) == ("aws.events", "Scheduled Event")
    assert first.event_id != second.event_id


def test_a_schedule_counts_from_the_start_of_the_stack(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    app, events = Chalice("pumped", configure_logs=False), queue.Queue[CloudWatchEvent]()
    app.schedule(Rate(1, unit=Rate.HOURS), name="sweep")(events.put)
    config = Config.create(chalice_app=app, app_name="pumped", lambda_timeout=20)
    started_again = Pump(app, config, emulator.s3, emulator.sqs)
    # The process that calls the handlers ends, and another one takes its place, shortly before the hour has passed.
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + 3_599)
    with started_again:
        assert events.get(timeout=60).source == "aws.events"


def test_a_schedule_that_is_not_a_rate_is_refused_by_name(emulator: Emulator) -> None:
    app = Chalice("pumped", configure_logs=False)

    @app.schedule(Cron(0, 4, "*", "*", "?", "*"))
    def nightly(event: CloudWatchEvent) -> None:
        """Never called."""

    with pytest.raises(CannotRun, match="nightly"), pumping(emulator, app):
        pass
