"""Read S3's events, also those that SNS, SQS or EventBridge deliver.

A bucket can send its events to a topic, a queue or a bus, so that other services get them too. Each wraps the event in
a record of its own: SNS in `Sns.Message`, SQS in `body`, both as a string. SQS can also have SNS's message in its own.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from chalice.app import S3Event

from chalicelib.images.model import ObjectCreated


class UnreadableRecord(ValueError):
    """A record of an event has none of the known forms."""


def objects_created(event: S3Event) -> tuple[ObjectCreated | UnreadableRecord, ...]:
    """Read the objects that an event says were created; a test event has none.

    A record that can't be read is an error among the objects, so that it does not hide the others.
    """
    return tuple(_objects(event.to_dict(), "event"))


def _objects(message: Any, place: str) -> Iterator[ObjectCreated | UnreadableRecord]:
    """Yield the objects of an event or a record. `place` says where in the event the message is."""
    try:
        contents = _contents(message)
        if contents is None:
            yield from _object(message, place)
        else:
            for name, content in contents:
                yield from _objects(content, f"{place}.{name}")
    except ValueError as error:
        yield UnreadableRecord(f"{place} has a text or a time that can't be read: {error}.")


def _contents(message: Any) -> list[tuple[str, Any]] | None:
    """Return the messages in a message, each with its name; None if it has no others.

    Raises ValueError: a message is not JSON.
    """
    import orjson

    match message:
        case {"Event": "s3:TestEvent"}:
            return []
        case {"Records": list(records)}:
            return [(f"Records[{n}]", record) for n, record in enumerate(records)]
        case {"Sns": {"Message": str(text)}}:
            return [("Sns.Message", orjson.loads(text))]
        case {"Type": "Notification", "Message": str(text)}:
            return [("Message", orjson.loads(text))]
        case {"body": str(text)}:
            return [("body", orjson.loads(text))]
        case _:
            return None


def _object(message: Any, place: str) -> Iterator[ObjectCreated | UnreadableRecord]:
    """Yield the object of a record, unless the record is of another event than its creation.

    Raises ValueError: its time is not one.
    """
    match message:
        case {"s3": {"object": {"key": str(key)}}, "eventTime": str(time)}:
            # S3 encodes the key as in a query (S3 User Guide, "Event message structure").
            if "ObjectCreated" in str(message.get("eventName", "ObjectCreated")):
                yield ObjectCreated(unquote_plus(key), _seconds(time))
        case {"detail-type": str(kind), "detail": {"object": {"key": str(key)}}, "time": str(time)}:
            # EventBridge does not encode the key.
            if kind == "Object Created":
                yield ObjectCreated(key, _seconds(time))
        case _:
            yield UnreadableRecord(f"{place} is not an event of S3, nor one that SNS, SQS or EventBridge delivers.")


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
