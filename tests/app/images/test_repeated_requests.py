"""Requests that are sent again because their answer was lost: by the AWS client, or by the client of the service."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib.config import settings
from tests.app.background import object_created
from tests.app.calls import Calls
from tests.app.conftest import Api, Stores
from tests.app.tokens import SECRET, authorization, token
from tests.app.uploads import announce
from tests.aws_calls import Call
from tests.errors import error
from tests.pictures import base64_picture

BODY = {"user_id": "alice", "image_data": base64_picture(), "title": "T"}
UNKNOWN = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def send(api: Api, method: str, path: str, body: object = None, **headers: str) -> HTTPResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Api(api.client, {**api.headers, **names}).call(method, path, body)


def keys(stores: Stores) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = stores.dynamodb.scan(TableName=settings().idempotency_keys_table_name)["Items"]
    return items


class TestByTheAwsClient:
    """DynamoDB makes a transaction, its answer is lost, and the repetition finds its conditions broken."""

    @pytest.fixture
    def sent_twice(self, calls: Calls) -> None:
        def twice(call: Call) -> Any:
            call.send()
            return call.send()

        calls.on("TransactWriteItems", twice)

    @pytest.mark.usefixtures("sent_twice")
    def test_an_upload_is_stored_once(self, api: Api, stores: Stores) -> None:
        for headers in ({}, {"Idempotency_Key": "k"}):
            answer = send(api, "POST", "/images", BODY, **headers)
            assert answer.status_code == 201
            assert api.view(answer.json_body["image_id"])["metadata"] == answer.json_body["metadata"]
        assert len(stores.records()) == len(stores.objects()) == 2

    @pytest.mark.usefixtures("sent_twice")
    def test_a_direct_upload_is_announced_once(self, api: Api, stores: Stores) -> None:
        assert api.view(announce(api)["image_id"])["state"] == "awaiting_upload"
        assert len(stores.records()) == 1

    @pytest.mark.usefixtures("no_pauses")
    @pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k"}])
    def test_an_update_with_if_match_is_made_once(
        self, api: Api, request: pytest.FixtureRequest, headers: dict[str, str]
    ) -> None:
        path = f"/images/{api.upload(tags=['sea'])['image_id']}"
        request.getfixturevalue("sent_twice")
        answer = send(api, "PUT", path, {"title": "T", "tags": ["sky"]}, If_Match='"1"', **headers)
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
        assert answer.json_body["metadata"] == api.get(path).json_body["metadata"]
        assert (api.listed("tag=sea"), len(api.listed("tag=sky"))) == ([], 1)

    def test_an_update_that_was_processed_meanwhile_is_made_once(self, api: Api, calls: Calls) -> None:
        image = api.upload()

        def lost(call: Call) -> Any:
            call.send()
            rule.end()
            object_created(api, image["s3_key"])
            return call.send()

        rule = calls.on("TransactWriteItems", lost)
        answer = send(api, "PUT", f"/images/{image['image_id']}", {"title": "T"}, If_Match='"1"')
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2-ready"')
        assert api.view(image["image_id"])["state"] == "ready"

    @pytest.mark.parametrize("body", [{"title": "T"}, {"title": "other"}])
    def test_an_update_of_another_client_is_not_taken_for_the_own(self, api: Api, calls: Calls, body: object) -> None:
        path = f"/images/{api.upload()['image_id']}"
        calls.before("TransactWriteItems", lambda: send(api, "PUT", path, body))
        assert send(api, "PUT", path, {"title": "T"}, If_Match='"1"').status_code == 412

    @pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k"}])
    def test_a_deletion_with_if_match_is_made_once(
        self, api: Api, stores: Stores, request: pytest.FixtureRequest, headers: dict[str, str]
    ) -> None:
        path = f"/images/{api.upload()['image_id']}"
        request.getfixturevalue("sent_twice")
        assert send(api, "DELETE", path, If_Match='"1"', **headers).status_code == 200
        assert stores.are_empty()

    def test_an_abort_is_made_once(self, api: Api, stores: Stores, request: pytest.FixtureRequest) -> None:
        path = f"/images/{announce(api)['image_id']}"
        request.getfixturevalue("sent_twice")
        assert send(api, "POST", f"{path}/abort").status_code == 200
        assert stores.are_empty()


class TestUpdates:
    """An update with an Idempotency-Key."""

    def test_a_repeated_update_answers_as_the_first_did(self, api: Api, stores: Stores, calls: Calls) -> None:
        path = f"/images/{api.upload(title='old', description='D', tags=['sea'])['image_id']}"

        def update() -> HTTPResponse:
            return send(api, "PUT", path, {"title": "new"}, If_Match='"1"', Idempotency_Key="k")

        first = update()
        assert (first.status_code, first.headers["ETag"]) == (200, '"2"')
        with calls.recorded() as made:
            repeated = update()
        assert made == ["GetItem", "GetItem"]
        assert (repeated.status_code, repeated.headers["ETag"]) == (200, '"2"')
        assert repeated.json_body == first.json_body
        send(api, "PUT", path, {"title": "newer", "description": ""})
        before = (stores.records(), stores.rows())
        assert update().json_body == first.json_body
        assert (stores.records(), stores.rows()) == before

    def test_an_update_costs_one_read_and_one_write_more_with_a_key_and_nothing_more_without(
        self, api: Api, calls: Calls
    ) -> None:
        path = f"/images/{api.upload(description='none')['image_id']}"
        send(api, "PUT", path, {"title": "T"})
        writes: list[int] = []

        def count_writes(call: Call) -> Any:
            writes.append(len(call.params["TransactItems"]))
            return call.send()

        calls.on("TransactWriteItems", count_writes)
        made: list[list[str]] = []
        for headers in ({}, {"Idempotency_Key": "k"}):
            with calls.recorded() as recorded:
                send(api, "PUT", path, {"description": f"{len(headers)}"}, **headers)
            made.append(recorded)
        assert made == [["GetItem", "TransactWriteItems"], ["GetItem", "GetItem", "TransactWriteItems"]]
        assert writes[1] == writes[0] + 1

    @pytest.mark.parametrize(("method", "body"), [("PUT", {"title": "other"}), ("DELETE", None)])
    def test_a_key_is_valid_for_one_change(self, api: Api, method: str, body: object) -> None:
        path = f"/images/{api.upload()['image_id']}"
        send(api, "PUT", path, {"title": "T"}, Idempotency_Key="k")
        answer = send(api, method, path, body, Idempotency_Key="k")
        assert (answer.status_code, answer.json_body) == (
            409,
            error("This Idempotency-Key was used for another change."),
        )
        assert api.get(path).json_body["metadata"]["title"] == "T"

    def test_a_key_belongs_to_one_image(self, api: Api) -> None:
        ids = [api.upload()["image_id"] for _ in range(2)]
        for image_id in ids:
            assert send(api, "PUT", f"/images/{image_id}", {"title": "T"}, Idempotency_Key="k").status_code == 200
        assert [api.view(image_id)["metadata"]["version"] for image_id in ids] == [2, 2]

    def test_a_refused_update_does_not_use_its_key(self, api: Api, stores: Stores) -> None:
        path = f"/images/{api.upload()['image_id']}"
        assert send(api, "PUT", path, {"title": "T"}, If_Match='"7"', Idempotency_Key="k").status_code == 412
        assert send(api, "PUT", path, {"title": "T"}, Idempotency_Key="x" * 256).status_code == 400
        assert keys(stores) == []
        assert send(api, "PUT", path, {"title": "T"}, If_Match='"1"', Idempotency_Key="k").status_code == 200

    def test_two_equal_concurrent_updates_with_one_key_are_made_once(self, api: Api, calls: Calls) -> None:
        path = f"/images/{api.upload()['image_id']}"
        answers: list[HTTPResponse] = []

        def update() -> None:
            answers.append(send(api, "PUT", path, {"title": "T"}, If_Match='"1"', Idempotency_Key="k"))

        calls.before("TransactWriteItems", update)
        update()
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json_body == answers[1].json_body

    def test_a_repeated_update_of_a_deleted_image_is_a_404(self, api: Api, calls: Calls) -> None:
        path = f"/images/{api.upload()['image_id']}"
        send(api, "PUT", path, {"title": "T"}, Idempotency_Key="k")
        with calls.killed(1, before=False):
            api.call("DELETE", path)
        assert send(api, "PUT", path, {"title": "T"}, Idempotency_Key="k").status_code == 404
        api.call("DELETE", path)
        assert send(api, "PUT", path, {"title": "T"}, Idempotency_Key="k").status_code == 404

    def test_an_update_of_everything_is_too_large_for_a_key(self, api: Api, stores: Stores) -> None:
        def all_of(word: str) -> dict[str, Any]:
            text = " ".join(f"{word}{n}" for n in range(40))
            return {"tags": [f"{word} {n}" for n in range(30)], "title": text, "description": text}

        image = api.upload(**all_of("old"))
        object_created(api, image["s3_key"])
        path = f"/images/{image['image_id']}"
        before = (stores.records(), stores.rows(), keys(stores))
        update = {**all_of("new"), "visibility": "private"}
        answer = send(api, "PUT", path, update, Idempotency_Key="k", X_User_Id="alice")
        assert (answer.status_code, answer.json_body["error"][:56]) == (
            400,
            "This update replaces too many tags and words for an Idem",
        )
        assert (stores.records(), stores.rows(), keys(stores)) == before
        assert send(api, "PUT", path, update, X_User_Id="alice").status_code == 200

    def test_a_killed_update_can_be_repeated(self, api: Api, stores: Stores, calls: Calls) -> None:
        def update(image_id: str) -> HTTPResponse:
            return send(api, "PUT", f"/images/{image_id}", {"title": "T"}, If_Match='"1"', Idempotency_Key="k")

        kills = 0
        for image_id in calls.every_kill(lambda: str(api.upload()["image_id"]), update):
            answer = update(image_id)
            assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
            assert api.view(image_id)["metadata"] == answer.json_body["metadata"]
            kills += 1
        assert kills == 3 + 2


class TestDeletions:
    """A deletion with an Idempotency-Key."""

    @pytest.mark.parametrize("path", ["/images/{}", "/image/{}", "/delete/{}"])
    def test_a_repeated_deletion_answers_as_the_first_did(
        self, api: Api, stores: Stores, calls: Calls, path: str
    ) -> None:
        path = path.format(api.upload(filename="dunes.PNG", title="secret")["image_id"])

        def delete() -> HTTPResponse:
            return send(api, "DELETE", path, If_Match='"1"', Idempotency_Key="k")

        first = delete()
        assert first.status_code == 200
        assert stores.are_empty()
        for _ in range(2):
            with calls.recorded() as made:
                repeated = delete()
            assert (repeated.status_code, repeated.json_body) == (200, first.json_body)
            assert made == ["GetItem", "GetItem"]
            for record in stores.records():
                stores.dynamodb.delete_item(TableName="images", Key={"image_id": record["image_id"]})
        assert send(api, "DELETE", path).status_code == 404
        assert send(api, "DELETE", path, Idempotency_Key="other").status_code == 404
        assert "secret" not in str(keys(stores))

    def test_a_deletion_can_be_repeated_by_the_function_too(self, api: Api, stores: Stores) -> None:
        event = {
            "pathParameters": {"image_id": api.upload()["image_id"]},
            "headers": {"Idempotency-Key": "k", "If-Match": '"1"'},
        }
        answers = [api.client.lambda_.invoke("delete_images", event).payload for _ in range(2)]
        assert [answer["statusCode"] for answer in answers] == [200, 200]
        assert answers[0]["body"] == answers[1]["body"]
        assert stores.are_empty()

    def test_the_key_of_an_update_cannot_delete(self, api: Api) -> None:
        path = f"/images/{api.upload()['image_id']}"
        send(api, "PUT", path, {"title": "T"}, Idempotency_Key="k")
        api.call("DELETE", path)
        assert send(api, "DELETE", path, Idempotency_Key="k").status_code == 409

    def test_a_killed_deletion_can_be_repeated(self, api: Api, stores: Stores, calls: Calls) -> None:
        def delete(image_id: str) -> HTTPResponse:
            return send(api, "DELETE", f"/images/{image_id}", If_Match='"1"', Idempotency_Key="k")

        for image_id in calls.every_kill(lambda: str(api.upload()["image_id"]), delete):
            assert delete(image_id).status_code == 200
            assert delete(image_id).status_code == 200
            assert stores.are_empty()

    def test_a_deletion_that_was_begun_without_a_key_can_be_repeated_with_one(
        self, api: Api, stores: Stores, calls: Calls
    ) -> None:
        path = f"/images/{api.upload()['image_id']}"
        with calls.killed(1, before=False):
            api.call("DELETE", path)
        for _ in range(2):
            assert send(api, "DELETE", path, Idempotency_Key="k").status_code == 200
            assert stores.are_empty()

    @pytest.mark.parametrize("visibility", ["public", "private"])
    def test_others_cannot_find_out_about_a_deletion(
        self, api: Api, calls: Calls, configured: Callable[..., None], visibility: str
    ) -> None:
        image_id = api.upload(visibility=visibility)["image_id"]
        owner = {"X_User_Id": "alice"}
        send(api, "DELETE", f"/images/{image_id}", Idempotency_Key="k", **owner)
        strangers: list[dict[str, str]] = [{}, {"X_User_Id": "bob"}] if visibility == "private" else []
        for tokens in (False, True):
            if tokens:
                configured(AUTH="jwt", JWT_SECRET=SECRET)
                strangers, owner = [authorization(token("bob")), {}], authorization(token("alice"))
            for stranger in strangers:
                made: list[list[str]] = []
                for hidden_id in (image_id, UNKNOWN):
                    with calls.recorded() as recorded:
                        answer = send(api, "DELETE", f"/images/{hidden_id}", Idempotency_Key="k", **stranger)
                    assert (answer.status_code, answer.json_body) == (
                        404,
                        error(f"The image {hidden_id!r} was not found."),
                    )
                    made.append(recorded)
                assert made[0] == made[1]
            assert send(api, "DELETE", f"/images/{image_id}", Idempotency_Key="k", **owner).status_code == 200


class TestUploads:
    """An upload whose image was deleted, with its Idempotency-Key."""

    def upload(self, api: Api) -> HTTPResponse:
        return send(api, "POST", "/images", BODY, Idempotency_Key="k")

    @pytest.mark.parametrize("state", ["deleting", "deleted", "removed"])
    def test_a_repeated_upload_of_a_deleted_image_is_gone(
        self, api: Api, stores: Stores, calls: Calls, state: str
    ) -> None:
        image_id = self.upload(api).json_body["image_id"]
        if state == "deleting":
            with calls.killed(1, before=False):
                api.call("DELETE", f"/images/{image_id}")
        else:
            api.call("DELETE", f"/images/{image_id}")
        if state == "removed":
            stores.dynamodb.delete_item(TableName="images", Key={"image_id": {"S": image_id}})
        before = (stores.records(), stores.objects(), keys(stores))
        answer = self.upload(api)
        assert (answer.status_code, answer.json_body) == (
            410,
            error(
                f"This Idempotency-Key was used for image {image_id!r}, which has been deleted since; "
                "send another key to upload it again."
            ),
        )
        assert (stores.records(), stores.objects(), keys(stores)) == before
        assert send(api, "POST", "/images", BODY, Idempotency_Key="l").status_code == 201

    def test_keys_may_be_used_again_after_a_failed_upload(self, api: Api, calls: Calls, no_pauses: None) -> None:
        numbers = (f"k{n}" for n in count())
        for key in calls.every_kill(
            lambda: next(numbers), lambda key: send(api, "POST", "/images", BODY, Idempotency_Key=key)
        ):
            assert send(api, "POST", "/images", BODY, Idempotency_Key=key).status_code == 201
