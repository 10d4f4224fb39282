"""Each process is killed at each AWS call that it makes, before it and after it; then what is due comes again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from urllib.parse import quote_plus

import pytest
from botocore.client import BaseClient
from chalice.test import HTTPResponse

from chalicelib import ids
from chalicelib.images.processing import TooEarly
from tests.app.conftest import Api, Overtake, Stores
from tests.pictures import base64_picture

LONG_AGO = timedelta(hours=1)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Kill:
    """What became of an attempt to kill."""

    happened: bool = False


@contextmanager
def killed(at: int, *, before: bool) -> Iterator[Kill]:
    """End the process at its AWS call number `at`, from 0, before the call is sent or after it is answered."""
    call = BaseClient._make_api_call  # type: ignore[attr-defined]
    calls = count()
    kill = Kill()

    def counted(client: BaseClient, operation: str, params: dict[str, Any]) -> Any:
        kill.happened = next(calls) == at
        if kill.happened and before:
            raise Killed
        answer = call(client, operation, params)
        if kill.happened:
            raise Killed
        return answer

    with suppress(Killed), pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", counted)
        yield kill


T = TypeVar("T")


def every_kill(given: Callable[[], T], act: Callable[[T], object]) -> Iterator[T]:
    """Do `act` again and again on something newly `given`, killed at each of its calls in turn.

    Ends when it has run through, both with kills before calls and after.
    """
    for before in (True, False):
        for at in count():
            thing = given()
            with killed(at, before=before) as kill:
                act(thing)
            yield thing
            if not kill.happened:
                break


def object_created(api: Api, key: str, age: timedelta = LONG_AGO) -> None:
    """Deliver S3's notice of an original that was written so long ago."""
    _created(api, "on_object_created", key, age)


def upload_staged(api: Api, key: str) -> None:
    """Deliver S3's notice of an object that a client has sent to S3."""
    _created(api, "on_upload_staged", key, LONG_AGO)


def _created(api: Api, handler: str, key: str, age: timedelta) -> None:
    written = (datetime.now(UTC) - age).isoformat().replace("+00:00", "Z")
    s3 = {"bucket": {"name": "images"}, "object": {"key": quote_plus(key)}}
    api.client.lambda_.invoke(handler, {"Records": [{"eventTime": written, "s3": s3}]})


def sweep(api: Api) -> None:
    """Let the schedule come round."""
    api.client.lambda_.invoke("sweep", api.client.events.generate_cw_event("aws.events", "Scheduled Event", {}, []))


def mend(api: Api, stores: Stores) -> None:
    """Deliver, twice and late, every event that S3 owes, and let the schedule come round."""
    for _ in range(2):
        for key in stores.objects("staged"):
            upload_staged(api, key)
        for key in stores.objects():
            object_created(api, key)
    sweep(api)
    sweep(api)


@pytest.fixture(autouse=True)
def at_once(configured: Callable[..., None]) -> None:
    configured(SWEEP_AFTER_SECONDS="0")


def test_an_upload_is_whole_or_leaves_nothing(api: Api, stores: Stores) -> None:
    body = {"user_id": "alice", "image_data": base64_picture(), "tags": ["sea"]}
    left: list[int] = []
    for _ in every_kill(lambda: body, lambda body: api.call("POST", "/images", body)):
        mend(api, stores)
        listed = api.listed()
        assert api.listed("user_id=alice") == api.listed("tag=sea") == listed
        assert [record["image_id"]["S"] for record in stores.records()] == listed
        assert [key.split("/")[1] for key in stores.objects()] == listed
        assert api.get("/tags").json_body["tags"] == [{"tag": "sea", "count": 1}] * len(listed)
        for image_id in listed:
            assert api.call("DELETE", f"/images/{image_id}").status_code == 200
        assert stores.are_empty()
        sweep(api)
        assert stores.tag_counts() == []
        left.append(len(listed))
    # Killed before: the put, the transaction; then not at all. After: the same.
    assert left == [0, 0, 1, 0, 1, 1]


@pytest.mark.parametrize("again", ["the client", "the schedule"])
def test_a_deletion_is_at_once_in_no_list_and_ends_when_it_comes_again(api: Api, stores: Stores, again: str) -> None:
    left: list[int] = []
    for image_id in every_kill(
        lambda: str(api.upload(tags=["sea"])["image_id"]),
        lambda image_id: api.call("DELETE", f"/images/{image_id}"),
    ):
        listed = api.listed()
        assert api.listed("user_id=alice") == api.listed("tag=sea") == listed
        assert (api.get(f"/images/{image_id}").status_code == 200) is (listed == [image_id])
        assert api.get("/tags").json_body["tags"] == [{"tag": "sea", "count": 1}] * len(listed)
        if again == "the schedule":
            mend(api, stores)
            assert api.listed() == listed
        if again == "the client" or listed:
            assert api.call("DELETE", f"/images/{image_id}").status_code in (200, 404)
        assert stores.are_empty()
        left.append(len(listed))
    # Killed at: the read, the transaction, the deletion of the original, of variants and of what is staged, that of the
    # record; then not at all.
    assert left == [1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_an_update_is_whole_or_nothing(api: Api, stores: Stores) -> None:
    versions: list[int] = []
    for image_id in every_kill(
        lambda: str(api.upload(tags=["sea"], title="old")["image_id"]),
        lambda image_id: api.call("PUT", f"/images/{image_id}", {"title": "new", "tags": ["sky"]}),
    ):
        kept = api.get(f"/images/{image_id}").json_body["metadata"]
        tag, other = ("sea", "sky") if kept["version"] == 1 else ("sky", "sea")
        assert (kept["title"], kept["tags"]) == ("old" if kept["version"] == 1 else "new", [tag])
        assert api.get(f"/images?tag={tag}").json_body["images"] == [kept]
        assert api.get("/images").json_body["images"] == [kept]
        assert api.listed(f"tag={other}") == []
        assert api.get("/tags").json_body["tags"] == [{"tag": tag, "count": 1}]
        assert api.call("DELETE", f"/images/{image_id}").status_code == 200
        assert stores.are_empty()
        versions.append(kept["version"])
    # Killed at: the read, the transaction; then not at all.
    assert versions == [1, 1, 2, 1, 2, 2]


def test_an_upload_that_is_sent_again_with_its_key_is_one_image(api: Api, stores: Stores) -> None:
    keys = (f"key-{n}" for n in count())
    body = {"user_id": "alice", "image_data": base64_picture(), "tags": ["sea"]}

    def send(key: str) -> HTTPResponse:
        return Api(api.client, {"Idempotency-Key": key}).call("POST", "/images", body)

    for key in every_kill(lambda: next(keys), send):
        answer = send(key)
        assert (answer.status_code, api.listed()) == (201, [answer.json_body["image_id"]])
        mend(api, stores)
        assert api.get("/images").json_body["images"] == [answer.json_body["metadata"]]
        assert list(stores.objects()) == [answer.json_body["metadata"]["s3_key"]]
        assert api.call("DELETE", f"/images/{answer.json_body['image_id']}").status_code == 200
        assert stores.are_empty()


def test_a_left_over_object_is_removed_wherever_that_is_cut_short(api: Api, stores: Stores) -> None:
    def orphan() -> str:
        key = f"alice b/{ids.new_id()}"
        stores.s3.put_object(Bucket="images-originals", Key=key, Body=b"x")
        return key

    left: list[int] = []
    for key in every_kill(orphan, lambda key: object_created(api, key)):
        left.append(len(stores.objects()))
        object_created(api, key)
        mend(api, stores)
        assert stores.are_empty()
    # Killed at: the read, the look at the object, the claim, the deletion of the original, of variants and of what is
    # staged; then not at all.
    assert left == [1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0]


def test_the_schedule_goes_on_wherever_it_is_cut_short(api: Api, stores: Stores) -> None:
    def half_deleted() -> None:
        path = f"/images/{api.upload()['image_id']}"
        with killed(1, before=False):
            api.call("DELETE", path)

    for _ in every_kill(half_deleted, lambda _: sweep(api)):
        sweep(api)
        assert stores.are_empty()


def test_tags_are_counted_exactly_once_wherever_that_is_cut_short(api: Api, stores: Stores) -> None:
    def change_tags() -> None:
        kept, gone = (str(api.upload(tags=["sea", f"n{n}"])["image_id"]) for n in range(2))
        sweep(api)
        api.call("PUT", f"/images/{kept}?user_id=alice", {"tags": ["sea", "sky"], "visibility": "private"})
        api.call("DELETE", f"/images/{gone}")

    waiting: list[int] = []
    for times, _ in enumerate(every_kill(change_tags, lambda _: sweep(api)), start=1):
        waiting.append(sum("queue" in item for item in stores.tag_counts()))
        counts = {"sea": times, "sky": times}
        for again in (False, True):
            if again:
                sweep(api)
            assert api.get("/tags").json_body["tags"] == []
            found = api.get("/tags?user_id=alice").json_body["tags"]
            assert {each["tag"]: each["count"] for each in found} == counts
        assert len(stores.tag_counts()) == len(counts)
    # Killed at: the read of the queue, of the counters; the transaction; the reads of six states, and of the oldest of
    # two; then not at all.
    assert waiting == [2, 2, 2, *[0] * 9, 2, 2, *[0] * 10]


def test_an_object_of_an_upload_under_way_is_left_until_the_event_comes_again(api: Api, stores: Stores) -> None:
    key = f"alice/{ids.new_id()}"
    stores.s3.put_object(Bucket="images-originals", Key=key, Body=b"x")
    with pytest.raises(TooEarly):
        object_created(api, key, age=timedelta(seconds=1))
    assert list(stores.objects()) == [key]


def test_an_upload_that_slept_until_its_object_was_removed_is_not_acknowledged(
    api: Api, stores: Stores, overtake: Overtake, configured: Callable[..., None]
) -> None:
    configured(SWEEP_AFTER_SECONDS="3600")
    overtake("TransactWriteItems", lambda: object_created(api, next(iter(stores.objects()))))
    answer = api.call("POST", "/images", {"user_id": "alice", "image_data": base64_picture()})
    assert (answer.status_code, answer.json_body) == (503, {"error": "The upload took too long; send it again."})
    assert api.listed() == []
    assert stores.objects() == {}


def test_the_event_of_a_finished_upload_that_comes_again_changes_nothing(api: Api, stores: Stores) -> None:
    kept = api.upload()
    object_created(api, kept["s3_key"])
    before = (stores.objects(), stores.records(), stores.rows())
    object_created(api, kept["s3_key"])
    assert (stores.objects(), stores.records(), stores.rows()) == before


def test_the_event_of_an_image_that_is_deleted_already_leaves_nothing(api: Api, stores: Stores) -> None:
    kept = api.upload()
    api.call("DELETE", f"/images/{kept['image_id']}")
    object_created(api, kept["s3_key"], age=timedelta(seconds=1))
    object_created(api, kept["s3_key"])
    assert stores.are_empty()


def test_the_schedule_leaves_an_image_alone_that_an_index_behind_its_record_calls_deleted(
    api: Api, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = api.upload()["image_id"]
    call: Any = BaseClient._make_api_call  # type: ignore[attr-defined]

    def behind(client: BaseClient, operation: str, params: Any) -> Any:
        answer = call(client, operation, params)
        deleted = {"image_id": {"S": image_id}, "updated_at": {"S": ids.created_at(image_id)}}
        return {**answer, "Items": [deleted]} if params.get("IndexName") == "state-index" else answer

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", behind)
        sweep(api)
    assert api.get(f"/images/{image_id}").status_code == 200
    assert len(stores.objects()) == 1


def test_an_object_that_is_no_original_is_left_alone(api: Api, stores: Stores) -> None:
    for key in ("readme.txt", "alice/readme.txt"):
        stores.s3.put_object(Bucket="images-originals", Key=key, Body=b"x")
        object_created(api, key)
    assert list(stores.objects()) == ["alice/readme.txt", "readme.txt"]


def test_the_schedule_leaves_a_young_deletion_to_the_request_that_makes_it(
    api: Api, stores: Stores, configured: Callable[..., None]
) -> None:
    path = f"/images/{api.upload()['image_id']}"
    with killed(1, before=False):
        api.call("DELETE", path)
    configured(SWEEP_AFTER_SECONDS="3600")
    sweep(api)
    assert len(stores.objects()) == 1
    configured(SWEEP_AFTER_SECONDS="0")
    sweep(api)
    assert stores.are_empty()
