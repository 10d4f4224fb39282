"""The log of the service: one line for each request, each event, and each attempt to process an image.

On Lambda a line is a JSON object: what was handled, its result and its cost. Lambda filters lines by `timestamp` and
`level` (Lambda Developer Guide, "log-level filtering"), and CloudWatch reads metrics from them. In a terminal a line is
a short text (LOG_FORMAT). Neither contains anything that a client wrote, except in JSON the caller's user_id and the id
that the client gave its request.
"""

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, TextIO

from chalicelib import ids, metrics
from chalicelib.config import settings
from chalicelib.metrics import Units

log = logging.getLogger("images-api")

# The query of a URL in an error's text. It may contain a signature.
_QUERY = re.compile(r"""(https?://[^\s?"']+)\?[^\s"']*""")

_handled_before = count()
_adding = threading.Lock()


@dataclass(slots=True)
class Usage:
    """What a request or an event has used so far."""

    aws_calls: int = 0  # a call that botocore retries counts once
    read_units: float = 0  # as DynamoDB reports them; it reports none for a transaction that is cancelled
    write_units: float = 0


@dataclass(slots=True)
class _Line:
    fields: dict[str, object]
    started: float = field(default_factory=time.perf_counter)

    @property
    def milliseconds(self) -> float:
        return round((time.perf_counter() - self.started) * 1000, 1)


# A new thread starts without these values. threads.at_once gives them to its calls.
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_usage: ContextVar[Usage | None] = ContextVar("usage", default=None)
_line: ContextVar[_Line | None] = ContextVar("line", default=None)


class JsonFormatter(logging.Formatter):
    """Formats a message as one JSON object, with metrics where METRICS_NAMESPACE is set."""

    def format(self, record: logging.LogRecord) -> str:
        """Write level, time, message, request id, the fields of `extra={"fields": …}`, metrics and the traceback."""
        fields = _fields(record)
        units: Units = getattr(record, "units", {})
        line = {
            "level": record.levelname,
            "timestamp": ids.timestamp(record.created),
            "message": _without_queries(record.getMessage()),
            "request_id": _request_id.get(),
            **fields,
            **metrics.member(settings().metrics_namespace, units, fields, int(record.created * 1000)),
        }
        if record.exc_info:
            line["exception"] = _without_queries(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """Formats a message as one short line for a person, followed by the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Write `14:05:09 GET    /images/{image_id}  200  3 ms, 1 AWS call`, or the like for other messages."""
        line = f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {self._text(record)}"
        if record.levelno >= logging.ERROR and _request_id.get():
            line += f"  request_id={_request_id.get()}"
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        return _printable(_without_queries(line))

    def _text(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        match record.getMessage():
            case "request":
                return f"{fields['method']:<6} {fields['route']}  {_result(fields)}  {_cost(fields)}"
            case "event":
                return f"event  {fields['function']}  {_result(fields)}  {_cost(fields)}"
            case "image":
                return f"image  {fields['image_id']}  {_result(fields)}  {_cost(fields)}"
            case message:
                level = "" if record.levelno == logging.INFO else f"{record.levelname} "
                return level + " ".join([message, *(f"{name}={value}" for name, value in fields.items())])


# What a page of a list has read. The line of its request has the sum.
_DETAILS = ("list", "count", "similar")


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields


def _result(fields: Mapping[str, Any]) -> str:
    """Return the status of a request or the state of an image, and the error if there was one."""
    parts = [fields.get("status") or fields.get("state"), fields.get("error")]
    return ", ".join(str(part) for part in parts if part) or "ok"


def _cost(fields: Mapping[str, Any]) -> str:
    milliseconds, calls = f"{fields['duration_ms']:.0f} ms", fields.get("aws_calls")
    if calls is None:
        return milliseconds
    return f"{milliseconds}, {calls} AWS {'call' if calls == 1 else 'calls'}"


def _without_queries(text: str) -> str:
    return _QUERY.sub(r"\1?…", text)


def _printable(text: str) -> str:
    """Escape what could control a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def configure() -> None:
    """Write the service's log to stdout: messages of LOG_LEVEL and above, in LOG_FORMAT."""
    log.handlers = [handler(settings().log_format, sys.stdout)]
    log.propagate = False  # Lambda's handler of the root logger would write each line a second time
    log.setLevel(settings().log_level)


def handler(log_format: str, stream: TextIO) -> logging.Handler:
    """Return what writes the log to a stream, as `json` or `text`."""
    written = logging.StreamHandler(stream)
    if log_format == "json":
        written.setFormatter(JsonFormatter())
    else:
        written.setFormatter(TextFormatter())
        written.addFilter(lambda record: record.getMessage() not in _DETAILS or log.level == logging.DEBUG)
    return written


def request_id() -> str:
    """Return the id of the request or event that is being handled."""
    return _request_id.get()


def add_usage(*, aws_calls: int = 0, read_units: float = 0, write_units: float = 0) -> None:
    """Add to what the request or event that is being handled has used. Does nothing outside of both."""
    usage = _usage.get()
    if usage is not None:
        with _adding:  # calls that are made at the same time have the same usage
            usage.aws_calls += aws_calls
            usage.read_units += read_units
            usage.write_units += write_units


@contextmanager
def request(request_id: str, method: str, route: str) -> Iterator[None]:
    """Log the request that the `with` block handles: one line, with metrics. `route` is the pattern of its path."""
    with _handled("request", request_id, metrics.REQUEST, {"route": route, "method": method}):
        yield


@contextmanager
def event(request_id: str, function: str) -> Iterator[None]:
    """Log the event that the `with` block handles in a Lambda function: one line."""
    with _handled("event", request_id, metrics.SCHEDULE, {"function": function}):
        yield


@contextmanager
def image(image_id: str) -> Iterator[None]:
    """Log the attempt to process an image that the `with` block makes: one line, with metrics if it is the last one."""
    with _written("image", metrics.IMAGE, {"image_id": image_id}):
        yield


def note(**fields: object) -> None:
    """Add fields to the line of the innermost `with` block of this module. Does nothing outside of one."""
    line = _line.get()
    if line is not None:
        line.fields.update(fields)


def note_image(image_id: str) -> None:
    """Add the image that a request is about, if the id has the right form. The client may have sent anything."""
    if ids.is_id(image_id):
        note(image_id=image_id)


def note_caller(user_id: str | None) -> None:
    """Add the caller, if the user_id is a valid one. The client may have sent anything."""
    if user_id and user_id.isprintable() and len(user_id) <= settings().max_user_id_chars:
        note(user_id=user_id)


def note_state(state: str) -> None:
    """Add the state of the image that is being processed. A final state is also counted, with its duration."""
    note(state=state)
    line = _line.get()
    if line is not None and f"images_{state}" in metrics.IMAGE:
        note(**{f"images_{state}": 1, "processing_ms": line.milliseconds})


def note_list() -> None:
    """Note that a request has read its list, with the milliseconds until now."""
    line = _line.get()
    if line is not None:
        note(list_ms=line.milliseconds)


@contextmanager
def _handled(message: str, request_id: str, units: Units, fields: Mapping[str, object]) -> Iterator[None]:
    used = Usage()
    id_before, usage_before = _request_id.set(request_id), _usage.set(used)
    try:
        with _written(message, units, fields):
            if next(_handled_before) == 0:
                note(cold_start=True)
            try:
                yield
            finally:
                note(**asdict(used))
    finally:
        _usage.reset(usage_before)
        _request_id.reset(id_before)


@contextmanager
def _written(message: str, units: Units, fields: Mapping[str, object]) -> Iterator[None]:
    """Write a line at the end of the `with` block; if the block raises, a warning that names the exception."""
    line = _Line(dict(fields))
    before = _line.set(line)
    level = logging.INFO
    try:
        yield
    except Exception as error:
        level = logging.WARNING
        note(error=type(error).__name__)
        raise
    finally:
        note(duration_ms=line.milliseconds)
        _line.reset(before)
        log.log(level, message, extra={"fields": line.fields, "units": units})
