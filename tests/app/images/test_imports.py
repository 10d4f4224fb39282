"""Imports: images of an export keep their ids, versions, times and bytes."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from chalice.test import HTTPResponse

from tests.app.background import catch_up, object_created, sweep, upload_staged
from tests.app.calls import Calls, Rule, StoreIsDown
from tests.app.conftest import Api, Stores
from tests.app.tokens import SECRET, authorization, token
from tests.app.uploads import BROKEN, PNG, send, send_parts
from tests.aws_calls import Call
from tests.errors import error
from tests.pictures import base64_picture, dated_picture, picture

Json = dict[str, Any]

FIELDS = (
    *("image_id", "version", "updated_at", "user_id", "title", "description", "tags", "filename", "visibility"),
    *("content_type", "size", "checksum"),
)
TAKEN = error(
    "The image_id is taken by an image with another owner or another checksum, or by one that is being deleted; "
    "after a deletion, import the image an hour later."
)
CHANGED_AT = "2015-03-01T12:00:00.000Z"


def old_id(number: int = 0) -> str:
    """Return an id of noon on 2015-01-01."""
    return f"014aa55d-de00-7000-8000-{number:012x}"


def exported(content: bytes = PNG, **fields: Any) -> Json:
    """Return the body of an import of alice's image of 2015."""
    checksum = hashlib.sha256(content).hexdigest()
    described = {"user_id": "alice", "title": "Dunes", "tags": ["sea"], "filename": "dunes.png"}
    file = {"content_type": "image/png", "size": len(content), "checksum": checksum}
    return {"image_id": old_id(), "version": 3, "updated_at": CHANGED_AT, **described, **file, **fields}


def begin(api: Api, body: Json) -> HTTPResponse:
    return api.call("POST", "/images/import", body)


def import_image(api: Api, stores: Stores, body: Json, content: bytes = PNG) -> Json:
    """Import an image and process it; return its view."""
    answer = begin(api, body)
    assert answer.status_code == 201, answer.body
    upload_staged(api, send(stores, answer.json_body, content))
    return Api(api.client, {"X-User-Id": body["user_id"]}).view(body["image_id"])


class TestAWholeAlbum:
    """Every list after an import is as it was before the images were deleted."""

    @pytest.fixture
    def alice(self, api: Api) -> Api:
        return Api(api.client, {"X-User-Id": "alice"})

    @pytest.fixture
    def album(self, alice: Api) -> None:
        """Upload public, private, dated, changed and damaged images."""
        dated = (
            base64.b64encode(dated_picture(taken)).decode() for taken in ("1999:12:31 23:00:00", "2031:01:01 0:0:0")
        )
        images = [
            alice.upload(image_data=next(dated), title="Fireworks", tags=["Night", "city"], filename="a.jpg"),
            alice.upload(image_data=base64_picture(1), description="“At noon”", visibility="private", tags=["Sea"]),
            alice.upload(image_data=BROKEN, title="Damaged", tags=["sea"]),
            alice.upload(image_data=base64_picture(2), title="Dunes"),
            alice.upload(image_data=next(dated), title="Dawn", visibility="private"),
        ]
        for image in images:
            object_created(alice, image["s3_key"])
        for changed, body in ((3, {"title": "Dunes by day"}), (0, {"tags": ["night", "sea"]}), (3, {"tags": ["sand"]})):
            assert alice.call("PUT", f"/images/{images[changed]['image_id']}", body).status_code == 200

    def seen(self, alice: Api) -> Json:
        """Return what the owner and others see of all images."""
        orders = [
            f"sort={sort}&order={order}"
            for sort in ("created_at", "updated_at", "taken_at")
            for order in ("asc", "desc")
        ]
        filters = ("", "tag=sea", "q=dunes", "user_id=alice", "user_id=alice&visibility=all", "user_id=alice&tag=sea")
        paths = [f"/images?{each}&{order}" for each in filters for order in orders]
        paths += [f"/tags?{owner}" for owner in ("", "user_id=alice")]
        answers = {path: alice.get(path).json_body for path in paths}
        images = answers["/images?user_id=alice&visibility=all&sort=created_at&order=asc"]["images"]
        return answers | {image["image_id"]: alice.view(image["image_id"])["state"] for image in images}

    @pytest.mark.usefixtures("album")
    def test_imported_images_are_the_exported_ones(
        self, alice: Api, stores: Stores, configured: Callable[..., None]
    ) -> None:
        configured(SWEEP_AFTER_SECONDS="0")  # so that the id of the damaged image is free at once
        sweep(alice)
        before, files = self.seen(alice), stores.objects()
        images = before["/images?user_id=alice&visibility=all&sort=created_at&order=asc"]["images"]
        assert [image["version"] for image in images] == [2, 1, 1, 3, 1]
        for image in images:
            assert alice.call("DELETE", f"/images/{image['image_id']}").status_code == 200
        sweep(alice)
        assert stores.are_empty()
        for n in (4, 0, 3, 1, 2):
            body = {name: images[n][name] for name in FIELDS}
            assert import_image(alice, stores, body, files[images[n]["s3_key"]])["metadata"] == images[n]
        sweep(alice)
        assert self.seen(alice) == before
        assert stores.objects() == files
        assert stores.objects("staged") == {}


def test_an_import_is_listed_with_the_given_version_and_times(api: Api, stores: Stores) -> None:
    begun = begin(api, exported()).json_body
    assert begun["state"] == "awaiting_upload"
    assert begun["metadata"]["created_at"] == "2015-01-01T12:00:00.000Z"
    assert begun["metadata"]["updated_at"] > "2026"
    assert api.listed() == []
    upload_staged(api, send(stores, begun))
    view = api.view(old_id())
    assert view["state"] == "ready"
    assert {name: view["metadata"][name] for name in FIELDS} == {
        **exported(),
        "description": "",
        "visibility": "public",
    }
    assert api.get("/images?sort=updated_at").json_body["images"] == [view["metadata"]]
    assert not [name for record in stores.records() for name in record if "import" in name]
    changed = Api(api.client, {"If-Match": '"3"'}).call("PUT", f"/images/{old_id()}", {"title": "Sea"}).json_body
    assert (changed["metadata"]["version"], changed["metadata"]["created_at"]) == (4, "2015-01-01T12:00:00.000Z")
    assert changed["metadata"]["updated_at"] > "2026"


def test_the_first_version_was_last_changed_when_it_was_created(api: Api, stores: Stores) -> None:
    body = exported(version=1)
    del body["updated_at"]
    metadata = import_image(api, stores, body)["metadata"]
    assert (metadata["version"], metadata["updated_at"]) == (1, metadata["created_at"])


class TestTheImageExists:
    """An import is repeated, or its id is taken."""

    def test_while_it_awaits_its_file_the_answer_is_a_form(self, api: Api, stores: Stores) -> None:
        first = begin(api, exported())
        again = begin(api, exported())
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json_body.keys() == first.json_body.keys() >= {"url", "fields", "expires_in"}
        assert again.json_body["metadata"] == first.json_body["metadata"]
        assert again.json_body["fields"]["key"] == first.json_body["fields"]["key"]
        upload_staged(api, send(stores, again.json_body))
        assert api.listed() == [old_id()]

    def test_parts_that_s3_has_are_not_sent_again(
        self, api: Api, stores: Stores, configured: Callable[..., None]
    ) -> None:
        configured(PART_BYTES="5242880", MULTIPART_THRESHOLD_BYTES="6000000")
        large = picture("BMP", width=2_000, height=1_000)[:6_000_054]
        body = exported(large, content_type="image/bmp")
        first = begin(api, body)
        send_parts(stores, first.json_body, large, left_out=(2,))
        again = begin(api, body)
        assert (first.status_code, again.status_code) == (201, 200)
        assert ([part["part_number"] for part in again.json_body["parts"]], again.json_body["sent"]) == ([2], [1])
        send_parts(stores, again.json_body, large)
        assert begin(api, body).json_body["parts"] == []
        assert api.call("POST", f"/images/{old_id()}/complete").status_code == 202
        completed = begin(api, body)
        assert (completed.status_code, completed.json_body["state"]) == (200, "awaiting_upload")
        assert not {"url", "fields", "parts", "sent", "expires_in"} & completed.json_body.keys()
        upload_staged(api, f"alice/{old_id()}")
        assert (api.view(old_id())["state"], api.view(old_id())["metadata"]["updated_at"]) == ("ready", CHANGED_AT)
        assert len(stores.s3.list_multipart_uploads(Bucket="images-staged").get("Uploads", [])) == 0

    def test_a_finished_import_is_answered_with_the_image(self, api: Api, stores: Stores) -> None:
        metadata = import_image(api, stores, exported())["metadata"]
        before = (stores.objects(), stores.records(), stores.rows())
        again = begin(api, exported())
        assert (again.status_code, again.json_body) == (
            200,
            {"image_id": old_id(), "state": "ready", "metadata": metadata},
        )
        assert (stores.objects(), stores.records(), stores.rows()) == before

    def test_a_damaged_image_is_answered_with_the_reason(self, api: Api, stores: Stores) -> None:
        damaged = base64.b64decode(BROKEN)
        view = import_image(api, stores, exported(damaged), damaged)
        assert (view["state"], view["metadata"]["updated_at"]) == ("failed", CHANGED_AT)
        again = begin(api, exported(damaged))
        assert (again.status_code, again.json_body["reason"]) == (
            200,
            "The picture can't be decoded: its data is broken.",
        )
        assert "fields" not in again.json_body

    def test_an_import_whose_processing_failed_is_answered_with_the_reason(
        self, api: Api, stores: Stores, variants_fail: Rule
    ) -> None:
        key = send(stores, begin(api, exported()).json_body)
        for _ in range(3):
            with pytest.raises(StoreIsDown):
                upload_staged(api, key)
        again = begin(api, exported())
        assert (again.status_code, again.json_body["state"]) == (200, "failed")
        assert "fields" not in again.json_body
        variants_fail.end()
        upload_staged(api, key)
        assert api.view(old_id())["metadata"]["updated_at"] == CHANGED_AT

    def test_after_a_rejection_the_id_is_free_once_the_upload_is_cancelled_and_removed(
        self, api: Api, stores: Stores, configured: Callable[..., None]
    ) -> None:
        body = exported(b"hello")
        upload_staged(api, send(stores, begin(api, body).json_body, b"hello"))
        answer = begin(api, body)
        reason = "The image is rejected: The file is not an image of an accepted type"
        assert (answer.status_code, answer.json_body["error"][: len(reason)]) == (409, reason)
        assert api.call("POST", f"/images/{old_id()}/abort").status_code == 200
        sweep(api)
        assert (begin(api, body).status_code, begin(api, body).json_body) == (409, TAKEN)
        configured(SWEEP_AFTER_SECONDS="0")
        sweep(api)
        assert begin(api, body).status_code == 201

    @pytest.mark.parametrize("state", ["awaiting_upload", "ready", "rejected"])
    @pytest.mark.parametrize("other", [{"checksum": "0" * 64}, {"user_id": "bob"}])
    def test_the_id_of_another_image_is_a_conflict(self, api: Api, stores: Stores, state: str, other: Json) -> None:
        content = b"hello" if state == "rejected" else PNG
        body = exported(content)
        begun = begin(api, body).json_body
        if state != "awaiting_upload":
            upload_staged(api, send(stores, begun, content))
        assert api.view(old_id())["state"] == state
        before = stores.records()
        answer = begin(api, {**body, **other})
        assert (answer.status_code, answer.json_body) == (409, TAKEN)
        assert stores.records() == before

    @pytest.mark.parametrize("calls_of_the_deletion", [2, 6])
    def test_an_image_in_deletion_is_not_brought_back(
        self, api: Api, stores: Stores, calls: Calls, calls_of_the_deletion: int
    ) -> None:
        image = api.upload()
        with calls.killed(calls_of_the_deletion - 1, before=False):
            api.call("DELETE", f"/images/{image['image_id']}")
        assert [record["state"]["S"] for record in stores.records()] == [
            "deleting" if calls_of_the_deletion == 2 else "deleted"
        ]
        answer = begin(api, {name: image[name] for name in FIELDS})
        assert (answer.status_code, answer.json_body) == (409, TAKEN)
        sweep(api)
        assert api.listed() == []


class TestTwoAtATime:
    """Two requests for one id, or one whose answer is lost."""

    @pytest.mark.parametrize("large", [False, True])
    def test_two_imports_of_an_image_write_one_record(
        self, api: Api, stores: Stores, calls: Calls, configured: Callable[..., None], large: bool
    ) -> None:
        body = exported()
        if large:
            configured(MULTIPART_THRESHOLD_BYTES=str(len(PNG) - 1))
        first: list[HTTPResponse] = []
        calls.before("TransactWriteItems", lambda: first.append(begin(api, body)))
        second = begin(api, body)
        assert [first[0].status_code, second.status_code] == [201, 200]
        assert len(stores.records()) == 1
        if large:
            send_parts(stores, second.json_body, PNG)
            assert api.call("POST", f"/images/{old_id()}/complete").status_code == 202
            upload_staged(api, f"alice/{old_id()}")
        else:
            upload_staged(api, send(stores, second.json_body))
        assert api.view(old_id())["state"] == "ready"

    @pytest.mark.parametrize("other", [{"checksum": "0" * 64}, {"user_id": "bob"}])
    def test_an_import_that_is_second_is_a_conflict(self, api: Api, stores: Stores, calls: Calls, other: Json) -> None:
        calls.before("TransactWriteItems", lambda: begin(api, exported(**other)))
        answer = begin(api, exported())
        assert (answer.status_code, answer.json_body) == (409, TAKEN)
        assert len(stores.records()) == 1

    @pytest.mark.usefixtures("no_pauses")
    def test_an_import_whose_answer_is_lost_is_begun_once(self, api: Api, stores: Stores, calls: Calls) -> None:
        def twice(call: Call) -> Any:
            call.send()
            return call.send()

        with calls.on("TransactWriteItems", twice):
            answer = begin(api, exported())
        assert (answer.status_code, answer.json_body["state"]) == (200, "awaiting_upload")
        upload_staged(api, send(stores, answer.json_body))
        assert api.listed() == [old_id()]


class TestKilled:
    """The service is killed at each of its calls."""

    @pytest.fixture
    def bodies(self) -> Iterator[Json]:
        return (exported(image_id=old_id(n)) for n in count())

    def test_a_killed_import_can_be_repeated(
        self, api: Api, stores: Stores, calls: Calls, configured: Callable[..., None], bodies: Iterator[Json]
    ) -> None:
        configured(SWEEP_AFTER_SECONDS="0")
        written: list[int] = []
        for body in calls.every_kill(lambda: next(bodies), lambda body: begin(api, body)):
            written.append(len(stores.records()))
            catch_up(api, stores)
            upload_staged(api, send(stores, begin(api, body).json_body))
            assert api.listed() == api.listed("tag=sea") == [body["image_id"]]
            assert api.view(body["image_id"])["metadata"]["updated_at"] == CHANGED_AT
            api.call("DELETE", f"/images/{body['image_id']}")
            assert stores.are_empty()
        # Killed before the read, before the transaction, not at all, after the transaction.
        assert written == [0, 0, 1, 1]

    def test_a_killed_import_in_parts_can_be_repeated(
        self, api: Api, stores: Stores, calls: Calls, configured: Callable[..., None], bodies: Iterator[Json]
    ) -> None:
        configured(MULTIPART_THRESHOLD_BYTES=str(len(PNG) - 1), SWEEP_AFTER_SECONDS="0")
        for body in calls.every_kill(lambda: next(bodies), lambda body: begin(api, body)):
            send_parts(stores, begin(api, body).json_body, PNG)
            assert api.call("POST", f"/images/{body['image_id']}/complete").status_code == 202
            upload_staged(api, f"alice/{body['image_id']}")
            assert api.listed() == [body["image_id"]]
            api.call("DELETE", f"/images/{body['image_id']}")

    def test_killed_processing_lists_an_import_with_its_own_time_or_not_at_all(
        self, api: Api, stores: Stores, calls: Calls, configured: Callable[..., None], bodies: Iterator[Json]
    ) -> None:
        configured(SWEEP_AFTER_SECONDS="0")
        for key in calls.every_kill(
            lambda: send(stores, begin(api, next(bodies)).json_body), lambda key: upload_staged(api, key)
        ):
            image_id = key.split("/")[1]
            for _ in range(2):
                listed = api.get("/images?sort=updated_at").json_body["images"]
                assert [(image["image_id"], image["updated_at"], image["version"]) for image in listed] in (
                    [],
                    [(image_id, CHANGED_AT, 3)],
                )
                catch_up(api, stores)
            assert api.listed() == [image_id]
            api.call("DELETE", f"/images/{image_id}")
            sweep(api)


class TestTheSchedule:
    """The age of an unfinished import is the time since it began, not the age of the image."""

    def test_the_import_of_an_old_image_is_not_deleted_at_once(
        self, api: Api, stores: Stores, configured: Callable[..., None]
    ) -> None:
        begin(api, exported())
        sweep(api)
        assert api.view(old_id())["state"] == "awaiting_upload"
        configured(ABANDONED_UPLOAD_SECONDS="0")
        sweep(api)
        assert stores.are_empty()

    def test_a_rejected_import_of_an_old_image_is_not_deleted_at_once(
        self, api: Api, stores: Stores, configured: Callable[..., None]
    ) -> None:
        body = exported(b"hello")
        upload_staged(api, send(stores, begin(api, body).json_body, b"hello"))
        sweep(api)
        assert api.view(old_id())["state"] == "rejected"
        configured(ABANDONED_UPLOAD_SECONDS="0")
        sweep(api)
        assert stores.are_empty()

    def test_a_failed_import_of_an_old_image_is_not_deleted_at_once(
        self, api: Api, stores: Stores, configured: Callable[..., None], variants_fail: Rule
    ) -> None:
        key = send(stores, begin(api, exported()).json_body)
        for _ in range(3):
            with pytest.raises(StoreIsDown):
                upload_staged(api, key)
        sweep(api)
        assert api.view(old_id())["state"] == "failed"
        configured(FAILED_UPLOAD_SECONDS="0")
        sweep(api)
        assert api.get(f"/images/{old_id()}").status_code == 404

    def test_an_import_whose_event_was_lost_is_finished(
        self, api: Api, stores: Stores, configured: Callable[..., None]
    ) -> None:
        send(stores, begin(api, exported()).json_body)
        sweep(api)
        assert api.listed() == []
        configured(SWEEP_AFTER_SECONDS="0")
        sweep(api)
        assert api.view(old_id())["metadata"]["updated_at"] == CHANGED_AT


class TestWhoMayImport:
    """The setting IMPORTS, and owners."""

    CLOSED = error("This service accepts no imports; its operator can set IMPORTS=owners for the time of a move.")

    def as_user(self, api: Api, user: str) -> Api:
        return Api(api.client, authorization(token(user)))

    def test_with_tokens_nobody_may_by_default(self, api: Api, stores: Stores, configured: Callable[..., None]) -> None:
        configured(AUTH="jwt", JWT_SECRET=SECRET)
        answer = begin(self.as_user(api, "alice"), exported())
        assert (answer.status_code, answer.json_body) == (403, self.CLOSED)
        assert stores.are_empty()

    def test_owners_may_import_their_own_images(
        self, api: Api, stores: Stores, configured: Callable[..., None]
    ) -> None:
        configured(AUTH="jwt", JWT_SECRET=SECRET, IMPORTS="owners")
        refused = begin(self.as_user(api, "bob"), exported())
        assert (refused.status_code, refused.json_body) == (403, error("The token belongs to another user_id."))
        assert begin(api, exported()).status_code == 401
        assert stores.are_empty()
        body = exported()
        del body["user_id"]
        answer = begin(self.as_user(api, "alice"), body)
        assert (answer.status_code, answer.json_body["metadata"]["user_id"]) == (201, "alice")

    def test_a_service_without_tokens_can_refuse_imports_too(
        self, api: Api, stores: Stores, configured: Callable[..., None]
    ) -> None:
        configured(IMPORTS="nobody")
        answer = begin(api, exported())
        assert (answer.status_code, answer.json_body) == (403, self.CLOSED)
        assert stores.are_empty()


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"image_id": "x"}, 400, "image_id must be a UUIDv7 in lower case"),
        ({"version": 0}, 400, "version must be a whole number"),
        ({"updated_at": "2014-12-31"}, 400, "updated_at must not be before 2015-01-01T12:00:00.000Z"),
        ({"checksum": ""}, 400, "checksum is missing"),
        ({"user_id": "${filename}"}, 400, "user_id must not have ${filename}"),
        ({"size": 100_000_001}, 413, "The image has more than 100000000 bytes"),
    ],
)
def test_an_invalid_import_is_refused_and_stores_nothing(
    api: Api, stores: Stores, fields: Json, status: int, sentence: str
) -> None:
    answer = begin(api, exported(**fields))
    assert (answer.status_code, answer.json_body["error"][: len(sentence)]) == (status, sentence)
    assert stores.are_empty()


def test_an_image_that_was_deleted_can_be_imported(api: Api, stores: Stores) -> None:
    image = api.upload()
    object_created(api, image["s3_key"])
    assert api.call("DELETE", f"/images/{image['image_id']}").status_code == 200
    body = {name: image[name] for name in FIELDS}
    assert import_image(api, stores, body, picture())["metadata"] == image


def test_other_bytes_than_those_of_the_export_are_rejected(api: Api, stores: Stores) -> None:
    other = picture(seed=1)
    view = import_image(api, stores, exported(size=len(other)), other)
    assert (view["state"], view["reason"][:22]) == ("rejected", "The file's SHA-256 is ")
    assert stores.objects() == {}
