"""An image that is hidden from a caller gets the answer of an unknown id, after the same AWS calls."""

from collections.abc import Callable
from typing import Any

import pytest

from app import app
from tests.app.calls import ANY, Calls
from tests.app.conftest import Api, Stores
from tests.app.tokens import SECRET, token, with_token
from tests.app.uploads import announce
from tests.aws_calls import Call

UNKNOWN = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"

ROUTES = [
    (method, path)
    for path, methods in app.routes.items()
    for method, route in methods.items()
    if "{image_id}" in path and route.view_name not in ("wrong_method", "options")
]
REQUESTS = [
    *ROUTES,
    *(("GET", f"/images/{{image_id}}/download?type={how}") for how in ("redirect", "binary", "base64")),
]


def private(api: Api, stores: Stores, calls: Calls) -> str:
    return str(api.upload(visibility="private", tags=["sea"])["image_id"])


def private_upload(api: Api, stores: Stores, calls: Calls) -> str:
    return str(announce(api, visibility="private")["image_id"])


def deleting(api: Api, stores: Stores, calls: Calls) -> str:
    image_id = str(api.upload(tags=["sea"])["image_id"])
    with calls.killed(1, before=False):
        api.call("DELETE", f"/images/{image_id}")
    (record,) = stores.records()
    assert record["state"] == {"S": "deleting"}
    return image_id


def deleted(api: Api, stores: Stores, calls: Calls) -> str:
    image_id = str(api.upload()["image_id"])
    api.call("DELETE", f"/images/{image_id}")
    (record,) = stores.records()
    assert record["state"] == {"S": "deleted"}
    return image_id


def removed(api: Api, stores: Stores, calls: Calls) -> str:
    image_id = deleted(api, stores, calls)
    stores.dynamodb.delete_item(TableName="images", Key={"image_id": {"S": image_id}})
    return image_id


def answered(client: Api, calls: Calls, method: str, path: str, image_id: str) -> tuple[int, object, object, object]:
    """Return the status, the body, the headers and the AWS calls of an answer, without the id."""
    made: list[Any] = []

    def note(call: Call) -> Any:
        made.append((call.operation, call.params.get("TableName"), call.params.get("ConsistentRead")))
        return call.send()

    with calls.on(ANY, note):
        answer = client.call(method, path.replace("{image_id}", image_id), {"title": "T"} if method == "PUT" else None)
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}
    sentence = "" if method == "HEAD" else answer.json_body["error"].replace(image_id, "ID")
    return answer.status_code, sentence, headers, made


@pytest.mark.parametrize("given", [private, private_upload, deleting, deleted, removed])
@pytest.mark.parametrize("caller", ["another user", "nobody", "another user who is not verified"])
def test_a_hidden_image_is_like_an_unknown_id_for_others(
    api: Api,
    stores: Stores,
    calls: Calls,
    configured: Callable[..., None],
    given: Callable[[Api, Stores, Calls], str],
    caller: str,
) -> None:
    hidden_id = given(api, stores, calls)
    before = (stores.records(), stores.objects())
    if caller == "another user who is not verified":
        client = Api(api.client, {"X-User-Id": "bob"})
    else:
        configured(AUTH="jwt", JWT_SECRET=SECRET)
        client = with_token(api, token("bob")) if caller == "another user" else api
    for method, path in REQUESTS:
        # Without verification, everyone may delete a public image, and so repeat its deletion.
        if not caller.endswith("verified") or method != "DELETE" or given is not deleting:
            answer = answered(client, calls, method, path, hidden_id)
            assert answer == answered(client, calls, method, path, UNKNOWN), (method, path)
            sentence = "" if method == "HEAD" else "The image 'ID' was not found."
            assert answer[:2] == (404, sentence), (method, path)
    assert (stores.records(), stores.objects()) == before


def test_the_owner_can_repeat_a_deletion_that_is_not_finished(
    api: Api, stores: Stores, calls: Calls, configured: Callable[..., None]
) -> None:
    path = f"/images/{deleting(api, stores, calls)}"
    configured(AUTH="jwt", JWT_SECRET=SECRET)
    assert with_token(api, token("bob")).call("DELETE", path).status_code == 404
    assert with_token(api, token("alice")).call("DELETE", path).status_code == 200
    assert stores.are_empty()


def test_an_image_that_has_just_become_public_can_be_seen_at_once(api: Api, calls: Calls) -> None:
    image_id = api.upload(visibility="private")["image_id"]
    alice = Api(api.client, {"X-User-Id": "alice"})
    calls.after("GetItem", lambda: alice.call("PUT", f"/images/{image_id}", {"visibility": "public"}))
    assert api.get(f"/images/{image_id}").status_code == 200
