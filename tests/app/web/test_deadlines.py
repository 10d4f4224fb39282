"""Every request and event ends within the time of its function, however slow S3 and DynamoDB are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from chalice.local import LambdaContext

from app import app
from chalicelib.stores import aws
from chalicelib.web.invocations import api_event
from tests.app.background import object_created, sweep
from tests.app.conftest import Api, Stores
from tests.errors import error
from tests.pictures import base64_picture

LATE = "S3 or DynamoDB is too slow to finish this request in time; try again in a moment."
UNREACHABLE = "The store can't be reached; try again in a moment."
CHANGED = (
    " The change may have been made, in part or completely: send the same request again, with the same Idempotency-Key "
    "if it has one."
)
ANY_OF_TEN = "any_tag=" + ",".join(f"t{n}" for n in range(10))


# Of each context: calls that are made at the same time have a copy of the context each, and take the time of one.
_waited: ContextVar[float] = ContextVar("waited", default=0)


@dataclass
class SlowStores:
    """Lets each attempt at a call take some seconds, on a clock that need not be waited for."""

    attempts: list[str] = field(default_factory=list)  # operations

    @contextmanager
    def taking(self, seconds: float, error: Exception | None = None) -> Iterator[None]:
        """Let each attempt take these seconds. With an error, the answer of each attempt is lost."""
        _waited.set(0)
        self.attempts.clear()

        def answer(event_name: str, **_: Any) -> None:
            self.attempts.append(event_name.split(".")[-1])
            self.sleep(seconds)
            if error is not None:
                raise error

        # After moto's own handler, which carries the call out.
        clients: list[Any] = [aws.s3(), aws.dynamodb()]
        for client in clients:
            client.meta.events.register_last("before-send", answer)
        try:
            yield
        finally:
            for client in clients:
                client.meta.events.unregister("before-send", answer)

    @property
    def waited(self) -> float:
        """The seconds that this clock is ahead of the real one."""
        return _waited.get()

    def sleep(self, seconds: float) -> None:
        """Sleep on this clock."""
        _waited.set(_waited.get() + seconds)


@pytest.fixture
def slow(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> SlowStores:
    slow = SlowStores()
    monkeypatch.setattr("time.monotonic", lambda: monotonic() + slow.waited)
    monkeypatch.setattr("time.sleep", slow.sleep)
    return slow


IMPORT = {
    "image_id": "014aa55d-de00-7000-8000-000000000000",
    "user_id": "alice",
    "content_type": "image/png",
    "size": 20_000_000,
    "checksum": "0" * 64,
}

REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("GET", f"/images?{ANY_OF_TEN}&sort=updated_at", None),
    ("GET", f"/images?{ANY_OF_TEN}&title=s&user_id=alice", None),
    ("GET", f"/images/count?{ANY_OF_TEN}", None),
    ("GET", "/tags?user_id=alice", None),
    ("GET", "/images/{id}/similar", None),
    ("GET", "/images/{id}", None),
    ("GET", "/images/{id}/download?type=binary", None),
    ("GET", "/images/{id}/render?w=10", None),
    ("POST", "/images", {"user_id": "alice", "image_data": base64_picture()}),
    ("PUT", "/images/{id}", {"title": "new"}),
    ("DELETE", "/images/{id}", None),
    ("POST", "/images/direct-upload", {"user_id": "alice", "content_type": "image/png", "size": 20_000_000}),
    ("POST", "/images/import", IMPORT),
    ("POST", "/items", {"a": 1}),
    ("GET", "/items", None),
    ("GET", "/health", None),
)


@pytest.mark.parametrize("seconds", [2.7, 3.9])
@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_a_request_is_answered_in_time(
    api: Api, slow: SlowStores, method: str, path: str, body: Any, seconds: float
) -> None:
    image_id = api.upload(title="s", tags=["t0"])["image_id"]
    alice = Api(api.client, {"X-User-Id": "alice", "Idempotency-Key": "k"})
    with slow.taking(seconds):
        answer = alice.call(method, path.replace("{id}", image_id), body)
    assert slow.waited <= 28.5
    assert answer.status_code in (200, 201, 302, 503)
    if answer.status_code == 503:
        assert answer.json_body["error"].startswith(LATE)
        assert answer.headers["Retry-After"] == "1"
    again = alice.call(method, path.replace("{id}", image_id), body)
    assert again.status_code in ((200, 201, 404) if method == "DELETE" else (200, 201, 302))


def test_a_list_of_many_words_is_a_503_if_it_cannot_be_read_in_time(api: Api, slow: SlowStores) -> None:
    suns, moons = ([f"{word}{n}" for n in range(10)] for word in ("sun", "moon"))
    api.upload(title=" ".join(suns), description=" ".join(moons))
    with slow.taking(3.9):
        answer = api.get("/images?title=sun&description=moon&limit=1")  # reads of words are made one after the other
    assert (answer.status_code, answer.json_body) == (503, error(LATE))
    assert len(slow.attempts) == 7  # an eighth might end too late


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (ReadTimeoutError(endpoint_url="http://store"), UNREACHABLE + CHANGED),
        (EndpointConnectionError(endpoint_url="http://store"), UNREACHABLE),
    ],
)
def test_a_change_whose_answer_is_lost_is_not_said_to_be_undone(
    api: Api, slow: SlowStores, failure: Exception, sentence: str
) -> None:
    with slow.taking(4, failure):
        answer = api.call("POST", "/items", {"a": 1})
    assert (answer.status_code, answer.json_body) == (503, error(sentence))
    assert slow.attempts == ["PutItem"] * 3
    assert slow.waited <= 28.5


def test_a_read_whose_answer_is_lost_changes_nothing(api: Api, slow: SlowStores) -> None:
    with slow.taking(4, ReadTimeoutError(endpoint_url="http://store")):
        answer = api.get("/images?limit=1")
    assert (answer.status_code, answer.json_body) == (503, error(UNREACHABLE))


def test_an_upload_without_time_for_its_transaction_can_be_repeated(api: Api, slow: SlowStores) -> None:
    body = {"user_id": "alice", "image_data": base64_picture()}
    keyed = Api(api.client, {"Idempotency-Key": "key"})
    with slow.taking(13):
        answer = keyed.call("POST", "/images", body)
    assert slow.attempts == ["GetItem", "PutObject"]
    assert (answer.status_code, answer.json_body) == (503, error(LATE + CHANGED))
    assert api.listed() == []
    image_id = keyed.call("POST", "/images", body).json_body["image_id"]
    assert api.listed() == [image_id]


def event(**context: Any) -> dict[str, Any]:
    made = api_event("GET", "/images", {})
    return {**made, "requestContext": {**made["requestContext"], **context}}


@pytest.mark.parametrize(
    ("waited", "left", "status"), [(0, 30, 200), (20, 30, 200), (26, 30, 503), (10_000, 30, 200), (0, 3, 503)]
)
def test_the_time_of_a_request_is_that_of_api_gateway_and_of_its_function(
    api: Api, slow: SlowStores, waited: float, left: float, status: int
) -> None:
    """A request has waited for a cold start; a test event is older than any request."""
    made = event(requestTimeEpoch=int((time() - waited) * 1000))
    answer = app(made, LambdaContext("images-api-local", 128, int(left * 1000)))
    assert answer["statusCode"] == status


def test_the_schedule_ends_in_time_and_goes_on_in_its_next_run(
    api: Api, stores: Stores, slow: SlowStores, configured: Callable[..., None]
) -> None:
    configured(SWEEP_AFTER_SECONDS="0")
    for _ in range(12):
        with slow.taking(14):  # after the transaction of the deletion there is no time for the objects
            assert api.call("DELETE", f"/images/{api.upload(tags=['a'])['image_id']}").status_code == 503
    assert len(stores.records()) == 12
    runs = 0
    while not stores.are_empty():
        runs += 1
        with slow.taking(5):
            sweep(api)
        assert slow.waited <= 300
    assert runs > 1


def test_an_event_ends_in_time_and_can_be_delivered_again(
    api: Api, stores: Stores, slow: SlowStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = api.upload()["s3_key"]
    with slow.taking(100), pytest.raises(Exception, match="too slow to finish"):
        object_created(api, key)
    assert slow.waited <= 300
    object_created(api, key)
    assert api.view(key.partition("/")[2])["metadata"]["width"] > 0
    assert list(stores.objects("derived"))
