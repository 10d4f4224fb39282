"""Direct uploads, with a form or in parts. Here S3 accepts any file; tests/http checks the form against its policy."""

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import ids
from chalicelib.images import sweeping
from tests.app.background import catch_up, object_created, sweep, upload_staged
from tests.app.calls import Calls, Rule, StoreIsDown
from tests.app.conftest import Api, Stores
from tests.app.uploads import ANNOUNCED, CUT_OFF, DAMAGED, PNG, announce, send, send_parts
from tests.errors import error
from tests.pictures import picture


def test_an_announced_image_is_in_no_list(api: Api) -> None:
    announced = announce(api)
    view = api.view(announced["image_id"])
    assert (view["state"], view["metadata"]["title"]) == ("awaiting_upload", "Dunes")
    assert "presigned_url" not in view
    assert api.listed() == api.listed("tag=sea") == api.listed("user_id=alice") == []
    for path in ("image/{}", "view/{}", "images/{}/download"):
        assert api.get("/" + path.format(announced["image_id"])).status_code == 404
    answer = api.call("PUT", f"/images/{announced['image_id']}", {"title": "Sea"})
    assert (answer.status_code, answer.json_body["error"][:40]) == (409, "The image is awaiting_upload; it can be ")


def test_the_form_accepts_only_the_announced_file(api: Api) -> None:
    checksum = hashlib.sha256(PNG).hexdigest()
    announced = announce(api, checksum=checksum.upper())
    fields = announced["fields"]
    policy = json.loads(b64decode(fields["policy"]))
    assert ["content-length-range", len(PNG), len(PNG)] in policy["conditions"]
    exact = {name: value for each in policy["conditions"] if isinstance(each, dict) for name, value in each.items()}
    assert exact["bucket"] == "images-staged"
    assert exact["key"] == fields["key"] == f"alice/{announced['image_id']}"
    assert exact["Content-Type"] == fields["Content-Type"] == "image/png"
    assert b64decode(exact["x-amz-checksum-sha256"]).hex() == checksum
    assert announced["url"] == "https://s3.us-east-1.amazonaws.com/images-staged"
    assert announced["expires_in"] == 3600


def test_an_uploaded_file_is_checked_and_listed(api: Api, stores: Stores) -> None:
    key = send(stores, announced := announce(api))
    upload_staged(api, key)
    view = api.view(announced["image_id"])
    assert (view["state"], view["metadata"]["checksum"]) == ("ready", hashlib.sha256(PNG).hexdigest())
    assert (view["metadata"]["width"], view["metadata"]["height"]) == (40, 30)
    assert api.get("/images?tag=sea").json_body["images"] == [view["metadata"]]
    assert api.listed("user_id=alice") == api.listed(f"checksum={view['metadata']['checksum']}") == api.listed()
    assert stores.objects() == {key: PNG}
    assert stores.objects("staged") == {}
    sweep(api)
    assert api.get("/tags").json_body["tags"] == [{"tag": "sea", "count": 1}]


@pytest.mark.parametrize(
    ("fields", "content", "reason"),
    [
        ({}, PNG + b"x", f"The file has {len(PNG) + 1} bytes, but {len(PNG)} were announced."),
        ({"checksum": "0" * 64}, PNG, f"The file's SHA-256 is {hashlib.sha256(PNG).hexdigest()}, but {'0' * 64} was"),
        ({"content_type": "image/gif"}, PNG, "The file is image/png, but image/gif was announced."),
        ({"size": 5}, b"hello", "The file is not an image of an accepted type"),
        (
            {"content_type": "image/jpeg", "size": len(CUT_OFF)},
            CUT_OFF,
            "The file is cut off: a part of its picture is",
        ),
    ],
)
def test_a_file_that_was_not_announced_is_rejected_with_a_reason_and_deleted(
    api: Api, stores: Stores, configured: Callable[..., None], fields: dict[str, Any], content: bytes, reason: str
) -> None:
    key = send(stores, announced := announce(api, **fields), content)
    upload_staged(api, key)
    view = api.view(announced["image_id"])
    assert (view["state"], view["reason"][: len(reason)]) == ("rejected", reason)
    assert api.listed() == []
    assert [stores.objects(kind) for kind in ("originals", "staged", "derived")] == [{}, {}, {}]
    assert api.call("POST", f"/images/{announced['image_id']}/complete").status_code == 409
    upload_staged(api, send(stores, announced))  # a second file, as announced
    assert api.view(announced["image_id"]) == view
    assert stores.objects("staged") == {}
    configured(ABANDONED_UPLOAD_SECONDS="0")
    sweep(api)
    assert stores.are_empty()


def test_a_damaged_file_is_kept_and_listed_with_a_reason(api: Api, stores: Stores) -> None:
    key = send(stores, announced := announce(api, size=len(DAMAGED)), DAMAGED)
    for _ in range(2):
        upload_staged(api, key)
        object_created(api, key)
        sweep(api)
    view = api.view(announced["image_id"])
    assert (view["state"], view["reason"]) == ("failed", "The picture can't be decoded: its data is broken.")
    assert (view["metadata"]["width"], view["metadata"]["height"]) == (40, 30)
    assert api.listed() == api.listed("tag=sea") == [announced["image_id"]]
    assert [stores.objects(kind) for kind in ("originals", "staged", "derived")] == [{key: DAMAGED}, {}, {}]


def test_a_jpeg_without_its_end_mark_is_accepted(api: Api, stores: Stores) -> None:
    photo = picture("JPEG", width=96, height=64)[:-2]
    key = send(stores, announced := announce(api, content_type="image/jpeg", size=len(photo)), photo)
    upload_staged(api, key)
    view = api.view(announced["image_id"])
    assert (view["state"], view["metadata"]["width"], view["metadata"]["height"]) == ("ready", 96, 64)
    assert stores.objects() == {key: photo}


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"size": 0}, 400, "size must be the size of the file in bytes, a whole number above 0."),
        ({"size": "12"}, 400, "size must be the size of the file in bytes, a whole number above 0."),
        ({"size": True}, 400, "size must be the size of the file in bytes, a whole number above 0."),
        ({"size": 100_000_001}, 413, "The image has more than 100000000 bytes, which is the limit"),
        ({"content_type": "text/html"}, 400, "content_type must be one of image/jpeg"),
        ({"content_type": None}, 400, "content_type must be one of image/jpeg"),
        ({"checksum": "abc"}, 400, "checksum must be a SHA-256"),
        ({"user_id": ""}, 400, "user_id is missing"),
        ({"user_id": "${filename}"}, 400, "user_id must not have ${filename} in a direct upload"),
        ({"tags": ["x" * 65]}, 400, "tags has a tag of more than 64 characters"),
    ],
)
def test_an_invalid_announcement_is_refused_and_stores_nothing(
    api: Api, stores: Stores, fields: dict[str, Any], status: int, sentence: str
) -> None:
    answer = api.call("POST", "/images/direct-upload", {**ANNOUNCED, "size": 5, **fields})
    assert (answer.status_code, answer.json_body["error"][: len(sentence)]) == (status, sentence)
    assert stores.are_empty()


class TestParts:
    @pytest.fixture
    def large(self, configured: Callable[..., None]) -> bytes:
        configured(MULTIPART_THRESHOLD_BYTES="6000000")
        return picture("BMP", width=2_000, height=1_000)[:6_000_054]

    def begin(self, api: Api, large: bytes) -> dict[str, Any]:
        return announce(api, content_type="image/bmp", filename="dunes.bmp", size=len(large))

    def test_an_interrupted_upload_can_continue(
        self, api: Api, stores: Stores, large: bytes, configured: Callable[..., None]
    ) -> None:
        configured(PART_BYTES="5242880", MULTIPART_THRESHOLD_BYTES="6000000")
        announced = self.begin(api, large)
        assert [part["size"] for part in announced["parts"]] == [5_242_880, len(large) - 5_242_880]
        path = f"/images/{announced['image_id']}"
        send_parts(stores, announced, large, left_out=(2,))
        missing = api.call("POST", f"{path}/complete")
        assert (missing.status_code, missing.json_body["error"]) == (
            409,
            "Parts are missing, or have another size than announced: 2.",
        )
        remaining = api.call("POST", f"{path}/parts").json_body
        assert ([part["part_number"] for part in remaining["parts"]], remaining["sent"]) == ([2], [1])
        send_parts(stores, remaining, large)
        for _ in range(2):
            assert api.call("POST", f"{path}/complete").status_code == 202
        upload_staged(api, f"alice/{announced['image_id']}")
        assert api.view(announced["image_id"])["state"] == "ready"
        assert list(stores.objects().values()) == [large]
        repeated = api.call("POST", f"{path}/complete")
        assert (repeated.status_code, repeated.json_body["state"]) == (202, "ready")
        assert api.call("POST", f"{path}/parts").status_code == 409

    def test_an_upload_without_any_part_cannot_be_completed(self, api: Api, stores: Stores, large: bytes) -> None:
        path = f"/images/{self.begin(api, large)['image_id']}"
        answer = api.call("POST", f"{path}/complete")
        assert (answer.status_code, answer.json_body) == (
            409,
            error("No part has been uploaded; PUT each part to its URL, then complete the upload."),
        )
        assert stores.objects("staged") == {}
        assert len(api.call("POST", f"{path}/parts").json_body["parts"]) == 1

    def test_after_its_completion_an_upload_has_no_open_parts_and_can_be_aborted(
        self, api: Api, stores: Stores, large: bytes
    ) -> None:
        announced = self.begin(api, large)
        send_parts(stores, announced, large)
        path = f"/images/{announced['image_id']}"
        assert api.call("POST", f"{path}/complete").status_code == 202
        answer = api.call("POST", f"{path}/parts")
        assert (answer.status_code, answer.json_body) == (
            409,
            error("This upload has no open parts: it was completed or aborted."),
        )
        assert api.call("POST", f"{path}/abort").status_code == 200
        for verb in ("parts", "complete", "abort"):
            assert api.call("POST", f"{path}/{verb}").status_code == 404
        assert stores.are_empty()

    def test_a_processed_upload_can_be_completed_again_but_not_aborted(
        self, api: Api, stores: Stores, large: bytes
    ) -> None:
        announced = self.begin(api, large)
        send_parts(stores, announced, large)
        path = f"/images/{announced['image_id']}"
        api.call("POST", f"{path}/complete")
        upload_staged(api, f"alice/{announced['image_id']}")
        assert [api.call("POST", f"{path}/{verb}").status_code for verb in ("complete", "parts", "abort")] == [
            202,
            409,
            409,
        ]
        assert api.listed() == [announced["image_id"]]

    def test_an_upload_that_is_rejected_while_it_is_completed_again_is_a_409(
        self, api: Api, stores: Stores, large: bytes, calls: Calls
    ) -> None:
        announced = self.begin(api, large)
        send_parts(stores, announced, bytes(len(large)))
        path = f"/images/{announced['image_id']}/complete"
        assert api.call("POST", path).status_code == 202
        calls.before("ListParts", lambda: upload_staged(api, f"alice/{announced['image_id']}"))
        answer = api.call("POST", path)
        assert (answer.status_code, answer.json_body["error"][:26]) == (409, "The image is rejected: The")

    def test_an_aborted_upload_leaves_nothing(self, api: Api, stores: Stores, large: bytes) -> None:
        announced = self.begin(api, large)
        send_parts(stores, announced, large)
        path = f"/images/{announced['image_id']}"
        assert api.call("POST", f"{path}/abort").status_code == 200
        assert stores.are_empty()
        assert api.call("POST", f"{path}/complete").status_code == 404

    def test_a_file_that_is_not_an_image_is_rejected(self, api: Api, stores: Stores, large: bytes) -> None:
        announced = self.begin(api, large)
        send_parts(stores, announced, bytes(len(large)))
        assert api.call("POST", f"/images/{announced['image_id']}/complete").status_code == 202
        upload_staged(api, f"alice/{announced['image_id']}")
        assert api.view(announced["image_id"])["state"] == "rejected"
        assert stores.objects("staged") == {}

    def test_a_changed_setting_does_not_change_the_parts_of_a_running_upload(
        self, api: Api, stores: Stores, large: bytes, configured: Callable[..., None]
    ) -> None:
        announced = self.begin(api, large)
        configured(PART_BYTES="5242880")
        send_parts(stores, announced, large)
        assert api.call("POST", f"/images/{announced['image_id']}/complete").status_code == 202

    def test_an_upload_can_be_completed_again_while_its_event_is_processed(
        self, api: Api, stores: Stores, large: bytes, calls: Calls
    ) -> None:
        announced = self.begin(api, large)
        send_parts(stores, announced, large)
        path = f"/images/{announced['image_id']}/complete"
        assert api.call("POST", path).status_code == 202
        calls.before("ListParts", lambda: upload_staged(api, f"alice/{announced['image_id']}"))
        repeated = api.call("POST", path)
        assert (repeated.status_code, repeated.json_body["state"]) == (202, "ready")

    def test_a_finished_upload_cannot_be_aborted(self, api: Api) -> None:
        image_id = api.upload()["image_id"]
        assert api.call("POST", f"/images/{image_id}/abort").status_code == 409
        assert api.listed() == [image_id]

    def test_an_upload_in_one_request_has_no_parts(self, api: Api, stores: Stores) -> None:
        announced = announce(api)
        for image_id in (announced["image_id"], api.upload()["image_id"]):
            for verb in ("parts", "complete"):
                answer = api.call("POST", f"/images/{image_id}/{verb}")
                assert (answer.status_code, answer.json_body["error"][:26]) == (409, "This upload has no parts: ")
        upload_staged(api, send(stores, announced))
        assert api.call("POST", f"/images/{announced['image_id']}/complete").status_code == 409

    def test_the_schedule_deletes_an_upload_that_was_aborted_in_s3(
        self, api: Api, stores: Stores, large: bytes, configured: Callable[..., None]
    ) -> None:
        announced = self.begin(api, large)
        upload = stores.s3.list_multipart_uploads(Bucket="images-staged")["Uploads"][0]
        stores.s3.abort_multipart_upload(Bucket="images-staged", Key=upload["Key"], UploadId=upload["UploadId"])
        path = f"/images/{announced['image_id']}"
        assert api.call("POST", f"{path}/complete").status_code == 409
        configured(ABANDONED_UPLOAD_SECONDS="0")
        sweep(api)
        assert stores.are_empty()


def test_only_the_owner_can_see_or_change_a_private_upload(api: Api, stores: Stores) -> None:
    image_id = announce(api, visibility="private")["image_id"]
    stranger = Api(api.client, {"X-User-Id": "mallory"})
    for verb in ("parts", "complete", "abort"):
        assert stranger.call("POST", f"/images/{image_id}/{verb}").status_code == 404
    assert stranger.get(f"/images/{image_id}").status_code == 404
    assert Api(api.client, {"X-User-Id": "alice"}).view(image_id)["state"] == "awaiting_upload"


def test_the_schedule_deletes_an_upload_without_a_file(
    api: Api, stores: Stores, configured: Callable[..., None]
) -> None:
    announce(api)
    sweep(api)
    assert len(stores.records()) == 1
    configured(ABANDONED_UPLOAD_SECONDS="0")
    sweep(api)
    assert stores.are_empty()


@pytest.mark.parametrize("setting", ["SWEEP_AFTER_SECONDS", "ABANDONED_UPLOAD_SECONDS"])
def test_the_schedule_finishes_an_upload_whose_event_was_lost(
    api: Api, stores: Stores, configured: Callable[..., None], setting: str
) -> None:
    send(stores, announced := announce(api))
    waiting = announce(api)
    sweep(api)
    assert api.listed() == []
    configured(**{setting: "0"})
    sweep(api)
    assert api.listed() == [announced["image_id"]]
    assert stores.objects("staged") == {}
    status = 200 if setting == "SWEEP_AFTER_SECONDS" else 404
    assert api.get(f"/images/{waiting['image_id']}").status_code == status


def test_the_schedule_finishes_an_upload_whose_event_failed_before_its_record_was_read(
    api: Api, stores: Stores, calls: Calls, configured: Callable[..., None]
) -> None:
    key = send(stores, announced := announce(api))
    with calls.fail("GetItem", StoreIsDown()):
        for _ in range(3):
            with pytest.raises(StoreIsDown):
                upload_staged(api, key)
    configured(SWEEP_AFTER_SECONDS="0")
    sweep(api)
    assert api.listed() == [announced["image_id"]]


def test_a_dry_run_of_the_schedule_names_only_uploads_that_it_would_change(
    api: Api, stores: Stores, configured: Callable[..., None]
) -> None:
    send(stores, arrived := announce(api))
    announce(api)
    configured(SWEEP_AFTER_SECONDS="0")
    answer = api.client.lambda_.invoke("sweep", {"dry_run": True}).payload
    assert answer == {"count": 1, "repaired": [{"image_id": arrived["image_id"], "state": "awaiting_upload"}]}
    assert api.listed() == []


def test_uploads_that_never_arrive_do_not_hide_one_that_did(
    api: Api, stores: Stores, configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "_MOST_IMAGES", 3)
    for _ in range(3):
        announce(api)
    send(stores, arrived := announce(api))
    configured(SWEEP_AFTER_SECONDS="0")
    sweep(api)
    assert api.listed() == [arrived["image_id"]]


def test_repeated_and_early_events_change_nothing(api: Api, stores: Stores) -> None:
    key = send(stores, announced := announce(api))
    object_created(api, key)  # the event of the copy, before the copy exists
    assert api.view(announced["image_id"])["state"] == "awaiting_upload"
    upload_staged(api, key)
    before = (stores.objects(), stores.objects("derived"), stores.records(), stores.rows())
    upload_staged(api, key)
    object_created(api, key)
    upload_staged(api, key)
    assert (stores.objects(), stores.objects("derived"), stores.records(), stores.rows()) == before


@pytest.mark.parametrize("before", ["GetObject", "PutObject", "CopyObject", "DeleteObject"])
def test_an_upload_aborted_or_deleted_during_processing_leaves_nothing(
    api: Api, stores: Stores, calls: Calls, before: str
) -> None:
    key = send(stores, announced := announce(api))
    path = f"/images/{announced['image_id']}"
    finished = before == "DeleteObject"  # the deletion of the staged file, the last call
    calls.before(before, lambda: api.call(*(("DELETE", path) if finished else ("POST", f"{path}/abort"))))
    upload_staged(api, key)
    assert stores.are_empty()


def test_an_upload_that_finishes_before_its_abort_is_kept(api: Api, stores: Stores, calls: Calls) -> None:
    key = send(stores, announced := announce(api))
    calls.before("TransactWriteItems", lambda: upload_staged(api, key))
    assert api.call("POST", f"/images/{announced['image_id']}/abort").status_code == 409
    assert api.listed() == [announced["image_id"]]
    assert list(stores.objects()) == [key]


OTHER = picture(seed=1)


@pytest.mark.parametrize("before", ["PutObject", "CopyObject", "TransactWriteItems"])
def test_two_files_sent_with_one_form_are_not_mixed(api: Api, stores: Stores, calls: Calls, before: str) -> None:
    announced = announce(api)
    assert len(OTHER) == len(PNG), "the form accepts one size"
    key = send(stores, announced)

    def send_another() -> None:
        upload_staged(api, send(stores, announced, OTHER))

    calls.before(before, send_another)
    upload_staged(api, key)
    upload_staged(api, key)
    view = api.view(announced["image_id"])
    if view["state"] == "ready":
        (content,) = stores.objects().values()
        assert view["metadata"]["checksum"] == hashlib.sha256(content).hexdigest()
    else:
        assert view["state"] == "rejected"
        assert [stores.objects(kind) for kind in ("originals", "derived")] == [{}, {}]
    assert stores.objects("staged") == {}


def test_a_failed_upload_is_processed_by_a_repeated_event_or_deleted_by_the_schedule(
    api: Api, stores: Stores, configured: Callable[..., None], variants_fail: Rule
) -> None:
    configured(FAILED_UPLOAD_SECONDS="0", SWEEP_AFTER_SECONDS="0")
    keys = [send(stores, announce(api)) for _ in range(2)]
    for key in keys * 3:
        with pytest.raises(StoreIsDown):
            upload_staged(api, key)
    assert [api.view(key.split("/")[1])["state"] for key in keys] == ["failed", "failed"]
    assert api.listed() == []
    variants_fail.end()
    upload_staged(api, keys[0])
    for _ in range(2):
        sweep(api)
    assert api.listed() == [keys[0].split("/")[1]]
    assert [list(stores.objects()), len(stores.records()), stores.objects("staged")] == [[keys[0]], 1, {}]


def test_a_staged_file_without_a_record_is_deleted(api: Api, stores: Stores) -> None:
    key = f"alice/{ids.new_id()}"
    stores.s3.put_object(Bucket="images-staged", Key=key, Body=PNG)
    upload_staged(api, key)
    assert stores.are_empty()


def test_killed_processing_lists_a_direct_upload_completely_or_not_at_all(
    api: Api, stores: Stores, calls: Calls, configured: Callable[..., None]
) -> None:
    configured(SWEEP_AFTER_SECONDS="0", ABANDONED_UPLOAD_SECONDS="0")
    kills = 0
    for key in calls.every_kill(lambda: send(stores, announce(api)), lambda key: upload_staged(api, key)):
        image_id = key.split("/")[1]
        listed = api.listed()
        assert api.listed("user_id=alice") == api.listed("tag=sea") == listed
        assert listed in ([], [image_id])
        upload_staged(api, key)
        catch_up(api, stores)
        assert api.view(image_id)["state"] == "ready"
        assert api.listed() == api.listed("user_id=alice") == api.listed("tag=sea") == [image_id]
        assert (list(stores.objects()), stores.objects("staged")) == ([key], {})
        assert list(stores.objects("derived")) == [f"{key}/40.jpg", f"{key}/40.webp"]
        assert api.get("/tags").json_body["tags"] == [{"tag": "sea", "count": 1}]
        assert api.call("DELETE", f"/images/{image_id}").status_code == 200
        sweep(api)
        assert stores.are_empty()
        kills += 1
    # Killed before: the read, the claim, the download, two variants, the copy, the transaction, the deletion
    # of the staged file; then not killed, and killed after the last.
    assert kills == 8 + 2


@pytest.mark.parametrize("event_repeated", [True, False])
def test_a_killed_rejection_is_finished_by_a_repeated_event_or_the_schedule(
    api: Api, stores: Stores, calls: Calls, configured: Callable[..., None], event_repeated: bool
) -> None:
    configured(SWEEP_AFTER_SECONDS="0")
    for key in calls.every_kill(
        lambda: send(stores, announce(api, size=5), b"hello"), lambda key: upload_staged(api, key)
    ):
        upload_staged(api, key) if event_repeated else sweep(api)
        catch_up(api, stores)
        assert api.view(key.split("/")[1])["state"] == "rejected"
        assert (stores.objects("staged"), stores.rows()) == ({}, [])
        configured(SWEEP_AFTER_SECONDS="0", ABANDONED_UPLOAD_SECONDS="0")
        sweep(api)
        assert stores.are_empty()
        configured(SWEEP_AFTER_SECONDS="0", ABANDONED_UPLOAD_SECONDS="86400")
