"""What the service logs: one line of JSON for each request, each event, and each attempt to process an image.

A line has what it is about, what it cost and what came of it; nothing that a client wrote but the caller's user_id. Its
`timestamp` and `level` are what Lambda's own JSON format filters by (Lambda Developer Guide, "log-level filtering").
"""

import json
import logging
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from itertools import count

from chalicelib import ids, metrics
from chalicelib.config import settings
from chalicelib.metrics import Units

log = logging.getLogger("images-api")

# The query of a URL in the text of an exception: it may be signed.
_QUERY = re.compile(r"""(https?://[^\s?"']+)\?[^\s"']*""")

_handled_before = count()


@dataclass(slots=True)
class Usage:
    """What a request or an event has used so far."""

    aws_calls: int = 0  # however often botocore tries each
    read_units: float = 0  # as DynamoDB reports them; of a transaction that is cancelled it reports none
    write_units: float = 0


@dataclass(slots=True)
class _Line:
    fields: dict[str, object]
    started: float = field(default_factory=time.perf_counter)

    @property
    def milliseconds(self) -> float:
        return round((time.perf_counter() - self.started) * 1000, 1)


# A thread begins without them. Nothing in the service starts one.
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_usage: ContextVar[Usage | None] = ContextVar("usage", default=None)
_line: ContextVar[_Line | None] = ContextVar("line", default=None)


class JsonFormatter(logging.Formatter):
    """One line of JSON for a message, with the id of the request that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        """Level, time, message and request id; the fields given with `extra={"fields": …}`, and the traceback."""
        line = {
            "level": record.levelname,
            "timestamp": ids.timestamp(record.created),
            "message": record.getMessage(),
            "request_id": _request_id.get(),
            **getattr(record, "fields", {}),
            **self._metrics(record),
        }
        if record.exc_info:
            line["exception"] = _QUERY.sub(r"\1?…", self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)

    def _metrics(self, record: logging.LogRecord) -> Mapping[str, object]:
        units: Units = getattr(record, "units", {})
        fields: Mapping[str, object] = getattr(record, "fields", {})
        return metrics.member(settings().metrics_namespace, units, fields, int(record.created * 1000))


def configure() -> None:
    """Write the service's log to stdout, from LOG_LEVEL on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    log.handlers = [handler]
    log.propagate = False  # to the handler that Lambda has on the root: it would write each line once more
    log.setLevel(settings().log_level)


def request_id() -> str:
    """The id of the request or the event that is being handled."""
    return _request_id.get()


def usage() -> Usage | None:
    """What the request or the event that is being handled has used; None: there is none."""
    return _usage.get()


@contextmanager
def request(request_id: str, method: str, route: str) -> Iterator[None]:
    """A request, handled in the `with` block: one line, with metrics. `route` is the pattern of its path."""
    with _handled("request", request_id, metrics.REQUEST, {"route": route, "method": method}):
        yield


@contextmanager
def event(request_id: str, function: str) -> Iterator[None]:
    """An event, handled in the `with` block by a Lambda function: one line."""
    with _handled("event", request_id, metrics.SCHEDULE, {"function": function}):
        yield


@contextmanager
def image(image_id: str) -> Iterator[None]:
    """An attempt to process an image, made in the `with` block: one line, with metrics if it is concluded."""
    with _written("image", metrics.IMAGE, {"image_id": image_id}):
        yield


def note(**fields: object) -> None:
    """Say something in the line of what is being done; nothing where nothing is."""
    line = _line.get()
    if line is not None:
        line.fields.update(fields)


def note_image(image_id: str) -> None:
    """Say which image a request is about, unless it is no id of ours: it may come from the client."""
    if ids.is_id(image_id):
        note(image_id=image_id)


def note_caller(user_id: str | None) -> None:
    """Say who calls, unless it is nobody or no user_id: it may come from the client."""
    if user_id and user_id.isprintable() and len(user_id) <= settings().max_user_id_chars:
        note(user_id=user_id)


def note_state(state: str) -> None:
    """Say what has become of the image that is being processed; if it is concluded, count it and how long it took."""
    note(state=state)
    line = _line.get()
    if line is not None and f"images_{state}" in metrics.IMAGE:
        note(**{f"images_{state}": 1, "processing_ms": line.milliseconds})


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
    """A line about the `with` block, written at its end; a warning that names the exception, if there is one."""
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
