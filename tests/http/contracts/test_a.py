"""Contract A: upload as JSON, view by a presigned URL, and four Lambda functions."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.http.client import Service, User, download, eventually
from tests.http.contracts.conftest import Invoke, Shell
from tests.http.contracts.shapes import METADATA, check


@pytest.fixture
def sample(photo: bytes, alice: User) -> dict[str, str]:
    """Return the published body, with a description that no other test has."""
    return {
        "image_file": base64.b64encode(photo).decode(),
        "title": "Sample Image",
        "description": f"sample description {alice.user_id.replace('-', '')}",
    }


@pytest.fixture
def delete_later(service: Service) -> Iterator[Callable[[str], None]]:
    """Return a function that marks an anonymous image for deletion after the test."""
    ids: list[str] = []
    yield ids.append
    for image_id in ids:
        service.call("DELETE", f"/image/{image_id}")


def test_upload_list_view_and_delete_over_http(
    service: Service, sample: dict[str, str], photo: bytes, delete_later: Callable[[str], None]
) -> None:
    answer = service.call("POST", "/upload", json=sample)
    assert answer.status_code == 201
    check(answer.json(), {"image_id": str, "id": str, "key": str, "bucket": str, "message": str, "metadata": METADATA})
    image_id = answer.json()["image_id"]
    delete_later(image_id)
    assert {name: answer.json()["metadata"][name] for name in ("title", "description", "user_id")} == {
        "title": sample["title"],
        "description": sample["description"],
        "user_id": "anonymous",
    }

    query = {"title": "Sample Image", "description": sample["description"], "limit": "5"}
    eventually(lambda: [image["image_id"] for image in service.get("/images", **query)["images"]], [image_id])
    check(service.get("/images", **query), {"images": [METADATA], "count": int, "has_more": bool})
    assert service.get("/images", **{**query, "title": "Another"})["images"] == []

    view = service.get(f"/image/{image_id}")
    check(view, {"image_id": str, "download_url": str})
    assert download(view["download_url"]).content == photo

    assert service.call("DELETE", f"/image/{image_id}").status_code == 200
    assert service.call("GET", f"/image/{image_id}").status_code == 404
    assert service.call("DELETE", f"/image/{image_id}").status_code == 404
    assert download(view["download_url"]).status_code == 404


def test_curl_uploads_views_and_deletes(shell: Shell, delete_later: Callable[[str], None]) -> None:
    answer = shell(
        """{ printf '{"title": "Sample Image", "description": "by curl", "image_file": "'
        base64 < photo.png | tr -d '\\n'; printf '"}'; } |
        curl -sS -X POST "$URL/upload" -H 'Content-Type: application/json' -d @-"""
    )
    delete_later(answer["image_id"])
    command = f'curl -sS "$URL/image/{answer["image_id"]}"'
    check(shell(command), {"download_url": str})
    assert shell(command.replace("-sS", "-sS -X DELETE"))["image_id"] == answer["image_id"]
    assert list(shell(command)) == ["error", "message"]


def as_strings(event: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) for name, value in event.items()}


@pytest.mark.parametrize("form", [as_strings, dict], ids=["inner JSON strings", "inner objects"])
def test_the_four_functions_upload_list_view_and_delete(
    invoke: Invoke,
    sample: dict[str, str],
    photo: bytes,
    delete_later: Callable[[str], None],
    form: Callable[[dict[str, Any]], Any],
) -> None:
    status, body = invoke("upload_image", form({"body": sample}))
    assert status == 201
    check(body, {"image_id": str, "metadata": METADATA})
    image_id = body["image_id"]
    delete_later(image_id)

    query = {"title": "Sample Image", "description": sample["description"], "limit": "5"}
    listed = form({"queryStringParameters": query})
    eventually(lambda: [image["image_id"] for image in invoke("list_images", listed)[1]["images"]], [image_id])

    check(invoke("list_images", listed)[1], {"images": [METADATA], "count": int, "has_more": bool})

    status, view = invoke("view_images", form({"pathParameters": {"image_id": image_id}}))
    assert status == 200
    check(view, {"image_id": str, "download_url": str})
    assert download(view["download_url"]).content == photo

    event = form({"pathParameters": {"image_id": image_id}})
    assert [invoke("delete_images", event)[0] for _ in range(2)] == [200, 404]
    assert invoke("view_images", event)[0] == 404


def test_an_invalid_event_is_400(invoke: Invoke) -> None:
    for function, event in (
        ("upload_image", {"body": "{}"}),
        ("upload_image", {"body": '{"image_file": "%%%"}'}),
        ("list_images", {"queryStringParameters": '{"limit": "none"}'}),
        ("view_images", {}),
    ):
        status, body = invoke(function, event)
        assert (status, list(body)) == (400, ["error", "message"])
