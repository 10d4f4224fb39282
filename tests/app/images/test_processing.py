"""Background processing: variants and analysis."""

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.app.background import object_created, sweep
from tests.app.calls import Calls, Killed, Rule, StoreIsDown
from tests.app.conftest import Api, Stores
from tests.app.uploads import BROKEN, announce
from tests.pictures import ALPHA_WITHOUT_SIZE, picture
from tests.tiffs import tiff


def test_an_upload_is_listed_at_once_and_ready_after_processing(api: Api, stores: Stores) -> None:
    image = api.upload(image_data=base64.b64encode(picture(width=700, height=500)).decode())
    view = api.view(image["image_id"])
    assert (view["state"], api.listed()) == ("processing", [image["image_id"]])
    object_created(api, image["s3_key"])
    view = api.view(image["image_id"])
    assert (view["state"], view["metadata"]) == ("ready", image)
    derived = {key.rpartition("/")[2]: len(content) for key, content in stores.objects("derived").items()}
    assert view["analysis"]["variants"] == [
        {"width": 640, "height": 457, "content_type": "image/jpeg", "size": derived["640.jpg"]},
        {"width": 640, "height": 457, "content_type": "image/webp", "size": derived["640.webp"]},
        {"width": 320, "height": 229, "content_type": "image/webp", "size": derived["320.webp"]},
    ]
    assert list(stores.objects("derived")) == [
        f"{image['s3_key']}/{name}" for name in ("320.webp", "640.jpg", "640.webp")
    ]
    assert api.get("/images").json_body["images"] == [image]


@pytest.mark.parametrize(
    ("file", "size"),
    [
        (ALPHA_WITHOUT_SIZE, (80, 80)),
        (tiff(lambda x, y: [x / 64], orientation=6, rows_per_strip=48), (48, 64)),
        (tiff(lambda x, y: [x / 64], photometric=0, bits=16), (64, 48)),
    ],
    ids=["AVIF whose transparency has no size", "TIFF to be turned", "TIFF in which white is zero"],
)
def test_unusual_kinds_of_files_become_ready(api: Api, file: bytes, size: tuple[int, int]) -> None:
    image = api.upload(image_data=base64.b64encode(file).decode())
    assert (image["width"], image["height"]) == size
    object_created(api, image["s3_key"])
    view = api.view(image["image_id"])
    assert view["state"] == "ready"
    assert [(variant["width"], variant["height"]) for variant in view["analysis"]["variants"]] == [size] * 2


def test_an_early_event_waits_for_the_record(api: Api, stores: Stores, calls: Calls) -> None:
    image = api.upload()
    (record,) = stores.records()
    stores.dynamodb.delete_item(TableName="images", Key={"image_id": record["image_id"]})
    calls.after("GetItem", lambda: stores.dynamodb.put_item(TableName="images", Item=record))
    object_created(api, image["s3_key"], age=timedelta(seconds=1))
    assert api.view(image["image_id"])["state"] == "ready"


def test_an_update_during_processing_is_kept(api: Api, calls: Calls) -> None:
    image = api.upload(title="Old")
    calls.before("TransactWriteItems", lambda: api.call("PUT", f"/images/{image['image_id']}", {"title": "New"}))
    object_created(api, image["s3_key"])
    view = api.view(image["image_id"])
    assert (view["state"], view["metadata"]["title"], view["metadata"]["version"]) == ("ready", "New", 2)
    assert api.listed("title=new") == [image["image_id"]]


def test_processing_during_an_update_is_kept(api: Api, calls: Calls) -> None:
    image = api.upload(title="Old")
    calls.before("TransactWriteItems", lambda: object_created(api, image["s3_key"]))
    assert api.call("PUT", f"/images/{image['image_id']}", {"title": "New"}).status_code == 200
    view = api.view(image["image_id"])
    assert (view["state"], view["metadata"]["title"]) == ("ready", "New")


@pytest.mark.parametrize("before", ["GetObject", "PutObject", "TransactWriteItems"])
def test_an_image_deleted_during_processing_leaves_nothing(api: Api, stores: Stores, calls: Calls, before: str) -> None:
    image = api.upload()
    calls.before(before, lambda: api.call("DELETE", f"/images/{image['image_id']}"))
    object_created(api, image["s3_key"])
    assert stores.are_empty()


Delete = Callable[[Api, str], object]

DELETE_ROUTES: dict[str, Delete] = {
    "B": lambda api, image_id: api.call("DELETE", f"/images/{image_id}"),
    "A": lambda api, image_id: api.call("DELETE", f"/image/{image_id}"),
    "A, invoked": lambda api, image_id: api.client.lambda_.invoke(
        "delete_images", {"pathParameters": {"image_id": image_id}, "headers": api.headers}
    ),
    "C": lambda api, image_id: api.call("DELETE", f"/delete/{image_id}"),
}


@pytest.mark.parametrize("delete", DELETE_ROUTES.values(), ids=DELETE_ROUTES)
def test_every_delete_route_removes_variants_and_multipart_uploads(
    api: Api, stores: Stores, configured: Callable[..., None], delete: Delete
) -> None:
    alice = Api(api.client, {"X-User-Id": "alice"})
    image = api.upload(tags=["sea"], visibility="private")
    object_created(api, image["s3_key"])
    assert stores.objects("derived")
    delete(alice, image["image_id"])
    assert stores.are_empty()
    configured(MULTIPART_THRESHOLD_BYTES="100")
    delete(alice, announce(api)["image_id"])
    assert stores.are_empty()


def test_a_broken_image_stays_listed_with_a_reason_and_no_variants(api: Api, stores: Stores) -> None:
    image = api.upload(image_data=BROKEN)
    object_created(api, image["s3_key"])
    view = api.view(image["image_id"])
    assert (view["state"], view["reason"]) == ("failed", "The picture can't be decoded: its data is broken.")
    assert (api.listed(), stores.objects("derived")) == ([image["image_id"]], {})
    assert api.call("PUT", f"/images/{image['image_id']}", {"title": "Broken"}).status_code == 200
    assert api.view(image["image_id"])["state"] == "failed"


def test_an_image_fails_after_three_attempts_and_a_later_event_processes_it(api: Api, variants_fail: Rule) -> None:
    image = api.upload()
    for state in ("processing", "processing", "failed"):
        with pytest.raises(StoreIsDown):
            object_created(api, image["s3_key"])
        assert api.view(image["image_id"])["state"] == state
    assert "an error in the service" in api.view(image["image_id"])["reason"]
    variants_fail.end()
    object_created(api, image["s3_key"])
    view = api.view(image["image_id"])
    assert view["state"] == "ready"
    assert "reason" not in view


def test_killed_processing_is_finished_by_a_repeated_event(api: Api, stores: Stores, calls: Calls) -> None:
    kills = 0
    for image in calls.every_kill(lambda: api.upload(tags=["sea"]), lambda image: object_created(api, image["s3_key"])):
        assert api.get("/images?tag=sea").json_body["images"] == [image]
        object_created(api, image["s3_key"])
        view = api.view(image["image_id"])
        assert (view["state"], view["metadata"]) == ("ready", image)
        assert list(stores.objects("derived")) == [f"{image['s3_key']}/40.{kind}" for kind in ("jpg", "webp")]
        assert api.get("/images?tag=sea").json_body["images"] == [image]
        assert api.call("DELETE", f"/images/{image['image_id']}").status_code == 200
        assert stores.are_empty()
        kills += 1
    # Killed before: the read, the download, two variants, the transaction; then not killed, and killed after the last.
    assert kills == 5 + 2


def test_a_deletion_after_killed_processing_leaves_nothing(api: Api, stores: Stores, calls: Calls) -> None:
    for image in calls.every_kill(api.upload, lambda image: object_created(api, image["s3_key"])):
        api.call("DELETE", f"/images/{image['image_id']}")
        object_created(api, image["s3_key"])
        assert stores.are_empty()


class TestSchedule:
    @pytest.fixture(autouse=True)
    def sweep_at_once(self, configured: Callable[..., None]) -> None:
        """The schedule processes images of any age."""
        configured(SWEEP_AFTER_SECONDS="0")

    def test_it_processes_an_image_whose_event_was_lost(self, api: Api) -> None:
        image = api.upload()
        sweep(api)
        assert api.view(image["image_id"])["state"] == "ready"

    def test_an_image_fails_after_three_killed_attempts(self, api: Api, calls: Calls) -> None:
        image = api.upload()
        calls.fail("GetObject", Killed())
        for _ in range(3):
            with pytest.raises(Killed):
                sweep(api)
        sweep(api)
        view = api.view(image["image_id"])
        assert (view["state"], view["reason"][:26]) == ("failed", "Processing did not finish:")

    def test_it_finishes_the_deletion_of_an_image_with_variants(self, api: Api, stores: Stores, calls: Calls) -> None:
        image = api.upload()
        object_created(api, image["s3_key"])
        with calls.killed(1, before=False):
            api.call("DELETE", f"/images/{image['image_id']}")
        assert stores.objects("derived")
        sweep(api)
        assert stores.are_empty()

    def test_an_image_fails_after_three_attempts(self, api: Api, variants_fail: Rule) -> None:
        image = api.upload()
        for state in ("processing", "processing", "failed"):
            sweep(api)
            assert api.view(image["image_id"])["state"] == state
        assert "an error in the service" in api.view(image["image_id"])["reason"]

    def test_it_deletes_the_objects_of_a_killed_attempt_after_a_deletion(
        self, api: Api, stores: Stores, calls: Calls, configured: Callable[..., None]
    ) -> None:
        for image in calls.every_kill(api.upload, lambda image: sweep(api)):
            is_ready = api.view(image["image_id"])["state"] == "ready"
            api.call("DELETE", f"/images/{image['image_id']}")
            if not is_ready:  # the attempt was about to write
                stores.s3.put_object(Bucket="images-derived", Key=f"{image['s3_key']}/40.webp", Body=b"x")
            assert api.call("DELETE", f"/images/{image['image_id']}").status_code in (200, 404)
            sweep(api)
            sweep(api)
            assert stores.are_empty()
            assert stores.records() == []

    def test_an_image_that_fails_does_not_stop_the_others(self, api: Api, stores: Stores, variants_fail: Rule) -> None:
        first, second = (api.upload(image_data=data)["image_id"] for data in (_png(1), BROKEN))
        sweep(api)
        assert (api.view(first)["state"], api.view(second)["state"]) == ("processing", "failed")

    def test_a_dry_run_reports_images_and_changes_nothing(self, api: Api, stores: Stores) -> None:
        image = api.upload()
        before = (stores.objects("derived"), stores.records())
        event = {**api.client.events.generate_cw_event("aws.events", "Scheduled Event", {}, []), "dry_run": True}
        result = api.client.lambda_.invoke("sweep", event).payload
        assert result == {"count": 1, "repaired": [{"image_id": image["image_id"], "state": "processing"}]}
        assert (stores.objects("derived"), stores.records()) == before


def _png(seed: int) -> str:
    return base64.b64encode(picture(seed=seed)).decode()


def test_the_schedule_makes_lost_variants_for_a_record_set_to_processing(
    api: Api, stores: Stores, configured: Callable[..., None]
) -> None:
    image = api.upload(image_data=base64.b64encode(picture(width=700, height=500)).decode())
    object_created(api, image["s3_key"])
    before = api.view(image["image_id"])
    variants = stores.objects("derived")
    assert variants
    for key in variants:
        stores.s3.delete_object(Bucket="images-derived", Key=key)
    # As in docs/operations.md, after tables were restored.
    stores.dynamodb.update_item(
        TableName="images",
        Key={"image_id": {"S": image["image_id"]}},
        UpdateExpression="SET #state = :processing",
        ConditionExpression="attribute_exists(created_at) AND attribute_not_exists(#state)",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":processing": {"S": "processing"}},
    )
    configured(SWEEP_AFTER_SECONDS="0")
    sweep(api)
    after = api.view(image["image_id"])
    assert stores.objects("derived") == variants
    assert [after[name] for name in ("state", "metadata")] == [before[name] for name in ("state", "metadata")]
