"""Each operation is killed before and after each of its AWS calls. Later events and the schedule repair the rest."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.images.processing import TooEarly
from tests.app.background import catch_up, object_created, sweep
from tests.app.calls import Calls, StoreIsDown
from tests.app.conftest import Api, Log, Stores
from tests.aws_calls import Call
from tests.errors import error
from tests.pictures import base64_picture


@pytest.fixture(autouse=True)
def sweep_at_once(configured: Callable[..., None]) -> None:
    """The schedule repairs images of any age."""
    configured(SWEEP_AFTER_SECONDS="0")


def test_a_killed_upload_stores_everything_or_nothing(api: Api, stores: Stores, calls: Calls) -> None:
    body = {"user_id": "alice", "image_data": base64_picture(), "tags": ["sea"]}
    remaining: list[int] = []
    for _ in calls.every_kill(lambda: body, lambda body: api.call("POST", "/images", body)):
        catch_up(api, stores)
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
        remaining.append(len(listed))
    # Killed before the S3 put, before the transaction, not at all, after the transaction.
    assert remaining == [0, 0, 1, 1]


@pytest.mark.parametrize("repeated_by", ["the client", "the schedule"])
def test_a_killed_deletion_is_finished_by_a_retry_or_the_schedule(
    api: Api, stores: Stores, calls: Calls, repeated_by: str
) -> None:
    remaining: list[int] = []
    for image_id in calls.every_kill(
        lambda: str(api.upload(tags=["sea"])["image_id"]),
        lambda image_id: api.call("DELETE", f"/images/{image_id}"),
    ):
        listed = api.listed()
        assert api.listed("user_id=alice") == api.listed("tag=sea") == listed
        assert (api.get(f"/images/{image_id}").status_code == 200) is (listed == [image_id])
        assert api.get("/tags").json_body["tags"] == [{"tag": "sea", "count": 1}] * len(listed)
        if repeated_by == "the schedule":
            catch_up(api, stores)
            assert api.listed() == listed
        if repeated_by == "the client" or listed:
            assert api.call("DELETE", f"/images/{image_id}").status_code in (200, 404)
        assert stores.are_empty()
        remaining.append(len(listed))
    # Killed before: the read, the transaction, the deletion of the original, of variants, of the staged file, of the
    # record; then not killed, and killed after the last.
    assert remaining == [1, 1, 0, 0, 0, 0, 0, 0]


def test_a_killed_update_changes_everything_or_nothing(api: Api, stores: Stores, calls: Calls) -> None:
    versions: list[int] = []
    for image_id in calls.every_kill(
        lambda: str(api.upload(tags=["sea"], title="old")["image_id"]),
        lambda image_id: api.call("PUT", f"/images/{image_id}", {"title": "new", "tags": ["sky"]}),
    ):
        image = api.get(f"/images/{image_id}").json_body["metadata"]
        tag, other = ("sea", "sky") if image["version"] == 1 else ("sky", "sea")
        assert (image["title"], image["tags"]) == ("old" if image["version"] == 1 else "new", [tag])
        assert api.get(f"/images?tag={tag}").json_body["images"] == [image]
        assert api.get("/images").json_body["images"] == [image]
        assert api.listed(f"tag={other}") == []
        assert api.get("/tags").json_body["tags"] == [{"tag": tag, "count": 1}]
        assert api.call("DELETE", f"/images/{image_id}").status_code == 200
        assert stores.are_empty()
        versions.append(image["version"])
    # Killed before the read, before the transaction, not at all, after the transaction.
    assert versions == [1, 1, 2, 2]


def test_an_upload_repeated_with_its_idempotency_key_stores_one_image(api: Api, stores: Stores, calls: Calls) -> None:
    keys = (f"key-{n}" for n in count())
    body = {"user_id": "alice", "image_data": base64_picture(), "tags": ["sea"]}

    def send(key: str) -> HTTPResponse:
        return Api(api.client, {"Idempotency-Key": key}).call("POST", "/images", body)

    for key in calls.every_kill(lambda: next(keys), send):
        answer = send(key)
        assert (answer.status_code, api.listed()) == (201, [answer.json_body["image_id"]])
        catch_up(api, stores)
        assert api.get("/images").json_body["images"] == [answer.json_body["metadata"]]
        assert list(stores.objects()) == [answer.json_body["metadata"]["s3_key"]]
        assert api.call("DELETE", f"/images/{answer.json_body['image_id']}").status_code == 200
        assert stores.are_empty()


def test_an_object_without_a_record_is_deleted_after_any_kill(api: Api, stores: Stores, calls: Calls) -> None:
    def orphan() -> str:
        key = f"alice b/{ids.new_id()}"
        stores.s3.put_object(Bucket="images-originals", Key=key, Body=b"x")
        return key

    remaining: list[int] = []
    for key in calls.every_kill(orphan, lambda key: object_created(api, key)):
        remaining.append(len(stores.objects()))
        object_created(api, key)
        catch_up(api, stores)
        assert stores.are_empty()
    # Killed before: the read, the HeadObject, the write of the record, the deletion of the original, of variants, of
    # the staged file; then not killed, and killed after the last.
    assert remaining == [1, 1, 1, 1, 0, 0, 0, 0]


def test_a_killed_schedule_is_finished_by_its_next_run(api: Api, stores: Stores, calls: Calls) -> None:
    def half_deleted() -> None:
        path = f"/images/{api.upload()['image_id']}"
        with calls.killed(1, before=False):
            api.call("DELETE", path)

    for _ in calls.every_kill(half_deleted, lambda _: sweep(api)):
        sweep(api)
        assert stores.are_empty()


def test_a_killed_schedule_counts_each_tag_change_once(api: Api, stores: Stores, calls: Calls) -> None:
    def change_tags() -> None:
        updated, deleted = (str(api.upload(tags=["sea", f"n{n}"])["image_id"]) for n in range(2))
        sweep(api)
        api.call("PUT", f"/images/{updated}?user_id=alice", {"tags": ["sea", "sky"], "visibility": "private"})
        api.call("DELETE", f"/images/{deleted}")

    queued: list[int] = []
    for times, _ in enumerate(calls.every_kill(change_tags, lambda _: sweep(api)), start=1):
        queued.append(sum("queue" in item for item in stores.tag_counts()))
        counts = {"sea": times, "sky": times}
        for after_next_run in (False, True):
            if after_next_run:
                sweep(api)
            assert api.get("/tags").json_body["tags"] == []
            page = api.get("/tags?user_id=alice").json_body["tags"]
            assert {each["tag"]: each["count"] for each in page} == counts
        assert len(stores.tag_counts()) == len(counts)
    # Killed before: the seven reads of states, the reads of the oldest image of two states, the read of the queue, the
    # read of the counters, the transaction; then not killed, and killed after the transaction.
    assert queued == [*[2] * 12, 0, 0]


def test_the_schedule_repairs_images_while_tag_counts_cannot_be_applied(api: Api, stores: Stores, calls: Calls) -> None:
    path = f"/images/{api.upload(tags=['sea'])['image_id']}"
    with calls.killed(1, before=False):
        api.call("DELETE", path)
    with (
        calls.fail("Query", StoreIsDown(), when=lambda query: query.get("IndexName") == "queue-index"),
        pytest.raises(StoreIsDown),
    ):
        sweep(api)
    assert stores.are_empty()
    assert any("queue" in item for item in stores.tag_counts())
    sweep(api)
    assert stores.tag_counts() == []


def test_a_failing_repair_of_one_state_stops_neither_the_others_nor_the_tag_counts(
    api: Api, stores: Stores, calls: Calls, log: Log
) -> None:
    path = f"/images/{api.upload(tags=['sea'])['image_id']}"
    with calls.killed(1, before=False):
        api.call("DELETE", path)
    failing = ("deleted", "rejected")

    def is_of_a_failing_state(query: Any) -> bool:
        return query.get("ExpressionAttributeValues", {}).get(":state", {}).get("S") in failing

    with (
        calls.fail("Query", StoreIsDown(), when=is_of_a_failing_state),
        pytest.raises(ExceptionGroup, match="2 tasks failed") as errors,
    ):
        sweep(api)
    assert [type(error) for error in errors.value.exceptions] == [StoreIsDown, StoreIsDown]
    assert stores.are_empty()
    assert stores.tag_counts() == []
    assert [line["repaired"] for line in log() if "repaired" in line] == [1]


def test_a_record_that_cannot_be_read_does_not_stop_the_schedule(api: Api, stores: Stores, calls: Calls) -> None:
    broken, other = (str(api.upload()["image_id"]) for _ in range(2))
    for image_id in (broken, other):
        with calls.killed(1, before=False):
            api.call("DELETE", f"/images/{image_id}")
    stores.dynamodb.update_item(
        TableName=settings().images_table_name,
        Key={"image_id": {"S": broken}},
        UpdateExpression="REMOVE title",
    )
    sweep(api)
    assert [record["image_id"]["S"] for record in stores.records()] == [broken]


def test_an_event_of_a_new_object_without_a_record_is_retried_later(api: Api, stores: Stores) -> None:
    key = f"alice/{ids.new_id()}"
    stores.s3.put_object(Bucket="images-originals", Key=key, Body=b"x")
    with pytest.raises(TooEarly):
        object_created(api, key, age=timedelta(seconds=1))
    assert list(stores.objects()) == [key]


def test_an_upload_fails_if_its_object_is_deleted_before_its_transaction(
    api: Api, stores: Stores, calls: Calls, configured: Callable[..., None]
) -> None:
    configured(SWEEP_AFTER_SECONDS="3600")
    calls.before("TransactWriteItems", lambda: object_created(api, next(iter(stores.objects()))))
    answer = api.call("POST", "/images", {"user_id": "alice", "image_data": base64_picture()})
    assert (answer.status_code, answer.json_body) == (503, error("The upload took too long; send it again."))
    assert api.listed() == []
    assert stores.objects() == {}


def test_a_repeated_event_of_a_finished_upload_changes_nothing(api: Api, stores: Stores) -> None:
    image = api.upload()
    object_created(api, image["s3_key"])
    before = (stores.objects(), stores.records(), stores.rows())
    object_created(api, image["s3_key"])
    assert (stores.objects(), stores.records(), stores.rows()) == before


def test_an_event_of_a_deleted_image_leaves_nothing(api: Api, stores: Stores) -> None:
    image = api.upload()
    api.call("DELETE", f"/images/{image['image_id']}")
    object_created(api, image["s3_key"], age=timedelta(seconds=1))
    object_created(api, image["s3_key"])
    assert stores.are_empty()


def test_the_schedule_ignores_an_outdated_state_index(api: Api, stores: Stores, calls: Calls) -> None:
    image_id = api.upload()["image_id"]

    def outdated(call: Call) -> Any:
        answer = call.send()
        deleted = {"image_id": {"S": image_id}, "updated_at": {"S": ids.created_at(image_id)}}
        return {**answer, "Items": [deleted]} if call.params.get("IndexName") == "state-index" else answer

    with calls.on("Query", outdated) as rule:
        sweep(api)
    assert rule.applied
    assert api.get(f"/images/{image_id}").status_code == 200
    assert len(stores.objects()) == 1


def test_an_object_whose_key_has_no_image_id_is_not_deleted(api: Api, stores: Stores) -> None:
    for key in ("readme.txt", "alice/readme.txt"):
        stores.s3.put_object(Bucket="images-originals", Key=key, Body=b"x")
        object_created(api, key)
    assert list(stores.objects()) == ["alice/readme.txt", "readme.txt"]


def test_the_schedule_does_not_finish_a_deletion_that_just_began(
    api: Api, stores: Stores, calls: Calls, configured: Callable[..., None]
) -> None:
    path = f"/images/{api.upload()['image_id']}"
    with calls.killed(1, before=False):
        api.call("DELETE", path)
    configured(SWEEP_AFTER_SECONDS="3600")
    sweep(api)
    assert len(stores.objects()) == 1
    configured(SWEEP_AFTER_SECONDS="0")
    sweep(api)
    assert stores.are_empty()
