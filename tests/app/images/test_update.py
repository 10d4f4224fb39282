from typing import Any

import pytest

from tests.app.calls import Calls
from tests.app.conftest import Api, Stores
from tests.errors import error

UNKNOWN = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def put(api: Api, image_id: str, body: object, **headers: str) -> Any:
    return Api(api.client, {"X-User-Id": "alice", **headers}).call("PUT", f"/images/{image_id}", body)


def test_an_update_changes_only_the_given_fields(api: Api) -> None:
    image = api.upload(title="old", description="D", tags=["Sea", "sky"])
    answer = put(api, image["image_id"], {"title": "new", "tags": ["Sky", "sand"]})
    changed = {**image, "title": "new", "tags": ["Sky", "sand"], "version": 2}
    assert answer.status_code == 200
    changed["updated_at"] = answer.json_body["metadata"]["updated_at"]
    assert changed["updated_at"] >= image["updated_at"]
    assert answer.json_body == {
        "message": "Image updated successfully",
        "image_id": image["image_id"],
        "metadata": changed,
    }
    assert api.get(f"/images/{image['image_id']}").json_body["metadata"] == changed
    for query in ("", "user_id=alice", "tag=sky", "tag=sand", "title=new"):
        assert api.get(f"/images?{query}").json_body["images"] == [changed]
    for query in ("tag=sea", "title=old"):
        assert api.listed(query) == []


def test_an_update_can_empty_a_field(api: Api, stores: Stores) -> None:
    image_id = api.upload(title="T", tags=["sea"])["image_id"]
    changed = put(api, image_id, {"title": "", "tags": []}).json_body["metadata"]
    assert (changed["title"], changed["tags"]) == ("", [])
    assert not any(row["tag"]["S"] in ("sea", "\x1ftitle:t") for row in stores.rows())


def test_one_update_can_change_every_field(api: Api, stores: Stores) -> None:
    def all_of(word: str) -> dict[str, Any]:
        text = " ".join(f"{word}{n}" for n in range(40))
        return {"tags": [f"{word} {n}" for n in range(30)], "title": text, "description": text}

    image_id = api.upload(**all_of("old"))["image_id"]
    rows = len(stores.rows())
    assert put(api, image_id, {**all_of("new"), "visibility": "private"}).status_code == 200
    assert len(stores.rows()) == rows - 1  # a private image is not in the list of its owner's public images
    alice = Api(api.client, {"X-User-Id": "alice"})
    assert alice.listed("tag=new%2029") == alice.listed("title=new0%20new10") == [image_id]
    assert api.listed("tag=new%2029") == alice.listed("tag=old%2029") == alice.listed("title=old0") == []
    assert alice.call("DELETE", f"/images/{image_id}").status_code == 200
    assert stores.rows() == []


def test_a_record_can_become_too_large_for_its_rows_and_small_again(api: Api) -> None:
    image_id = api.upload(tags=["sea"])["image_id"]
    for description in ("x" * 5000, "short"):
        changed = put(api, image_id, {"description": description}).json_body["metadata"]
        assert api.get("/images?tag=sea").json_body["images"] == [changed]


def test_an_image_that_becomes_private_is_in_no_list_of_others(api: Api) -> None:
    image_id = api.upload(tags=["sea"])["image_id"]
    put(api, image_id, {"visibility": "private"})
    bob = Api(api.client, {"X-User-Id": "bob"})
    assert [bob.listed(query) for query in ("", "tag=sea")] == [[], []]
    assert bob.get(f"/images/{image_id}").status_code == 404
    assert put(api, image_id, {"visibility": "public"}).status_code == 200
    assert bob.listed() == [image_id]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "T", "user_id": "bob"},
        {"s3_key": "x"},
        {"checksum": "x"},
        {"state": "deleting"},
        {"version": 9},
        {"tags": ["x" * 65]},
        b"{",
    ],
)
def test_an_invalid_update_changes_nothing(api: Api, stores: Stores, body: object) -> None:
    image_id = api.upload(tags=["sea"])["image_id"]
    before = (stores.records(), stores.rows())
    assert put(api, image_id, body).status_code == 400
    assert (stores.records(), stores.rows()) == before


@pytest.mark.parametrize("image_id", [UNKNOWN, "nothing"])
def test_an_unknown_id_is_not_found(api: Api, image_id: str) -> None:
    assert put(api, image_id, {"title": "T"}).status_code == 404


def test_only_the_owner_can_change_a_private_image(api: Api) -> None:
    image_id = api.upload(visibility="private")["image_id"]
    answer = put(api, image_id, {"title": "T"}, **{"X-User-Id": "bob"})
    assert answer.status_code == 404
    assert put(api, image_id, {"title": "T"}).status_code == 200


def test_every_answer_with_one_record_has_an_etag(api: Api) -> None:
    image_id = api.upload()["image_id"]
    for path in (f"/images/{image_id}", f"/image/{image_id}", f"/view/{image_id}"):
        assert api.get(path).headers["ETag"] == '"1"'
    assert put(api, image_id, {"title": "T"}).headers["ETag"] == '"2"'
    assert api.get(f"/images/{image_id}").headers["ETag"] == '"2"'


def test_an_update_with_if_match_fails_for_another_version(api: Api) -> None:
    image_id = api.upload()["image_id"]
    assert put(api, image_id, {"title": "one"}, **{"If-Match": '"1"'}).status_code == 200
    answer = put(api, image_id, {"title": "two"}, **{"If-Match": '"1"'})
    assert (answer.status_code, answer.json_body) == (
        412,
        error('If-Match names another version; the record is at "2".'),
    )
    assert put(api, image_id, {"title": "three"}, **{"If-Match": "*"}).status_code == 200
    assert put(api, image_id, {"title": "four"}, **{"If-Match": "3"}).status_code == 400
    assert api.get(f"/images/{image_id}").json_body["metadata"]["title"] == "three"


def test_an_update_with_if_match_fails_after_a_concurrent_update(api: Api, calls: Calls) -> None:
    image_id = api.upload()["image_id"]
    calls.before("TransactWriteItems", lambda: put(api, image_id, {"title": "first"}))
    assert put(api, image_id, {"title": "second"}, **{"If-Match": '"1"'}).status_code == 412
    assert api.get(f"/images/{image_id}").json_body["metadata"]["title"] == "first"


def test_concurrent_updates_of_different_fields_are_both_kept(api: Api, calls: Calls) -> None:
    image_id = api.upload()["image_id"]
    calls.before("TransactWriteItems", lambda: put(api, image_id, {"title": "T", "tags": ["a", "b"]}))
    changed = put(api, image_id, {"description": "D"}).json_body["metadata"]
    assert (changed["title"], changed["description"], changed["version"]) == ("T", "D", 3)
    for query in ("", "tag=a", "tag=b"):
        assert api.get(f"/images?{query}").json_body["images"] == [changed]


def test_an_update_after_a_concurrent_deletion_is_a_404(api: Api, stores: Stores, calls: Calls) -> None:
    image_id = api.upload(tags=["sea"])["image_id"]
    calls.before("TransactWriteItems", lambda: api.call("DELETE", f"/images/{image_id}"))
    assert put(api, image_id, {"title": "T", "tags": ["sky"]}).status_code == 404
    assert stores.are_empty()


def test_a_half_deleted_image_cannot_be_updated(api: Api, stores: Stores, calls: Calls) -> None:
    image_id = api.upload()["image_id"]
    statuses: list[int] = []
    calls.before("DeleteObject", lambda: statuses.append(put(api, image_id, {"title": "T"}).status_code))
    api.call("DELETE", f"/images/{image_id}")
    assert statuses == [404]
    assert stores.are_empty()
