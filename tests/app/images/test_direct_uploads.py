"""Uploads that a client sends to S3 itself, with the service's form or in parts; here S3 takes whatever comes."""

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import ids
from tests.app.background import catch_up, object_created, sweep, upload_staged
from tests.app.calls import Calls, Rule, StoreIsDown
from tests.app.conftest import Api, Stores
from tests.app.uploads import ANNOUNCED, PNG, TRUNCATED, announce, send, send_parts
from tests.pictures import picture


def test_an_image_awaits_its_upload_in_no_list(api: Api) -> None:
    announced = announce(api)
    seen = api.view(announced["image_id"])
    assert (seen["state"], seen["metadata"]["title"]) == ("awaiting_upload", "Dunes")
    assert "presigned_url" not in seen
    assert api.listed() == api.listed("tag=sea") == api.listed("user_id=alice") == []
    for path in ("image/{}", "view/{}", "images/{}/download"):
        assert api.get("/" + path.format(announced["image_id"])).status_code == 404
    changed = api.call("PUT", f"/images/{announced['image_id']}", {"title": "Sea"})
    assert (changed.status_code, changed.json_body["error"][:40]) == (409, "The image is awaiting_upload; it can be ")


def test_its_form_takes_what_was_announced_and_nothing_else(api: Api) -> None:
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


def test_what_has_come_is_checked_and_shown_as_any_other_upload(api: Api, stores: Stores) -> None:
    key = send(stores, announced := announce(api))
    upload_staged(api, key)
    seen = api.view(announced["image_id"])
    assert (seen["state"], seen["metadata"]["checksum"]) == ("ready", hashlib.sha256(PNG).hexdigest())
    assert (seen["metadata"]["width"], seen["metadata"]["height"]) == (40, 30)
    assert api.get("/images?tag=sea").json_body["images"] == [seen["metadata"]]
    assert api.listed("user_id=alice") == api.listed(f"checksum={seen['metadata']['checksum']}") == api.listed()
    assert stores.objects() == {key: PNG}
    assert stores.objects("staged") == {}
    sweep(api)
    assert api.get("/tags").json_body["tags"] == [{"tag": "sea", "count": 1}]


@pytest.mark.parametrize(
    ("said", "content", "reason"),
    [
        ({}, PNG + b"x", f"The file has {len(PNG) + 1} bytes, but {len(PNG)} were announced."),
        ({"checksum": "0" * 64}, PNG, f"The file's SHA-256 is {hashlib.sha256(PNG).hexdigest()}, but {'0' * 64} was"),
        ({"content_type": "image/gif"}, PNG, "The file is image/png, but image/gif was announced."),
        ({"size": 5}, b"hello", "The file is not an image of an accepted type"),
        ({"content_type": "image/jpeg", "size": len(TRUNCATED)}, TRUNCATED, "The file is truncated"),
    ],
)
def test_what_is_not_as_announced_is_rejected_with_a_reason_and_gone(
    api: Api, stores: Stores, configured: Callable[..., None], said: dict[str, Any], content: bytes, reason: str
) -> None:
    key = send(stores, announced := announce(api, **said), content)
    upload_staged(api, key)
    seen = api.view(announced["image_id"])
    assert (seen["state"], seen["reason"][: len(reason)]) == ("rejected", reason)
    assert api.listed() == []
    assert [stores.objects(kind) for kind in ("originals", "staged", "derived")] == [{}, {}, {}]
    assert api.call("POST", f"/images/{announced['image_id']}/complete").status_code == 409
    upload_staged(api, send(stores, announced))  # once more, and right this time
    assert api.view(announced["image_id"]) == seen
    assert stores.objects("staged") == {}
    configured(ABANDONED_UPLOAD_SECONDS="0")
    sweep(api)
    assert stores.are_empty()


@pytest.mark.parametrize(
    ("said", "status", "sentence"),
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
def test_a_wrong_announcement_is_refused_and_keeps_nothing(
    api: Api, stores: Stores, said: dict[str, Any], status: int, sentence: str
) -> None:
    answer = api.call("POST", "/images/direct-upload", {**ANNOUNCED, "size": 5, **said})
    assert (answer.status_code, answer.json_body["error"][: len(sentence)]) == (status, sentence)
    assert stores.are_empty()


class TestParts:
    @pytest.fixture
    def large(self, configured: Callable[..., None]) -> bytes:
        configured(MULTIPART_THRESHOLD_BYTES="6000000")
        return picture("BMP", width=2_000, height=1_000)[:6_000_054]

    def begin(self, api: Api, large: bytes) -> dict[str, Any]:
        return announce(api, content_type="image/bmp", filename="dunes.bmp", size=len(large))

    def test_an_interrupted_upload_is_gone_on_with(
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
        rest = api.call("POST", f"{path}/parts").json_body
        assert ([part["part_number"] for part in rest["parts"]], rest["sent"]) == ([2], [1])
        send_parts(stores, rest, large)
        for _ in range(2):
            assert api.call("POST", f"{path}/complete").status_code == 202
        upload_staged(api, f"alice/{announced['image_id']}")
        assert api.view(announced["image_id"])["state"] == "ready"
        assert list(stores.objects().values()) == [large]
        again = api.call("POST", f"{path}/complete")
        assert (again.status_code, again.json_body["state"]) == (202, "ready")
        assert api.call("POST", f"{path}/parts").status_code == 409

    def test_an_upload_that_is_given_up_leaves_nothing(self, api: Api, stores: Stores, large: bytes) -> None:
        announced = self.begin(api, large)
        send_parts(stores, announced, large)
        path = f"/images/{announced['image_id']}"
        assert api.call("POST", f"{path}/abort").status_code == 200
        assert stores.are_empty()
        assert api.call("POST", f"{path}/complete").status_code == 404

    def test_what_is_no_image_is_rejected(self, api: Api, stores: Stores, large: bytes) -> None:
        announced = self.begin(api, large)
        send_parts(stores, announced, bytes(len(large)))
        assert api.call("POST", f"/images/{announced['image_id']}/complete").status_code == 202
        upload_staged(api, f"alice/{announced['image_id']}")
        assert api.view(announced["image_id"])["state"] == "rejected"
        assert stores.objects("staged") == {}

    def test_other_settings_do_not_change_the_parts_of_an_upload_under_way(
        self, api: Api, stores: Stores, large: bytes, configured: Callable[..., None]
    ) -> None:
        announced = self.begin(api, large)
        configured(PART_BYTES="5242880")
        send_parts(stores, announced, large)
        assert api.call("POST", f"/images/{announced['image_id']}/complete").status_code == 202

    def test_completing_it_twice_is_no_error_wherever_its_event_comes_between(
        self, api: Api, stores: Stores, large: bytes, calls: Calls
    ) -> None:
        announced = self.begin(api, large)
        send_parts(stores, announced, large)
        path = f"/images/{announced['image_id']}/complete"
        assert api.call("POST", path).status_code == 202
        calls.before("ListParts", lambda: upload_staged(api, f"alice/{announced['image_id']}"))
        again = api.call("POST", path)
        assert (again.status_code, again.json_body["state"]) == (202, "ready")

    def test_an_upload_that_was_finished_can_not_be_given_up(self, api: Api) -> None:
        image_id = api.upload()["image_id"]
        assert api.call("POST", f"/images/{image_id}/abort").status_code == 409
        assert api.listed() == [image_id]

    def test_an_upload_by_a_form_has_no_parts(self, api: Api) -> None:
        path = f"/images/{announce(api)['image_id']}"
        for verb in ("parts", "complete"):
            answer = api.call("POST", f"{path}/{verb}")
            assert (answer.status_code, answer.json_body["error"][:26]) == (409, "This upload has no parts: ")

    def test_what_has_expired_at_s3_is_given_up(
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


def test_a_stranger_does_nothing_to_an_upload(api: Api, stores: Stores) -> None:
    image_id = announce(api, visibility="private")["image_id"]
    stranger = Api(api.client, {"X-User-Id": "mallory"})
    for verb in ("parts", "complete", "abort"):
        assert stranger.call("POST", f"/images/{image_id}/{verb}").status_code == 404
    assert stranger.get(f"/images/{image_id}").status_code == 404
    assert Api(api.client, {"X-User-Id": "alice"}).view(image_id)["state"] == "awaiting_upload"


def test_an_upload_that_never_comes_is_given_up(api: Api, stores: Stores, configured: Callable[..., None]) -> None:
    announce(api)
    sweep(api)
    assert len(stores.records()) == 1
    configured(ABANDONED_UPLOAD_SECONDS="0")
    sweep(api)
    assert stores.are_empty()


def test_an_upload_whose_event_was_lost_is_finished_by_the_schedule(
    api: Api, stores: Stores, configured: Callable[..., None]
) -> None:
    send(stores, announced := announce(api))
    configured(ABANDONED_UPLOAD_SECONDS="0")
    sweep(api)
    assert api.listed() == [announced["image_id"]]
    assert stores.objects("staged") == {}


def test_events_that_come_twice_or_out_of_order_change_nothing(api: Api, stores: Stores) -> None:
    key = send(stores, announced := announce(api))
    object_created(api, key)  # that of the copy, which is not there yet
    assert api.view(announced["image_id"])["state"] == "awaiting_upload"
    upload_staged(api, key)
    before = (stores.objects(), stores.objects("derived"), stores.records(), stores.rows())
    upload_staged(api, key)
    object_created(api, key)
    upload_staged(api, key)
    assert (stores.objects(), stores.objects("derived"), stores.records(), stores.rows()) == before


@pytest.mark.parametrize("before", ["GetObject", "PutObject", "CopyObject", "DeleteObject"])
def test_an_upload_that_is_given_up_while_it_is_processed_leaves_nothing(
    api: Api, stores: Stores, calls: Calls, before: str
) -> None:
    key = send(stores, announced := announce(api))
    path = f"/images/{announced['image_id']}"
    finished = before == "DeleteObject"  # that of what is staged, which comes last
    calls.before(before, lambda: api.call(*(("DELETE", path) if finished else ("POST", f"{path}/abort"))))
    upload_staged(api, key)
    assert stores.are_empty()


def test_an_upload_that_is_finished_while_it_is_given_up_stays(api: Api, stores: Stores, calls: Calls) -> None:
    key = send(stores, announced := announce(api))
    calls.before("TransactWriteItems", lambda: upload_staged(api, key))
    assert api.call("POST", f"/images/{announced['image_id']}/abort").status_code == 409
    assert api.listed() == [announced["image_id"]]
    assert list(stores.objects()) == [key]


OTHER = picture(seed=1)


@pytest.mark.parametrize("before", ["PutObject", "CopyObject", "TransactWriteItems"])
def test_of_two_files_that_are_sent_by_one_form_none_gets_what_was_made_of_the_other(
    api: Api, stores: Stores, calls: Calls, before: str
) -> None:
    announced = announce(api)
    assert len(OTHER) == len(PNG), "the form takes one size"
    key = send(stores, announced)

    def send_another() -> None:
        upload_staged(api, send(stores, announced, OTHER))

    calls.before(before, send_another)
    upload_staged(api, key)
    upload_staged(api, key)
    seen = api.view(announced["image_id"])
    if seen["state"] == "ready":
        (content,) = stores.objects().values()
        assert seen["metadata"]["checksum"] == hashlib.sha256(content).hexdigest()
    else:
        assert seen["state"] == "rejected"
        assert [stores.objects(kind) for kind in ("originals", "derived")] == [{}, {}]
    assert stores.objects("staged") == {}


def test_an_upload_that_fails_is_processed_when_its_event_comes_again_or_forgotten_in_the_end(
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


def test_what_was_sent_for_no_record_is_removed(api: Api, stores: Stores) -> None:
    key = f"alice/{ids.new_id()}"
    stores.s3.put_object(Bucket="images-staged", Key=key, Body=PNG)
    upload_staged(api, key)
    assert stores.are_empty()


def test_a_direct_upload_is_whole_or_nothing_wherever_it_is_cut_short(
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
        assert list(stores.objects("derived")) == [f"{key}/40.webp"]
        assert api.get("/tags").json_body["tags"] == [{"tag": "sea", "count": 1}]
        assert api.call("DELETE", f"/images/{image_id}").status_code == 200
        sweep(api)
        assert stores.are_empty()
        kills += 1
    # The read, the claim, the download, a variant, the copy, the transaction, the removal; before, after, and whole.
    assert kills == 2 * (7 + 1)


@pytest.mark.parametrize("again", [True, False])
def test_a_rejection_is_whole_wherever_it_is_cut_short(
    api: Api, stores: Stores, calls: Calls, configured: Callable[..., None], again: bool
) -> None:
    configured(SWEEP_AFTER_SECONDS="0")
    for key in calls.every_kill(
        lambda: send(stores, announce(api, size=5), b"hello"), lambda key: upload_staged(api, key)
    ):
        upload_staged(api, key) if again else sweep(api)
        catch_up(api, stores)
        assert api.view(key.split("/")[1])["state"] == "rejected"
        assert (stores.objects("staged"), stores.rows()) == ({}, [])
        configured(SWEEP_AFTER_SECONDS="0", ABANDONED_UPLOAD_SECONDS="0")
        sweep(api)
        assert stores.are_empty()
        configured(SWEEP_AFTER_SECONDS="0", ABANDONED_UPLOAD_SECONDS="86400")
