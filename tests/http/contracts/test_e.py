"""Contract E: upload as a form or JSON, update, visibility, and items."""

import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from requests_toolbelt import MultipartEncoder

from tests.http.client import Service, User, download, eventually
from tests.http.contracts.conftest import Shell
from tests.http.contracts.shapes import RECORD, check

UPLOADED = {"message": str, "image_id": str, "metadata": {**RECORD, "visibility": str, "filename": str}}


def upload_form(service: Service, alice: User, photo: bytes, **fields: str) -> Any:
    form = MultipartEncoder({"userId": alice.user_id, **fields, "file": ("photo.png", photo, "image/png")})
    return service.call("POST", "/images/upload", data=form, headers={"Content-Type": form.content_type})


def upload_json(service: Service, alice: User, photo: bytes, **metadata: Any) -> Any:
    image = {"filename": "photo.png", "content": base64.b64encode(photo).decode(), "contentType": "image/png"}
    body = {"image": image, "metadata": {"userId": alice.user_id, **metadata}}
    return service.call("POST", "/images/upload", json=body)


def test_a_form_and_json_upload_the_same_image(service: Service, alice: User, photo: bytes) -> None:
    answers = [
        upload_form(service, alice, photo, description="a test", visibility="private", tags='["nature", "sunset"]'),
        upload_json(service, alice, photo, description="a test", visibility="private", tags=["nature", "sunset"]),
    ]
    for answer in answers:
        assert answer.status_code == 201
        check(answer.json(), UPLOADED)
        metadata = answer.json()["metadata"]
        names = ("user_id", "filename", "content_type", "description", "visibility", "tags")
        assert {name: metadata[name] for name in names} == {
            "user_id": alice.user_id,
            "filename": "photo.png",
            "content_type": "image/png",
            "description": "a test",
            "visibility": "private",
            "tags": ["nature", "sunset"],
        }
        url = f"{service.url}/images/{metadata['image_id']}?userId={alice.user_id}"
        assert download(requests.get(url, timeout=30).json()["presigned_url"]).content == photo


def test_curl_uploads_lists_and_updates(shell: Shell) -> None:
    uploaded = shell(
        """curl -sS -X POST "$URL/images/upload" -F "file=@photo.png" -F "userId=$ALICE" -F "description=by curl" \
        -F "visibility=public" -F 'tags=["nature","sunset"]'"""
    )
    check(uploaded, UPLOADED)
    eventually(lambda: shell('curl -sS "$URL/images?userId=$ALICE&tags=nature,sunset"')["count"], 1)
    changed = shell(
        f"""curl -sS -X PUT "$URL/images/{uploaded["image_id"]}" -H 'Content-Type: application/json' \
        -d '{{"title": "New", "visibility": "private"}}'"""
    )
    check(changed, UPLOADED)
    assert (changed["metadata"]["title"], changed["metadata"]["description"]) == ("New", "by curl")


def test_the_legacy_upload_needs_only_a_file(shell: Shell, service: Service, photo: bytes) -> None:
    uploaded = shell('curl -sS -X POST "$URL/upload" -F "file=@photo.png"')
    assert uploaded["metadata"]["user_id"] == "anonymous"
    path = f"/images/{uploaded['image_id']}/download?type=binary"
    assert service.call("GET", path, headers={"Accept": "image/png"}).content == photo
    assert service.call("DELETE", f"/images/{uploaded['image_id']}").status_code == 200


def test_an_update_changes_only_the_given_fields(service: Service, alice: User, photo: bytes) -> None:
    metadata = alice.upload(photo, title="T", description="D", tags=["old"])
    path = f"/images/{metadata['image_id']}"
    answer = service.call("PUT", path, json={"description": "new", "tags": ["new", "sunset"]})
    assert answer.status_code == 200
    check(answer.json(), UPLOADED)
    expected = {**metadata, "description": "new", "tags": ["new", "sunset"], "version": 2}
    expected["updated_at"] = answer.json()["metadata"]["updated_at"]
    assert answer.json()["metadata"] == expected
    assert service.get(path)["metadata"] == expected
    eventually(lambda: service.ids(userId=alice.user_id, tags="new"), [metadata["image_id"]])
    assert service.ids(userId=alice.user_id, tags="old") == []
    for body, field in (
        ({"userId": "someone"}, "userId"),
        ({"checksum": "0"}, "checksum"),
        ({"visibility": "x"}, "visibility"),
    ):
        refused = service.call("PUT", path, json=body)
        assert refused.status_code == 400
        assert field in refused.json()["error"]


def test_a_private_image_is_visible_only_to_its_owner(service: Service, alice: User, photo: bytes) -> None:
    image_id = upload_json(service, alice, photo, visibility="private", tags=["nature"]).json()["image_id"]
    for headers, status in (({}, 404), ({"X-User-Id": "stranger"}, 404), ({"X-User-Id": alice.user_id}, 200)):
        for path in (
            f"/images/{image_id}",
            f"/images/{image_id}/download",
            f"/images/{image_id}/download?type=binary",
            f"/image/{image_id}",
            f"/view/{image_id}",
        ):
            assert service.call("GET", path, headers=headers).status_code == status
    assert service.call("PUT", f"/images/{image_id}", json={"title": "T"}).status_code == 404
    assert service.call("DELETE", f"/delete/{image_id}").status_code == 404
    eventually(lambda: service.ids(userId=alice.user_id), [image_id])
    for images in (service.get("/images", tags="nature")["images"], service.get("/images")["images"]):
        assert image_id not in [image["image_id"] for image in images]


def test_each_filter_lists_its_matches(service: Service, alice: User, photo: bytes) -> None:
    day = timedelta(days=1)
    start = datetime.now(UTC)
    older = upload_form(service, alice, photo, description="sunny", tags="nature, sea").json()["metadata"]
    time.sleep(0.01)
    newer = alice.upload(photo, filename="IMG_0001.png", visibility="private", tags=["nature"])
    both = [newer["image_id"], older["image_id"]]
    eventually(lambda: service.ids(userId=alice.user_id), both)
    for query, expected in (
        ({"tags": "nature"}, both),
        ({"tags": "nature,sea"}, both[1:]),
        ({"filename": "photo"}, both[1:]),
        ({"filename": "img_00"}, both[:1]),
        ({"visibility": "private"}, both[:1]),
        ({"visibility": "public"}, both[1:]),
        ({"dateFrom": start.isoformat()}, both),
        ({"dateFrom": newer["created_at"]}, both[:1]),
        ({"dateTo": older["created_at"]}, both[1:]),
        ({"dateFrom": (start - day).date().isoformat(), "dateTo": (start + day).date().isoformat()}, both),
        ({"dateTo": (start - day).date().isoformat()}, []),
        ({"sort": "createdAt", "order": "asc"}, both[::-1]),
        ({"sort": "createdAt", "order": "desc", "description": "sunny"}, both[1:]),
    ):
        assert service.ids(userId=alice.user_id, **query) == expected, query
    page = service.get("/images", userId=alice.user_id, limit=1)
    check(page, {"images": [UPLOADED["metadata"]], "count": int, "has_more": bool})
    next_page = service.get("/images", userId=alice.user_id, limit=1, nextToken=page["last_evaluated_key"])
    assert [image["image_id"] for image in page["images"] + next_page["images"]] == both


@pytest.mark.parametrize("accept", ["*/*", "image/png", "application/json"])
def test_each_download_type_returns_the_file(
    service: Service, alice: User, photo: bytes, accept: str, on_localstack: bool
) -> None:
    if on_localstack and accept == "*/*":
        pytest.skip("LocalStack sends bytes in base64 if the client accepts */*; API Gateway does not.")
    path = f"/images/{alice.upload(photo, filename='photo.png')['image_id']}/download"
    headers = {"Accept": accept}
    redirect = service.call("GET", f"{path}?type=redirect", headers=headers, allow_redirects=False)
    assert redirect.status_code == 302
    assert download(redirect.headers["Location"]).content == photo
    binary = service.call("GET", f"{path}?type=binary", headers=headers)
    assert binary.content == photo
    assert binary.headers["Content-Type"] == "image/png"
    assert binary.headers["Content-Disposition"].startswith('attachment; filename="photo.png"')
    in_base64 = service.call("GET", f"{path}?type=base64", headers=headers).json()
    check(in_base64, {"image_id": str, "content": str})
    assert base64.b64decode(in_base64["content"]) == photo
    assert service.call("GET", f"{path}?type=zip").status_code == 400


def test_items_are_created_listed_changed_and_deleted(service: Service) -> None:
    answer = service.call("POST", "/items", json={"name": "first", "size": 1.5, "parts": [{"a": None}]})
    assert answer.status_code == 201
    check(answer.json(), {"id": str, "name": str, "size": float, "parts": [dict]})
    path = f"/items/{answer.json()['id']}"
    try:
        assert service.get(path) == answer.json()
        listed = service.get("/items", limit=1000)
        check(listed, {"items": [dict], "count": int, "has_more": bool})
        assert answer.json() in listed["items"]
        changed = service.call("PUT", path, json={"name": "second"})
        assert changed.status_code == 200
        assert {name: changed.json()[name] for name in ("name", "size")} == {"name": "second", "size": 1.5}
        assert service.get(path) == changed.json()
    finally:
        assert service.call("DELETE", path).status_code == 200
    assert service.call("GET", path).status_code == 404
