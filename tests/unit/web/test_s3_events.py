import json
from typing import Any

import pytest

from chalicelib.images.model import ObjectCreated
from chalicelib.web import s3_events
from chalicelib.web.app import AnyS3Event
from chalicelib.web.s3_events import UnreadableRecord

RECORD = {
    "eventVersion": "2.1",
    "eventSource": "aws:s3",
    "eventTime": "1970-01-01T00:01:00.500Z",
    "eventName": "ObjectCreated:Put",
    "s3": {"bucket": {"name": "b"}, "object": {"key": "alice+b%40c/017f"}},
}
EVENT = {"Records": [RECORD]}
TEST_EVENT = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "1970-01-01T00:01:00.500Z", "Bucket": "b"}
CREATED = ObjectCreated("alice b@c/017f", 60.5)


def by_sns(message: object) -> dict[str, Any]:
    sns = {"Type": "Notification", "Subject": "Amazon S3 Notification", "Message": json.dumps(message)}
    return {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}


def by_sqs(message: object) -> dict[str, Any]:
    return {"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps(message)}


def by_event_bridge(key: str, kind: str = "Object Created") -> dict[str, Any]:
    detail = {"version": "0", "bucket": {"name": "b"}, "object": {"key": key}, "reason": "PutObject"}
    return {"detail-type": kind, "source": "aws.s3", "time": "1970-01-01T00:01:00Z", "detail": detail}


def read(event: dict[str, Any]) -> list[ObjectCreated | str]:
    """Return the objects of an event, and the messages of its errors."""
    return [
        str(created) if isinstance(created, UnreadableRecord) else created
        for created in s3_events.objects_created(AnyS3Event(event, None))
    ]


@pytest.mark.parametrize(
    "event",
    [
        EVENT,
        {"Records": [by_sns(EVENT)]},
        {"Records": [by_sqs(EVENT)]},
        {"Records": [by_sqs(by_sns(EVENT)["Sns"])]},
        {"Records": [{**RECORD, "eventName": "s3:ObjectCreated:Copy"}]},
    ],
    ids=["S3", "SNS", "SQS", "SNS to SQS", "another spelling"],
)
def test_the_key_of_an_event_is_url_decoded(event: dict[str, Any]) -> None:
    assert read(event) == [CREATED]


def test_the_key_of_an_event_from_event_bridge_is_not_encoded() -> None:
    event = by_event_bridge("alice+b%40c d/017f")
    created = ObjectCreated("alice+b%40c d/017f", 60)
    assert read(event) == [created]
    assert read({"Records": [by_sqs(event), by_sns(event)]}) == [created, created]


@pytest.mark.parametrize("event", [TEST_EVENT, {"Records": [by_sns(TEST_EVENT)]}, {"Records": [by_sqs(TEST_EVENT)]}])
def test_a_test_event_of_s3_has_no_objects(event: dict[str, Any]) -> None:
    assert read(event) == []


def test_an_event_of_a_removed_object_has_no_objects() -> None:
    assert read({"Records": [{**RECORD, "eventName": "ObjectRemoved:Delete"}]}) == []
    assert read(by_event_bridge("alice/017f", "Object Deleted")) == []


UNKNOWN = " is not an event of S3, nor one that SNS, SQS or EventBridge delivers."


@pytest.mark.parametrize(
    ("record", "error"),
    [
        ({}, f"event.Records[0]{UNKNOWN}"),
        (None, f"event.Records[0]{UNKNOWN}"),
        ({"s3": {"object": {}}, "eventTime": "1970-01-01T00:01:00Z"}, f"event.Records[0]{UNKNOWN}"),
        ({"s3": RECORD["s3"]}, f"event.Records[0]{UNKNOWN}"),
        ({"Sns": {"Message": "{"}}, "event.Records[0] has a text or a time that can't be read: "),
        ({"body": "hello"}, "event.Records[0] has a text or a time that can't be read: "),
        ({**RECORD, "eventTime": "yesterday"}, "event.Records[0] has a text or a time that can't be read: "),
        (by_sqs([1]), f"event.Records[0].body{UNKNOWN}"),
        (by_sqs({"Records": [RECORD["s3"]]}), f"event.Records[0].body.Records[0]{UNKNOWN}"),
        (by_sns({"Records": {}}), f"event.Records[0].Sns.Message{UNKNOWN}"),
    ],
)
def test_a_record_that_cannot_be_read_says_where_and_does_not_hide_the_others(record: object, error: str) -> None:
    unreadable, created = read({"Records": [record, RECORD]})
    assert created == CREATED
    assert isinstance(unreadable, str)
    assert unreadable.startswith(error)


def test_an_event_that_is_none_is_unreadable() -> None:
    assert read({}) == [f"event{UNKNOWN}"]
