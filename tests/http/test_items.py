from collections.abc import Iterator
from typing import Any

import pytest

from tests.http.client import Service, eventually


@pytest.fixture
def items(service: Service) -> Iterator[list[dict[str, Any]]]:
    """Create three items, newest first, and delete them after the test."""
    answers = [service.call("POST", "/items", json={"n": n, "text": "Ünï\N{GRINNING FACE}"}) for n in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    created = [answer.json() for answer in answers][::-1]
    yield created
    for item in created:
        service.call("DELETE", f"/items/{item['id']}")


def listed(service: Service, expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read all items page by page, and return those with the expected ids. Other tests may have created more."""
    ids = {item["id"] for item in expected}
    matching: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = service.get("/items", limit=2, **cursor)
        matching += [item for item in page["items"] if item["id"] in ids]
        if len(matching) == len(ids) or not page["has_more"]:
            return matching
        cursor = {"last_evaluated_key": page["last_evaluated_key"]}


def test_items_are_viewed_and_listed_newest_first(service: Service, items: list[dict[str, Any]]) -> None:
    eventually(lambda: listed(service, items), items)
    for item in items:
        assert service.get(f"/items/{item['id']}") == item


def test_an_item_is_changed_only_if_its_version_matches(service: Service, items: list[dict[str, Any]]) -> None:
    path = f"/items/{items[0]['id']}"
    etag = {"If-Match": service.call("GET", path).headers["ETag"]}
    assert service.call("PUT", path, json={"n": [None]}, headers=etag).json()["n"] == [None]
    assert service.call("PUT", path, json={"n": 8}, headers=etag).status_code == 412
    assert service.call("DELETE", path, headers=etag).status_code == 412
    item = service.get(path)
    assert (item["n"], item["text"], item["version"]) == ([None], items[0]["text"], 2)
    assert service.call("DELETE", path).status_code == 200
    assert service.call("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("method", "options", "status"),
    [
        ("POST", {"json": []}, 400),
        ("POST", {"json": {"id": "x"}}, 400),
        ("POST", {"data": "{" + '"a":{' * 300 + "}" * 301, "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", {"json": {"a": "x" * 100_000}}, 413),
        ("GET", {"params": {"last_evaluated_key": "x"}}, 400),
    ],
)
def test_an_invalid_request_has_its_status(service: Service, method: str, options: dict[str, Any], status: int) -> None:
    assert service.call(method, "/items", **options).status_code == status
