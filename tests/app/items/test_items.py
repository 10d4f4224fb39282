import json
from collections.abc import Callable
from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib import ids
from tests.app.calls import Calls
from tests.app.conftest import Api, Stores
from tests.app.tokens import SECRET, authorization, token, with_token
from tests.aws_calls import Call
from tests.errors import error

Json = dict[str, Any]

EMPTY_PAGE = {"items": [], "count": 0, "has_more": False}
DOCUMENT: Json = {
    "name": 'Ünïcode \N{GRINNING FACE} "quoted" \\ \x00\n',
    "price": 1.1,
    "large": 2**63,
    "small": -1e-300,
    "none": None,
    "empty": "",
    "": {"nested": [[], {}, [True, {"list": "reserved by DynamoDB"}]]},
    "user_id": "a field like any other",
}


def create(api: Api, **fields: Any) -> Json:
    answer = api.call("POST", "/items", fields)
    assert answer.status_code == 201, answer.body
    item: Json = answer.json_body
    return item


def listed(api: Api, query: str = "") -> list[str]:
    return [item["id"] for item in api.get(f"/items?{query}").json_body["items"]]


def pages(api: Api, query: str) -> list[list[str]]:
    return [[item["id"] for item in page] for page in api.pages_of("items", query)]


def with_if_match(api: Api, if_match: str) -> Api:
    return Api(api.client, {**api.headers, "If-Match": if_match})


def stored(stores: Stores) -> list[Json]:
    items: list[Json] = stores.dynamodb.scan(TableName="items")["Items"]
    return items


class TestOneItem:
    def test_a_document_is_stored_completely_under_an_id(self, api: Api) -> None:
        answer = api.call("POST", "/items", DOCUMENT)
        item = answer.json_body
        assert answer.status_code == 201
        assert item == {
            **DOCUMENT,
            "id": item["item_id"],
            "item_id": item["item_id"],
            "created_at": ids.created_at(item["item_id"]),
            "updated_at": ids.created_at(item["item_id"]),
            "version": 1,
        }
        assert api.get(f"/items/{item['id']}").json_body == item
        assert api.get("/items").json_body == {"items": [item], "count": 1, "has_more": False}

    def test_an_empty_document_is_stored(self, api: Api) -> None:
        item = create(api)
        assert item.keys() == {"id", "item_id", "created_at", "updated_at", "version"}
        assert api.get(f"/items/{item['id']}").json_body == item

    def test_an_update_changes_only_the_given_fields(self, api: Api) -> None:
        item = create(api, a=1, b={"x": 1}, c="kept")
        answer = api.call("PUT", f"/items/{item['id']}", {"a": None, "b": {"y": 2}, "d": []})
        changed = answer.json_body
        assert answer.status_code == 200
        assert changed.pop("updated_at") >= item.pop("updated_at")
        assert changed == {**item, "a": None, "b": {"y": 2}, "d": [], "version": 2}
        viewed = api.get(f"/items/{item['id']}").json_body
        viewed.pop("updated_at")
        assert viewed == changed

    def test_an_update_ignores_fields_that_the_service_sets(self, api: Api) -> None:
        item = create(api, a=1)
        answer = api.call("PUT", f"/items/{item['id']}", {**item, "a": 2, "version": 99, "id": "x"})
        assert answer.json_body == {**item, "a": 2, "version": 2, "updated_at": answer.json_body["updated_at"]}

    def test_a_deleted_item_is_in_no_list_and_no_view(self, api: Api, stores: Stores) -> None:
        item_id = create(api, a=1)["id"]
        answer = api.call("DELETE", f"/items/{item_id}")
        assert (answer.status_code, answer.json_body) == (
            200,
            {"message": "Item deleted successfully", "item_id": item_id, "id": item_id},
        )
        assert api.get(f"/items/{item_id}").status_code == 404
        assert api.call("PUT", f"/items/{item_id}", {"a": 2}).status_code == 404
        assert api.call("DELETE", f"/items/{item_id}").status_code == 404
        assert api.get("/items").json_body == EMPTY_PAGE
        assert stored(stores) == []

    @pytest.mark.parametrize(
        "item_id", ["017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "x", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F"]
    )
    def test_an_unknown_id_is_not_found(self, api: Api, item_id: str) -> None:
        path = f"/items/{item_id}"
        for answer in (api.get(path), api.call("PUT", path, {"a": 1}), api.call("DELETE", path)):
            assert (answer.status_code, answer.json_body) == (404, error(f"The item '{item_id}' was not found."))

    def test_the_id_of_an_image_is_not_the_id_of_an_item(self, api: Api) -> None:
        assert api.get(f"/items/{api.upload()['image_id']}").status_code == 404
        assert api.get(f"/images/{create(api)['id']}").status_code == 404


class TestValidation:
    """A refused request gets one sentence and changes nothing."""

    @pytest.mark.parametrize("name", ["id", "item_id", "created_at", "updated_at", "version"])
    def test_a_new_item_cannot_have_a_field_that_the_service_sets(self, api: Api, stores: Stores, name: str) -> None:
        answer = api.call("POST", "/items", {"a": 1, name: None})
        assert (answer.status_code, answer.json_body) == (
            400,
            error(f"{name} is set by the service and cannot be a field of an item."),
        )
        assert stored(stores) == []

    @pytest.mark.parametrize("fields", [{}, {"version": 3, "id": "x"}])
    def test_an_update_without_a_field_is_refused(self, api: Api, fields: Json) -> None:
        item = create(api, a=1)
        answer = api.call("PUT", f"/items/{item['id']}", fields)
        assert (answer.status_code, answer.json_body) == (400, error("The body has no field to set."))
        assert api.get(f"/items/{item['id']}").json_body == item

    @pytest.mark.parametrize(
        "body", [b"[]", b'"x"', b"null", b"", b"{", b'{"a": NaN}', b'{"a": 1e999}', b'{"\\ud800": 1}']
    )
    def test_a_body_that_is_not_a_json_object_is_refused(self, api: Api, stores: Stores, body: bytes) -> None:
        item = create(api, a=1)
        for answer in (api.call("POST", "/items", body), api.call("PUT", f"/items/{item['id']}", body)):
            assert answer.status_code == 400
            assert answer.json_body["error"].startswith("The body ")
        assert [record["version"] for record in stored(stores)] == [{"N": "1"}]

    def test_a_body_of_another_content_type_is_refused(self, api: Api) -> None:
        form = Api(api.client, {"Content-Type": "text/plain"})
        assert form.call("POST", "/items", b"{}").status_code == 415

    def test_the_size_limit_applies_to_new_and_updated_items(
        self, api: Api, stores: Stores, configured: Callable[..., None]
    ) -> None:
        configured(MAX_ITEM_BYTES="100")
        item = create(api, a="x" * 92)  # and 8 bytes for {"a":"…"}
        too_large = error("The item has more than 100 bytes of JSON, which is the limit (MAX_ITEM_BYTES).")
        for answer in (
            api.call("POST", "/items", {"a": "x" * 93}),
            api.call("POST", "/items", {"a": "\N{GRINNING FACE}" * 24}),
            api.call("PUT", f"/items/{item['id']}", {"a": "x" * 93}),
            api.call("PUT", f"/items/{item['id']}", {"b": 0}),
        ):
            assert (answer.status_code, answer.json_body) == (413, too_large)
        assert api.get(f"/items/{item['id']}").json_body == item
        assert len(stored(stores)) == 1
        assert api.call("PUT", f"/items/{item['id']}", {"a": "y" * 92}).status_code == 200

    def test_white_space_does_not_count_towards_the_size_limit(self, api: Api, configured: Callable[..., None]) -> None:
        configured(MAX_ITEM_BYTES="7")
        assert api.call("POST", "/items", b'{ "a" :' + b" " * 1000 + b"1 }").status_code == 201

    def test_the_largest_item_is_stored_with_the_longest_user_id(
        self, api: Api, configured: Callable[..., None]
    ) -> None:
        configured(MAX_ITEM_BYTES="400000", MAX_USER_ID_CHARS="200")
        owner = Api(api.client, {"X-User-Id": "\N{GRINNING FACE}" * 200})
        item = create(owner, a="x" * 399_992)
        assert api.get(f"/items/{item['id']}").json_body == item

    def test_a_user_id_that_is_too_long_is_refused(self, api: Api, stores: Stores) -> None:
        answer = Api(api.client, {"X-User-Id": "x" * 129}).call("POST", "/items", {})
        assert (answer.status_code, answer.json_body) == (
            400,
            error("user_id has more than 128 characters, which is the limit (MAX_USER_ID_CHARS)."),
        )
        assert stored(stores) == []

    @pytest.mark.parametrize("levels", [101, 253, 254, 1000, 1025])
    @pytest.mark.parametrize("inner", [b'{"a":', b"["])
    def test_a_document_that_is_nested_too_deeply_is_refused(
        self, api: Api, stores: Stores, levels: int, inner: bytes
    ) -> None:
        closing = b"}" if inner[:1] == b"{" else b"]"
        body = b'{"a":' + inner * (levels - 1) + b"1" + closing * (levels - 1) + b"}"
        item = create(api)
        for answer in (api.call("POST", "/items", body), api.call("PUT", f"/items/{item['id']}", body)):
            assert answer.status_code == 400
        assert listed(api) == [item["id"]]

    def test_the_deepest_allowed_document_can_be_viewed_and_listed(
        self, api: Api, configured: Callable[..., None]
    ) -> None:
        configured(MAX_ITEM_DEPTH="250")
        answer = api.call("POST", "/items", b'{"a":' + b"[" * 249 + b"]" * 249 + b"}")
        assert answer.status_code == 201
        assert api.get(f"/items/{answer.json_body['id']}").json_body == answer.json_body
        assert api.get("/items").json_body["items"] == [answer.json_body]


class TestLists:
    def test_paging_gives_every_item_once_newest_first(self, api: Api) -> None:
        created = [create(api, n=n)["id"] for n in range(9)][::-1]
        for limit in (1, 4, 9, 1000):
            read_pages = pages(api, f"limit={limit}")
            assert [item_id for page in read_pages for item_id in page] == created
            assert all(len(page) == limit for page in read_pages[:-1])

    def test_a_page_costs_one_read(self, api: Api, calls: Calls) -> None:
        created = [create(api)["id"] for _ in range(3)][::-1]
        with calls.recorded() as operations:
            assert pages(api, "limit=2") == [created[:2], created[2:]]
        assert operations == ["Query", "Query"]

    def test_creations_and_deletions_during_paging_do_not_move_other_items(self, api: Api) -> None:
        permanent = [create(api)["id"] for _ in range(10)][::-1]
        item_ids: list[str] = []
        for page in pages(api, "limit=3"):
            item_ids += page
            create(api)
            api.call("DELETE", f"/items/{page[-1]}")
        assert [item_id for item_id in item_ids if item_id in permanent] == permanent
        assert len(item_ids) == len(set(item_ids))

    def test_an_updated_item_keeps_its_place(self, api: Api) -> None:
        created = [create(api)["id"] for _ in range(3)][::-1]
        api.call("PUT", f"/items/{created[2]}", {"a": 1})
        assert listed(api) == created

    def test_a_page_can_be_larger_than_one_query_of_dynamodb(self, api: Api, stores: Stores) -> None:
        created = [create(api, text="x" * 99_000)["id"] for _ in range(14)][::-1]
        assert "LastEvaluatedKey" in stores.dynamodb.scan(TableName="items")
        assert pages(api, "limit=13") == [created[:13], created[13:]]
        assert pages(api, "limit=1000") == [created]

    def test_a_page_that_reaches_its_size_limit_is_shorter_and_has_a_next_page(
        self, api: Api, configured: Callable[..., None]
    ) -> None:
        created = [create(api, text='"' * 5000)["id"] for _ in range(7)][::-1]
        configured(MAX_PAGE_BYTES="64000")
        assert pages(api, "") == [created[:3], created[3:6], created[6:]]
        assert len(json.dumps(api.get("/items").body.decode())) < 64_000
        configured(MAX_PAGE_BYTES="1")
        assert pages(api, "") == [[item_id] for item_id in created]

    def test_a_list_continues_after_an_empty_result_of_a_query(self, api: Api, calls: Calls) -> None:
        created = [create(api)["id"] for _ in range(3)][::-1]

        def empty_result(call: Call) -> Any:
            rule.end()
            newest = {"list": {"S": "items"}, "item_id": {"S": "ffffffff-ffff-7fff-bfff-ffffffffffff"}}
            return {**call.send(), "Items": [], "LastEvaluatedKey": newest}

        rule = calls.on("Query", empty_result)
        assert listed(api) == created

    @pytest.mark.parametrize("limit", ["0", "1001", "ten", "-1"])
    def test_an_invalid_limit_is_refused(self, api: Api, limit: str) -> None:
        answer = api.get(f"/items?limit={limit}")
        assert (answer.status_code, answer.json_body) == (
            400,
            error("limit must be a whole number from 1 to 1000 (MAX_PAGE_SIZE)."),
        )

    def test_a_page_has_a_hundred_items_by_default(self, api: Api) -> None:
        created = [create(api)["id"] for _ in range(101)][::-1]
        assert pages(api, "") == [created[:100], created[100:]]

    def test_a_cursor_is_valid_only_for_its_list(self, api: Api) -> None:
        created = [create(api)["id"] for _ in range(2)][::-1]
        images = [api.upload()["image_id"] for _ in range(2)][::-1]
        of_items = api.get("/items?limit=1").json_body["last_evaluated_key"]
        of_images = api.get("/images?limit=1").json_body["last_evaluated_key"]
        assert listed(api, f"nextToken={of_items}") == created[1:]
        assert api.listed(f"nextToken={of_images}") == images[1:]
        for path in (f"/items?nextToken={of_images}", f"/images?nextToken={of_items}", "/items?nextToken=x"):
            answer = api.get(path)
            assert (answer.status_code, answer.json_body) == (
                400,
                error("last_evaluated_key is not valid for this list; begin the list again."),
            )


class TestVersions:
    """The ETag of an item is its version. If-Match requires a version."""

    def test_each_answer_with_an_item_has_its_version_in_the_etag(self, api: Api) -> None:
        created = api.call("POST", "/items", {"a": 1})
        path = f"/items/{created.json_body['id']}"
        assert created.headers["ETag"] == api.get(path).headers["ETag"] == '"1"'
        assert api.call("PUT", path, {"a": 2}).headers["ETag"] == '"2"'
        assert api.get(path).headers["ETag"] == '"2"'

    @pytest.mark.parametrize("if_match", ['"1"', '"7", "1"', "*"])
    def test_a_change_with_the_current_version_succeeds(self, api: Api, if_match: str) -> None:
        for method in ("PUT", "DELETE"):
            path = f"/items/{create(api, a=1)['id']}"
            assert with_if_match(api, if_match).call(method, path, {"a": 2}).status_code == 200

    @pytest.mark.parametrize("if_match", ['"1"', 'W/"2"', '"02"', '"two"', '"1", "3"'])
    def test_a_change_with_another_version_is_refused(self, api: Api, if_match: str) -> None:
        path = f"/items/{create(api, a=1)['id']}"
        item = api.call("PUT", path, {"a": 2}).json_body
        for method in ("PUT", "DELETE"):
            answer = with_if_match(api, if_match).call(method, path, {"a": 3})
            assert (answer.status_code, answer.json_body) == (
                412,
                error('If-Match names another version; the record is at "2".'),
            )
        assert api.get(path).json_body == item

    def test_an_invalid_if_match_is_refused(self, api: Api) -> None:
        path = f"/items/{create(api, a=1)['id']}"
        for method in ("PUT", "DELETE"):
            assert with_if_match(api, "1").call(method, path, {"a": 2}).status_code == 400
        assert api.get(path).json_body["version"] == 1

    def test_an_unknown_id_is_not_found_with_any_if_match(self, api: Api) -> None:
        for if_match in ("*", '"1"'):
            assert with_if_match(api, if_match).call("DELETE", f"/items/{ids.new_id()}").status_code == 404


class TestRaces:
    def test_two_concurrent_updates_are_both_kept(self, api: Api, calls: Calls) -> None:
        path = f"/items/{create(api, a=1, b=1)['id']}"
        calls.before("PutItem", lambda: api.call("PUT", path, {"a": 2}))
        assert api.call("PUT", path, {"b": 2}).status_code == 200
        item = api.get(path).json_body
        assert (item["a"], item["b"], item["version"]) == (2, 2, 3)

    def test_an_update_with_if_match_fails_after_a_concurrent_update(self, api: Api, calls: Calls) -> None:
        path = f"/items/{create(api, a=1)['id']}"
        calls.before("PutItem", lambda: api.call("PUT", path, {"a": 2}))
        assert with_if_match(api, '"1"').call("PUT", path, {"a": 3}).status_code == 412
        item = api.get(path).json_body
        assert (item["a"], item["version"]) == (2, 2)

    def test_an_update_does_not_restore_a_concurrently_deleted_item(
        self, api: Api, stores: Stores, calls: Calls
    ) -> None:
        path = f"/items/{create(api, a=1)['id']}"
        calls.before("PutItem", lambda: api.call("DELETE", path))
        assert api.call("PUT", path, {"a": 2}).status_code == 404
        assert stored(stores) == []

    def test_a_deletion_with_if_match_fails_after_a_concurrent_update(self, api: Api, calls: Calls) -> None:
        path = f"/items/{create(api, a=1)['id']}"
        calls.before("DeleteItem", lambda: api.call("PUT", path, {"a": 2}))
        assert with_if_match(api, '"1"').call("DELETE", path).status_code == 412
        assert api.get(path).json_body["a"] == 2

    def test_a_deletion_succeeds_after_a_concurrent_update(self, api: Api, stores: Stores, calls: Calls) -> None:
        path = f"/items/{create(api, a=1)['id']}"
        calls.before("DeleteItem", lambda: api.call("PUT", path, {"a": 2}))
        assert api.call("DELETE", path).status_code == 200
        assert stored(stores) == []

    def test_two_concurrent_deletions_both_succeed(self, api: Api, stores: Stores, calls: Calls) -> None:
        path = f"/items/{create(api, a=1)['id']}"
        calls.before("DeleteItem", lambda: api.call("DELETE", path))
        assert with_if_match(api, '"1"').call("DELETE", path).status_code == 200
        assert stored(stores) == []

    def test_a_change_is_a_503_if_other_requests_keep_changing_the_item(
        self, api: Api, stores: Stores, calls: Calls, no_pauses: None
    ) -> None:
        item_id = create(api, a=1)["id"]

        def change() -> None:
            stores.dynamodb.update_item(
                TableName="items",
                Key={"list": {"S": "items"}, "item_id": {"S": item_id}},
                UpdateExpression="ADD version :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

        for method, operation in (("PUT", "PutItem"), ("DELETE", "DeleteItem")):
            with calls.before_each(operation, change):
                answer = api.call(method, f"/items/{item_id}", {"a": 2})
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert api.get(f"/items/{item_id}").json_body["a"] == 1

    def test_a_change_that_the_aws_client_sends_twice_is_made_once(
        self, api: Api, stores: Stores, calls: Calls
    ) -> None:

        def sent_twice(call: Call) -> Any:
            call.send()
            return call.send()

        for operation in ("PutItem", "DeleteItem"):
            calls.on(operation, sent_twice)
        item = create(api, a=1)
        path = f"/items/{item['id']}"
        assert listed(api) == [item["id"]]
        for version in ("1", "2"):
            changed = with_if_match(api, f'"{version}"').call("PUT", path, {"a": int(version) + 1})
            assert changed.status_code == 200
            assert changed.json_body == api.get(path).json_body
        assert with_if_match(api, '"3"').call("DELETE", path).status_code == 200
        assert stored(stores) == []


def test_a_killed_change_is_made_completely_or_not_at_all(api: Api, calls: Calls) -> None:
    def create_item() -> str:
        return f"/items/{create(api, a=1, b=1)['id']}"

    def put(path: str) -> HTTPResponse:
        return api.call("PUT", path, {"a": 2, "b": 2})

    for path in calls.every_kill(create_item, put):
        item = api.get(path).json_body
        assert (item["a"], item["b"], item["version"]) in ((1, 1, 1), (2, 2, 2))
        assert put(path).status_code == 200
    for path in calls.every_kill(create_item, lambda path: api.call("DELETE", path)):
        exists = api.get(path).status_code == 200
        assert (path.removeprefix("/items/") in listed(api)) is exists
        assert api.call("DELETE", path).status_code == (200 if exists else 404)


class TestTokens:
    """With AUTH=jwt, anyone can read, an authenticated caller can create, and only the owner can change."""

    @pytest.fixture(autouse=True)
    def verified(self, configured: Callable[..., None]) -> None:
        configured(AUTH="jwt", JWT_SECRET=SECRET)

    def test_anyone_can_read_and_only_the_owner_can_change(self, api: Api) -> None:
        alice, bob = (with_token(api, token(name)) for name in ("alice", "bob"))
        item = create(alice, a=1)
        path = f"/items/{item['id']}"
        for reader in (api, bob, alice):
            assert reader.get(path).json_body == item
            assert listed(reader) == [item["id"]]
        for other, status in ((api, 401), (bob, 403)):
            assert other.call("PUT", path, {"a": 2}).status_code == status
            assert other.call("DELETE", path).status_code == status
            assert with_if_match(other, '"7"').call("DELETE", path).status_code == status
        assert api.get(path).json_body == item
        assert alice.call("PUT", path, {"a": 2}).status_code == 200
        assert alice.call("DELETE", path).status_code == 200

    def test_an_anonymous_caller_cannot_create(self, api: Api, stores: Stores) -> None:
        for anonymous in (api, Api(api.client, {"X-User-Id": "alice"})):
            answer = anonymous.call("POST", "/items", {"user_id": "alice"})
            assert answer.status_code == 401
            assert answer.json_body == error("This request needs a bearer token.")
        assert stored(stores) == []


def test_without_authentication_anyone_can_change_an_item(api: Api) -> None:
    alice, bob = (Api(api.client, {"X-User-Id": name}) for name in ("alice", "bob"))
    path = f"/items/{create(alice, a=1)['id']}"
    assert bob.call("PUT", path, {"a": 2}).status_code == 200
    assert api.call("DELETE", path).status_code == 200


class TestRepeatedRequests:
    """A PUT or DELETE with an Idempotency-Key."""

    @pytest.fixture
    def keyed(self, api: Api) -> Api:
        return Api(api.client, {"Idempotency-Key": "k", "If-Match": '"1"'})

    def test_a_repeated_update_answers_as_the_first_did(self, api: Api, keyed: Api, calls: Calls) -> None:
        path = f"/items/{create(api, a=1, b=1)['id']}"
        first = keyed.call("PUT", path, {"a": 2})
        assert (first.status_code, first.headers["ETag"]) == (200, '"2"')
        api.call("PUT", path, {"a": 3})
        with calls.recorded() as made:
            repeated = keyed.call("PUT", path, {"a": 2})
        assert (repeated.status_code, repeated.headers["ETag"]) == (200, '"2"')
        assert repeated.json_body == first.json_body
        assert made == ["GetItem", "GetItem"]
        assert api.get(path).json_body["a"] == 3

    def test_a_key_is_valid_for_one_change(self, api: Api, keyed: Api) -> None:
        path = f"/items/{create(api, a=1)['id']}"
        keyed.call("PUT", path, {"a": 2})
        for answer in (keyed.call("PUT", path, {"a": 3}), keyed.call("DELETE", path)):
            assert (answer.status_code, answer.json_body) == (
                409,
                error("This Idempotency-Key was used for another change."),
            )
        assert api.get(path).json_body["a"] == 2
        api.call("DELETE", path)
        assert keyed.call("PUT", path, {"a": 2}).status_code == 404
        assert keyed.call("DELETE", path).status_code == 409

    def test_a_repeated_deletion_answers_as_the_first_did(self, api: Api, keyed: Api, stores: Stores) -> None:
        path = f"/items/{create(api, a='secret')['id']}"
        answers = [keyed.call("DELETE", path) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert answers[0].json_body == answers[1].json_body == answers[2].json_body
        assert api.call("DELETE", path).status_code == 404
        assert "secret" not in str(stores.dynamodb.scan(TableName="idempotency_keys")["Items"])

    def test_a_change_that_the_aws_client_sends_twice_is_made_once(self, api: Api, keyed: Api, calls: Calls) -> None:
        def sent_twice(call: Call) -> Any:
            call.send()
            return call.send()

        path = f"/items/{create(api, a=1)['id']}"
        calls.on("TransactWriteItems", sent_twice)
        changed = keyed.call("PUT", path, {"a": 2})
        assert (changed.status_code, changed.json_body) == (200, api.get(path).json_body)
        deleting = Api(api.client, {"Idempotency-Key": "l", "If-Match": '"2"'})
        assert deleting.call("DELETE", path).status_code == 200

    def test_a_killed_change_can_be_repeated(self, api: Api, keyed: Api, calls: Calls) -> None:
        def create_item() -> str:
            return f"/items/{create(api, a=1)['id']}"

        for path in calls.every_kill(create_item, lambda path: keyed.call("PUT", path, {"a": 2})):
            answer = keyed.call("PUT", path, {"a": 2})
            assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
            assert api.get(path).json_body == answer.json_body
        for path in calls.every_kill(create_item, lambda path: keyed.call("DELETE", path)):
            assert keyed.call("DELETE", path).status_code == 200
            assert api.get(path).status_code == 404

    def test_with_tokens_only_the_owner_can_repeat_a_deletion(self, api: Api, configured: Callable[..., None]) -> None:
        configured(AUTH="jwt", JWT_SECRET=SECRET)
        alice, bob = (
            Api(api.client, {**authorization(token(name)), "Idempotency-Key": "k"}) for name in ("alice", "bob")
        )
        path = f"/items/{create(with_token(api, token('alice')), a=1)['id']}"
        assert alice.call("DELETE", path).status_code == 200
        assert bob.call("DELETE", path).status_code == 404
        assert alice.call("DELETE", path).status_code == 200

    def test_the_largest_item_can_be_changed_with_a_key(self, api: Api, keyed: Api) -> None:
        path = f"/items/{create(api, a=1)['id']}"
        large = {"a": "x" * 99_000}
        assert keyed.call("PUT", path, large).status_code == 200
        assert keyed.call("PUT", path, large).json_body == api.get(path).json_body
