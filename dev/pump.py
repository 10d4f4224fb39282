"""Call the app's event handlers, as S3, EventBridge and Lambda do on AWS.

The S3 emulator sends its events to a queue. The pump reads the queue and calls the handler that the bucket's
notification configuration names. Each start creates the queue and the configuration where they are missing. The
emulator keeps its queues in memory and saves them when it is stopped, so a killed stack loses the events that wait.
The next start therefore sends the events of all objects since then again.
"""

import json
import logging
import re
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from botocore.exceptions import BotoCoreError, ClientError
from chalice.app import Chalice, S3EventConfig, ScheduledEventConfig
from chalice.config import Config
from chalice.local import LambdaContext

from chalicelib.config import settings
from chalicelib.permissions import lambda_name
from dev.disk import Disk
from dev.folder import Debt
from project import CannotRun

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger("dev")

QUEUE = "s3-events"
_FINISH_SECONDS = 2  # that running handlers get at the end; the event of one that takes longer is delivered again
_ASYNCHRONOUS_RETRIES = (60, 120)  # Lambda's delays before it retries an event, in seconds
_SECONDS: Mapping[str, float] = {"minute": 60, "hour": 3_600, "day": 86_400}


class Pump:
    """Calls the app's handlers of S3 events and schedules in threads of its own, while the `with` block runs."""

    def __init__(
        self,
        app: Chalice,
        config: Config,
        s3: "S3Client",
        sqs: Any,
        retries: Sequence[int] = _ASYNCHRONOUS_RETRIES,
        debt: Debt | None = None,
        units: Mapping[str, float] = _SECONDS,
        disk: Disk | None = None,
        handlers: int = 1,
    ) -> None:
        """Create the queues and configure the notifications.

        `retries` are the delays after each failure, in seconds. `units` are the lengths of a schedule's units, in
        seconds. The events of the objects of a `debt` are sent again; handlers accept an event that comes twice.
        Events wait while the `disk` is full, because their handlers would fail. At most `handlers` handlers of events
        run at the same time: each may have a whole picture in memory.
        Raises CannotRun: a schedule is not a rate.
        """
        self._app, self._config, self._sqs, self._retries, self._disk = app, config, sqs, retries, disk
        names = [source.name for source in app.event_sources if isinstance(source, S3EventConfig)]
        timeouts = [config.scope(config.chalice_stage, name).lambda_timeout or 60 for name in names]
        self._longest = max(timeouts, default=60)  # seconds
        self._created = time.monotonic()
        self._stopping = threading.Event()
        self._dead_letters = sqs.create_queue(QueueName=settings().dead_letter_queue_name)["QueueUrl"]
        self._queue = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        self._notify(s3, self._open_queue())
        self._works: list[Callable[[], None]] = [self._pump] * handlers
        if debt:
            self._works.append(partial(self._pay, s3, debt))
        for source in app.event_sources:
            if isinstance(source, ScheduledEventConfig):
                self._works.append(partial(self._repeat, source.name, _seconds(source, units)))
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> None:
        # Threads that are made before a fork cannot start in it.
        self._threads = [threading.Thread(target=work, daemon=True) for work in self._works]
        for thread in self._threads:
            thread.start()

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        deadline = time.monotonic() + _FINISH_SECONDS
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))

    def _open_queue(self) -> str:
        """Let S3 send to the queue, and hide an event for as long as its handler may run. Returns the queue's ARN."""
        names = {"QueueUrl": self._queue, "AttributeNames": ["QueueArn"]}
        arn: str = self._sqs.get_queue_attributes(**names)["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        # On AWS an event arrives after about a second. The request that wrote the object has ended by then.
        attributes = {"Policy": policy, "VisibilityTimeout": str(self._longest), "DelaySeconds": "1"}
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes=attributes)
        return arn

    def _notify(self, s3: "S3Client", queue_arn: str) -> None:
        """Configure each bucket to notify the handlers that the app has now, and no others."""
        wanted: dict[str, list[Any]] = defaultdict(list)
        for source in self._app.event_sources:
            if isinstance(source, S3EventConfig):
                rules = [
                    {"Name": name, "Value": value}
                    for name, value in (("prefix", source.prefix), ("suffix", source.suffix))
                    if value
                ]
                wanted[source.bucket].append(
                    {
                        "Id": source.name,
                        "QueueArn": queue_arn,
                        "Events": source.events,
                        "Filter": {"Key": {"FilterRules": rules}},
                    }
                )
        for bucket in s3.list_buckets()["Buckets"]:
            s3.put_bucket_notification_configuration(
                Bucket=bucket["Name"], NotificationConfiguration={"QueueConfigurations": wanted[bucket["Name"]]}
            )

    def _pay(self, s3: "S3Client", debt: Debt) -> None:
        since = debt.unpaid_since
        if since is None:
            return
        since = since.replace(microsecond=0)  # S3's LastModified has whole seconds
        for source in self._app.event_sources:
            if isinstance(source, S3EventConfig) and any("ObjectCreated" in event for event in source.events):
                pages = s3.get_paginator("list_objects_v2").paginate(Bucket=source.bucket, Prefix=source.prefix or "")
                for found in (found for page in pages for found in page.get("Contents", ())):
                    if found["LastModified"] >= since and found["Key"].endswith(source.suffix or ""):
                        body = json.dumps({"Records": [_created(source, found)]})
                        self._sqs.send_message(QueueUrl=self._queue, MessageBody=body)
        debt.pay()

    def _pump(self) -> None:
        """Take one event after the other, so that no event waits for the handler of another one."""
        while not self._stopping.is_set():
            if self._disk and self._disk.shortage:
                self._stopping.wait(1)
                continue
            try:
                received = self._sqs.receive_message(
                    QueueUrl=self._queue,
                    MaxNumberOfMessages=1,
                    WaitTimeSeconds=1,
                    MessageSystemAttributeNames=["ApproximateReceiveCount"],
                )
                for message in received.get("Messages", []):
                    self._deliver(message)
            except (BotoCoreError, ClientError) as error:
                log.warning("The queue of S3 events cannot be read: %s", error)
                self._stopping.wait(1)

    def _deliver(self, message: dict[str, Any]) -> None:
        # S3 sends a test event without records when notifications are configured.
        attempt = int(message["Attributes"]["ApproximateReceiveCount"])
        again = attempt <= len(self._retries)
        # Each attempt before ended its process, as a damaged picture can.
        is_hopeless = attempt > len(self._retries) + 1
        events = [
            (record["s3"]["configurationId"], {"Records": [record]})
            for record in json.loads(message["Body"]).get("Records", [])
        ]
        if is_hopeless:
            log.error("An S3 event has ended its process %s times, and becomes a dead letter.", attempt - 1)
        failed = [(name, event) for name, event in events if is_hopeless or not self._call(name, event, again)]
        receipt = {"QueueUrl": self._queue, "ReceiptHandle": message["ReceiptHandle"]}
        if failed and again:
            self._sqs.change_message_visibility(**receipt, VisibilityTimeout=self._retries[attempt - 1])
            return
        for name, event in failed:
            letter = _dead_letter(lambda_name(self._app, name, self._config.chalice_stage), event, attempt)
            self._sqs.send_message(QueueUrl=self._dead_letters, MessageBody=json.dumps(letter))
        self._sqs.delete_message(**receipt)

    def _repeat(self, name: str, seconds: float) -> None:
        # Counted from the start of the stack: otherwise a process that ends repeatedly would never come to it.
        while not self._stopping.wait(seconds - (time.monotonic() - self._created) % seconds):
            self._call(name, _scheduled_event(name))

    def _call(self, name: str, event: dict[str, Any], again: bool = False) -> bool:
        """Call a handler as Lambda does, and return whether it succeeded. An exception is logged.

        The log has no traceback if the handler will be called `again`: some handlers raise in order to be retried.
        """
        config = self._config.scope(self._config.chalice_stage, name)
        context = LambdaContext(name, config.lambda_memory_size, (config.lambda_timeout or 60) * 1000)
        try:
            self._app.handler_map[name](event, context)
        except Exception as error:
            if again:
                log.warning("The handler %s failed and will be called again: %r", name, error)
            else:
                log.exception("The handler %s failed.", name)
            return False
        return True


def _seconds(source: ScheduledEventConfig, units: Mapping[str, float]) -> float:
    expression = source.schedule_expression
    text = expression if isinstance(expression, str) else expression.to_string()
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", text)
    if not rate:
        raise CannotRun(f"The schedule of {source.name} is {text}; the embedded stack supports only rates.")
    return int(rate[1]) * units[rate[2]]


def _created(source: S3EventConfig, found: Any) -> dict[str, Any]:
    """Return the event record of an object in a list (S3 User Guide, "event message structure")."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": found["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": source.name,
            "bucket": {"name": source.bucket, "arn": f"arn:aws:s3:::{source.bucket}"},
            "object": {"key": quote_plus(found["Key"], safe="/"), "size": found["Size"]},
        },
    }


def _dead_letter(function: str, event: dict[str, Any], attempts: int) -> dict[str, Any]:
    """Return what Lambda sends to the on-failure destination (Developer Guide, "invocation record")."""
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": f"arn:aws:lambda:us-east-1:000000000000:function:{function}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    }


def _scheduled_event(name: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:000000000000:rule/{name}"],
        "detail": {},
    }
