"""What becomes of an upload in the background: its variants, and what is known of its pixels."""

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.app.background import object_created, sweep
from tests.app.calls import Calls, Killed, Rule, StoreIsDown
from tests.app.conftest import Api, Stores
from tests.app.uploads import BROKEN, announce
from tests.pictures import picture


def test_an_upload_is_listed_at_once_and_ready_when_it_has_been_processed(api: Api, stores: Stores) -> None:
    kept = api.upload(image_data=base64.b64encode(picture(width=700, height=500)).decode())
    seen = api.view(kept["image_id"])
    assert (seen["state"], api.listed()) == ("processing", [kept["image_id"]])
    object_created(api, kept["s3_key"])
    seen = api.view(kept["image_id"])
    assert (seen["state"], seen["metadata"]) == ("ready", kept)
    assert [variant["width"] for variant in seen["analysis"]["variants"]] == [640, 320]
    assert [variant["height"] for variant in seen["analysis"]["variants"]] == [457, 229]
    assert sorted(stores.objects("derived")) == [f"{kept['s3_key']}/{width}.webp" for width in (320, 640)]
    assert [len(content) for content in stores.objects("derived").values()] == [
        variant["size"] for variant in reversed(seen["analysis"]["variants"])
    ]
    assert api.get("/images").json_body["images"] == [kept]


def test_an_event_that_is_faster_than_its_upload_waits_for_the_record(api: Api, stores: Stores, calls: Calls) -> None:
    kept = api.upload()
    (record,) = stores.records()
    stores.dynamodb.delete_item(TableName="images", Key={"image_id": record["image_id"]})
    calls.after("GetItem", lambda: stores.dynamodb.put_item(TableName="images", Item=record))
    object_created(api, kept["s3_key"], age=timedelta(seconds=1))
    assert api.view(kept["image_id"])["state"] == "ready"


def test_an_update_while_it_is_processed_is_kept(api: Api, calls: Calls) -> None:
    kept = api.upload(title="Old")
    calls.before("TransactWriteItems", lambda: api.call("PUT", f"/images/{kept['image_id']}", {"title": "New"}))
    object_created(api, kept["s3_key"])
    seen = api.view(kept["image_id"])
    assert (seen["state"], seen["metadata"]["title"], seen["metadata"]["version"]) == ("ready", "New", 2)
    assert api.listed("title=new") == [kept["image_id"]]


def test_processing_while_it_is_updated_is_kept(api: Api, calls: Calls) -> None:
    kept = api.upload(title="Old")
    calls.before("TransactWriteItems", lambda: object_created(api, kept["s3_key"]))
    assert api.call("PUT", f"/images/{kept['image_id']}", {"title": "New"}).status_code == 200
    seen = api.view(kept["image_id"])
    assert (seen["state"], seen["metadata"]["title"]) == ("ready", "New")


@pytest.mark.parametrize("before", ["GetObject", "PutObject", "TransactWriteItems"])
def test_what_is_deleted_while_it_is_processed_leaves_nothing(
    api: Api, stores: Stores, calls: Calls, before: str
) -> None:
    kept = api.upload()
    calls.before(before, lambda: api.call("DELETE", f"/images/{kept['image_id']}"))
    object_created(api, kept["s3_key"])
    assert stores.are_empty()


Delete = Callable[[Api, str], object]

DOORS: dict[str, Delete] = {
    "B": lambda api, image_id: api.call("DELETE", f"/images/{image_id}"),
    "A": lambda api, image_id: api.call("DELETE", f"/image/{image_id}"),
    "A, invoked": lambda api, image_id: api.client.lambda_.invoke(
        "delete_images", {"pathParameters": {"image_id": image_id}, "headers": api.headers}
    ),
    "C": lambda api, image_id: api.call("DELETE", f"/delete/{image_id}"),
}


@pytest.mark.parametrize("delete", DOORS.values(), ids=DOORS)
def test_a_deletion_removes_variants_and_what_has_come_of_an_upload_in_parts(
    api: Api, stores: Stores, configured: Callable[..., None], delete: Delete
) -> None:
    alice = Api(api.client, {"X-User-Id": "alice"})
    kept = api.upload(tags=["sea"], visibility="private")
    object_created(api, kept["s3_key"])
    assert stores.objects("derived")
    delete(alice, kept["image_id"])
    assert stores.are_empty()
    configured(MULTIPART_THRESHOLD_BYTES="100")
    delete(alice, announce(api)["image_id"])
    assert stores.are_empty()


def test_a_broken_image_stays_listed_and_says_why_it_has_no_variants(api: Api, stores: Stores) -> None:
    kept = api.upload(image_data=BROKEN)
    object_created(api, kept["s3_key"])
    seen = api.view(kept["image_id"])
    assert (seen["state"], seen["reason"]) == ("failed", "The file is truncated: its picture is incomplete.")
    assert (api.listed(), stores.objects("derived")) == ([kept["image_id"]], {})
    assert api.call("PUT", f"/images/{kept['image_id']}", {"title": "Broken"}).status_code == 200
    assert api.view(kept["image_id"])["state"] == "failed"


def test_an_event_that_fails_raises_until_its_image_has_failed_and_can_come_again_later(
    api: Api, variants_fail: Rule
) -> None:
    kept = api.upload()
    for state in ("processing", "processing", "failed"):
        with pytest.raises(StoreIsDown):
            object_created(api, kept["s3_key"])
        assert api.view(kept["image_id"])["state"] == state
    assert "an error in the service" in api.view(kept["image_id"])["reason"]
    variants_fail.end()
    object_created(api, kept["s3_key"])
    seen = api.view(kept["image_id"])
    assert seen["state"] == "ready"
    assert "reason" not in seen


def test_processing_is_whole_wherever_it_is_cut_short(api: Api, stores: Stores, calls: Calls) -> None:
    kills = 0
    for kept in calls.every_kill(lambda: api.upload(tags=["sea"]), lambda kept: object_created(api, kept["s3_key"])):
        assert api.get("/images?tag=sea").json_body["images"] == [kept]
        object_created(api, kept["s3_key"])
        seen = api.view(kept["image_id"])
        assert (seen["state"], seen["metadata"]) == ("ready", kept)
        assert list(stores.objects("derived")) == [f"{kept['s3_key']}/40.webp"]
        assert api.get("/images?tag=sea").json_body["images"] == [kept]
        assert api.call("DELETE", f"/images/{kept['image_id']}").status_code == 200
        assert stores.are_empty()
        kills += 1
    # The read, the download, a variant, the transaction; before, after, and whole.
    assert kills == 2 * (4 + 1)


def test_a_deletion_that_meets_an_attempt_cut_short_anywhere_leaves_nothing(
    api: Api, stores: Stores, calls: Calls
) -> None:
    for kept in calls.every_kill(api.upload, lambda kept: object_created(api, kept["s3_key"])):
        api.call("DELETE", f"/images/{kept['image_id']}")
        object_created(api, kept["s3_key"])
        assert stores.are_empty()


class TestTheSchedule:
    @pytest.fixture(autouse=True)
    def at_once(self, configured: Callable[..., None]) -> None:
        configured(SWEEP_AFTER_SECONDS="0")

    def test_it_processes_what_no_event_came_for(self, api: Api) -> None:
        kept = api.upload()
        sweep(api)
        assert api.view(kept["image_id"])["state"] == "ready"

    def test_it_gives_up_what_takes_its_process_with_it(self, api: Api, calls: Calls) -> None:
        kept = api.upload()
        calls.fail("GetObject", Killed())
        for _ in range(3):
            with pytest.raises(Killed):
                sweep(api)
        sweep(api)
        seen = api.view(kept["image_id"])
        assert (seen["state"], seen["reason"][:26]) == ("failed", "Processing did not finish:")

    def test_it_finishes_the_deletion_of_an_image_with_variants(self, api: Api, stores: Stores, calls: Calls) -> None:
        kept = api.upload()
        object_created(api, kept["s3_key"])
        with calls.killed(1, before=False):
            api.call("DELETE", f"/images/{kept['image_id']}")
        assert stores.objects("derived")
        sweep(api)
        assert stores.are_empty()

    def test_it_tries_as_often_as_an_event_does(self, api: Api, variants_fail: Rule) -> None:
        kept = api.upload()
        for state in ("processing", "processing", "failed"):
            sweep(api)
            assert api.view(kept["image_id"])["state"] == state
        assert "an error in the service" in api.view(kept["image_id"])["reason"]

    def test_it_removes_what_a_killed_attempt_leaves_of_a_deleted_image(
        self, api: Api, stores: Stores, calls: Calls, configured: Callable[..., None]
    ) -> None:
        for kept in calls.every_kill(api.upload, lambda kept: sweep(api)):
            is_ready = api.view(kept["image_id"])["state"] == "ready"
            api.call("DELETE", f"/images/{kept['image_id']}")
            if not is_ready:  # the attempt was about to write
                stores.s3.put_object(Bucket="images-derived", Key=f"{kept['s3_key']}/40.webp", Body=b"x")
            assert api.call("DELETE", f"/images/{kept['image_id']}").status_code in (200, 404)
            sweep(api)
            sweep(api)
            assert stores.are_empty()
            assert stores.records() == []

    def test_one_image_that_fails_does_not_hold_the_others_up(
        self, api: Api, stores: Stores, variants_fail: Rule
    ) -> None:
        first, second = (api.upload(image_data=data)["image_id"] for data in (_png(1), BROKEN))
        sweep(api)
        assert (api.view(first)["state"], api.view(second)["state"]) == ("processing", "failed")

    def test_it_says_what_it_would_do_and_does_nothing_when_asked_to(self, api: Api, stores: Stores) -> None:
        kept = api.upload()
        before = (stores.objects("derived"), stores.records())
        event = {**api.client.events.generate_cw_event("aws.events", "Scheduled Event", {}, []), "dry_run": True}
        found = api.client.lambda_.invoke("sweep", event).payload
        assert found == {"count": 1, "repaired": [{"image_id": kept["image_id"], "state": "processing"}]}
        assert (stores.objects("derived"), stores.records()) == before


def _png(seed: int) -> str:
    return base64.b64encode(picture(seed=seed)).decode()


def test_variants_that_were_lost_are_made_again_where_a_record_is_set_to_processing(
    api: Api, stores: Stores, configured: Callable[..., None]
) -> None:
    kept = api.upload(image_data=base64.b64encode(picture(width=700, height=500)).decode())
    object_created(api, kept["s3_key"])
    before = api.view(kept["image_id"])
    made = stores.objects("derived")
    assert made
    for key in made:
        stores.s3.delete_object(Bucket="images-derived", Key=key)
    # As docs/operations.md has it, after tables were brought back.
    stores.dynamodb.update_item(
        TableName="images",
        Key={"image_id": {"S": kept["image_id"]}},
        UpdateExpression="SET #state = :processing",
        ConditionExpression="attribute_exists(created_at) AND attribute_not_exists(#state)",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":processing": {"S": "processing"}},
    )
    configured(SWEEP_AFTER_SECONDS="0")
    sweep(api)
    after = api.view(kept["image_id"])
    assert stores.objects("derived") == made
    assert [after[name] for name in ("state", "metadata")] == [before[name] for name in ("state", "metadata")]
