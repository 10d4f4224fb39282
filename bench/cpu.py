"""Measure the processor time of each operation in this process, with recorded answers in place of the stores.

Beside each operation, a plain boto3 client makes the same AWS calls, alternately. The ratio shows what the service adds
to them or, below 1, what it saves. The answers are those of an embedded stack, which is stopped before the measurement.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from functools import partial
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, TextIO, cast

import boto3.session
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders
from botocore.httpsession import URLLib3Session
from chalice.app import Chalice
from chalice.local import LambdaContext, RouteMatcher
from chalice.test import Client

from bench.operations import Api, upload_body, upload_form
from dev.server import Converter
from dev.stack import running
from project.command_line import one_line_errors
from tests.pictures import picture

IMAGES = 300  # in the tables, more than a page has
PHOTO_PX = (167, 124)  # of noise as PNG: 62 KB
OWNER = {"X-User-Id": "user-0"}

_TIMEOUT_MS = 30_000

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Figures:
    """The processor time of one operation: medians in milliseconds."""

    name: str
    calls: int  # to AWS
    milliseconds: float  # of the whole request
    bare_milliseconds: float  # of the same calls by a plain boto3 client


class _Raw(BytesIO):
    """The body of an answer, with the method by which botocore reads urllib3's."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A call to AWS, as boto3 takes it."""

    service: str
    operation: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tape:
    """The calls of one request and their answers, by what a call has in common with its repetition."""

    calls: list[Call] = field(default_factory=list)
    answers: dict[tuple[str, ...], list[_Answer]] = field(default_factory=lambda: defaultdict(list))
    positions: dict[tuple[str, ...], int] = field(default_factory=lambda: defaultdict(int))

    def next(self, key: tuple[str, ...]) -> _Answer:
        """Return the next answer to a call; after the last one, the first one again."""
        answers = self.answers[key]
        self.positions[key] += 1
        return answers[(self.positions[key] - 1) % len(answers)]


@dataclass(frozen=True, slots=True)
class Operation:
    """A request to the app in this process, with its calls to AWS."""

    name: str
    request: Work
    tape: Tape


class Stores:
    """Passes calls on to the stores, records the answers, and replays them."""

    def __init__(self) -> None:
        self.replayed: Tape | None = None  # None: calls are passed on
        self._recorded = Tape()
        self._session = URLLib3Session()

    def answer(self, events: Any) -> None:
        """Answer the calls of all clients of a botocore session."""
        events.register_last("before-send", self._answer)

    def recorded(self, work: Work) -> Tape:
        """Do some work, and return its calls and their answers."""
        tape = self._recorded = Tape()
        call = BaseClient._make_api_call  # type: ignore[attr-defined]

        def noted(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
            tape.calls.append(Call(client.meta.service_model.service_name, operation, dict(parameters)))
            return call(client, operation, parameters)

        BaseClient._make_api_call = noted  # type: ignore[attr-defined]
        try:
            work()
        finally:
            BaseClient._make_api_call = call  # type: ignore[attr-defined]
        return tape

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        key = _identity(request)
        if self.replayed:
            answer = self.replayed.next(key)
        else:
            found = self._session.send(request)
            answer = _Answer(found.status_code, dict(found.headers), found.content)
            self._recorded.answers[key].append(answer)
        return AWSResponse(request.url, answer.status, HTTPHeaders.from_dict(answer.headers), _Raw(answer.content))


def _identity(request: AWSPreparedRequest) -> tuple[str, ...]:
    """Return what a call has in common with its repetition, though ids and times differ."""
    target = request.headers.get("X-Amz-Target", request.method)
    text = target.decode() if isinstance(target, bytes) else str(target)
    if not text.endswith(".Query"):
        return (text,)
    body: Any = json.loads(cast(bytes, request.body))
    return text, body["TableName"], body.get("IndexName", ""), body["ExpressionAttributeValues"][":value"]["S"]


@one_line_errors()
def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.cpu")
    parser.add_argument("--rounds", type=int, default=300, help="repetitions; the median counts (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    with Path(os.devnull).open("w") as nowhere:
        figures = measured(options.rounds, nowhere)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in figures], indent=1) + "\n")
    print(f"Medians of {options.rounds} rounds, processor time.\n")
    print("| request | AWS calls | ms | of them, the same calls by boto3 | ratio |")
    print("|---|---|---|---|---|")
    for each in figures:
        ratio = each.milliseconds / each.bare_milliseconds
        print(f"| {each.name} | {each.calls} | {each.milliseconds:.2f} | {each.bare_milliseconds:.2f} | {ratio:.2f} |")


def measured(rounds: int, log: TextIO) -> list[Figures]:
    """Return the figures of all operations. The app writes its log lines to `log`."""
    stores = Stores()
    operations = recorded_operations(stores, log)
    bare = boto3.session.Session(region_name=os.environ["AWS_REGION"])
    stores.answer(bare.events)
    clients = {service: bare.client(service) for service in ("dynamodb", "s3")}
    found = []
    for each in operations:
        stores.replayed = each.tape
        ours, plain = _alternately(each.request, partial(_call, clients, each.tape.calls), rounds)
        found.append(Figures(each.name, len(each.tape.calls), ours, plain))
    return found


def recorded_operations(stores: Stores, log: TextIO) -> list[Operation]:
    """Return all operations, whose AWS calls `stores` answers. The app writes its log lines to `log`."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as stack:
        os.environ.update(stack.environment, AUTH="open", LOG_FORMAT="json")
        with redirect_stdout(log):
            from app import app  # reads the environment variables of the stack
        from chalicelib.stores import aws

        api = Api(Client(app, stage_name="local"))
        first, *_ = [api.upload(upload_body(picture(width=32, height=32), n)) for n in range(IMAGES)]
        api.newest("nature")
        stores.answer(aws.session().get_component("event_emitter"))
        aws._client.cache_clear()  # clients have the handlers that their session had when they were created
        requests = [(name, partial(_answered, app, event)) for name, event in _events(app, first)]
        return [Operation(name, request, stores.recorded(request)) for name, request in requests]


def _events(app: Chalice, image_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the event of each operation, as API Gateway sends it to the function."""
    converter = Converter(RouteMatcher(list(app.routes)), app.api.binary_types)
    photo = picture(width=PHOTO_PX[0], height=PHOTO_PX[1])
    form = upload_form(photo)
    json_type = {"content-type": "application/json"}
    for name, method, path, headers, body in (
        ("view", "GET", f"/images/{image_id}", {}, b""),
        ("render", "GET", f"/images/{image_id}/render?w=320", {}, b""),
        ("list of 20 by tag", "GET", "/images?limit=20&tag=nature", {}, b""),
        ("list of 20, for a known caller", "GET", "/images?limit=20&tag=nature", OWNER, b""),
        ("list of 20 of an owner, for the owner", "GET", "/images?limit=20&user_id=user-0", OWNER, b""),
        ("list of 100 by tag", "GET", "/images?limit=100&tag=nature", {}, b""),
        ("list of 100, with thumbnails", "GET", "/images?limit=100&tag=nature&include=thumbnail,analysis", {}, b""),
        ("upload of 62 KB as JSON", "POST", "/images", json_type, upload_body(photo)),
        ("upload of 62 KB as a form", "POST", "/images", {"content-type": form.content_type}, form.to_string()),
        ("update of the title", "PUT", f"/images/{image_id}", json_type, b'{"title": "New"}'),
    ):
        yield name, converter.create_lambda_event(method, path, headers, body or None)


def _answered(app: Chalice, event: dict[str, Any]) -> None:
    answer = app(event, LambdaContext("api", 1_024, _TIMEOUT_MS))
    if answer["statusCode"] >= HTTPStatus.BAD_REQUEST:
        raise RuntimeError(answer["body"])


def _call(clients: dict[str, Any], calls: Sequence[Call]) -> None:
    for call in calls:
        answer = getattr(clients[call.service], xform_name(call.operation))(**call.parameters)
        if "Body" in answer:
            answer["Body"].read()


def _alternately(ours: Work, bare: Work, rounds: int) -> tuple[float, float]:
    """Return the median processor time of both, in milliseconds, after some rounds that are not counted."""
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(-rounds // 10, rounds):
        for work, spent in zip((ours, bare), times, strict=True):
            started = time.process_time()
            work()
            if n >= 0:
                spent.append((time.process_time() - started) * 1_000)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    main()
