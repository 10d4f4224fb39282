from tests.app.calls import Calls
from tests.app.conftest import Api, Stores
from tests.errors import error


def test_a_deletion_answers_as_in_contract_b_and_leaves_nothing(api: Api, stores: Stores) -> None:
    image_id = api.upload(tags=["Sea", "sky"], description="x" * 2000)["image_id"]
    answer = api.call("DELETE", f"/images/{image_id}")
    assert (answer.status_code, answer.json_body) == (
        200,
        {"message": "Image deleted successfully", "image_id": image_id},
    )
    assert stores.are_empty()


def test_a_deleted_image_is_in_no_list_and_no_view(api: Api) -> None:
    image_id = api.upload(tags=["sea"])["image_id"]
    other = api.upload(tags=["sea"])["image_id"]
    api.call("DELETE", f"/images/{image_id}")
    for query in ("", "user_id=alice", "tag=sea", "tag=sea&user_id=alice"):
        assert api.listed(query) == [other]
    assert api.get(f"/images/{image_id}").status_code == 404
    assert api.call("DELETE", f"/images/{image_id}").status_code == 404
    assert api.get(f"/images/{other}").status_code == 200


def test_the_slower_of_two_concurrent_deletions_gets_a_404(api: Api, stores: Stores, calls: Calls) -> None:
    path = f"/images/{api.upload()['image_id']}"
    calls.before("TransactWriteItems", lambda: api.call("DELETE", path))
    assert api.call("DELETE", path).status_code == 404
    assert stores.are_empty()


def test_a_deletion_with_if_match_fails_for_another_version(api: Api, stores: Stores, calls: Calls) -> None:
    path = f"/images/{api.upload()['image_id']}"
    client = Api(api.client, {"If-Match": api.get(path).headers["ETag"]})
    calls.before("TransactWriteItems", lambda: api.call("PUT", path, {"title": "T"}))
    answer = client.call("DELETE", path)
    assert (answer.status_code, answer.json_body) == (
        412,
        error('If-Match names another version; the record is at "2".'),
    )
    assert api.get(path).json_body["metadata"]["title"] == "T"
    assert Api(api.client, {"If-Match": '"1", "2"'}).call("DELETE", path).status_code == 200
    assert stores.are_empty()
