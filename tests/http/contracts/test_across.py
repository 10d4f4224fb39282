"""Every contract sees the images of every other."""

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from requests_toolbelt import MultipartEncoder

from tests.http.client import Service, User, download, eventually
from tests.http.contracts.conftest import Invoke

Upload = Callable[[Service, User, bytes], Any]


def post_form(service: Service, path: str, photo: bytes, **fields: str) -> Any:
    encoder = MultipartEncoder({**fields, "file": ("photo.png", photo, "image/png")})
    return service.call("POST", path, data=encoder, headers={"Content-Type": encoder.content_type}).json()


def post_json(service: Service, path: str, body: object) -> Any:
    return service.call("POST", path, json=body).json()


def _contains(listed: Callable[[], list[str]], image_id: str) -> bool:
    return image_id in listed()


def encoded(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


UPLOADS: dict[str, Upload] = {
    "A": lambda service, user, photo: post_json(
        service, "/upload", {"user_id": user.user_id, "image_file": encoded(photo), "title": "Dunes", "tags": ["sea"]}
    ),
    "B": lambda service, user, photo: post_json(
        service, "/images", {"user_id": user.user_id, "image_data": encoded(photo), "title": "Dunes", "tags": ["sea"]}
    ),
    "C": lambda service, user, photo: post_form(
        service, "/upload", photo, user=user.user_id, title="Dunes", tags="sea"
    ),
    "D": lambda service, user, photo: post_json(
        service, "/images", {"user_id": user.user_id, "image_base64": encoded(photo), "title": "Dunes", "tags": ["sea"]}
    ),
    "E, form": lambda service, user, photo: post_form(
        service, "/images/upload", photo, userId=user.user_id, title="Dunes", tags='["sea"]'
    ),
    "E, JSON": lambda service, user, photo: post_json(
        service,
        "/images/upload",
        {
            "image": {"filename": "photo.png", "content": encoded(photo)},
            "metadata": {"userId": user.user_id, "title": "Dunes", "tags": ["sea"]},
        },
    ),
}


@pytest.mark.parametrize("upload", UPLOADS.values(), ids=UPLOADS)
def test_an_upload_through_one_contract_is_visible_through_every_other(
    service: Service, alice: User, photo: bytes, upload: Upload
) -> None:
    image_id = upload(service, alice, photo)["image_id"]
    metadata = service.get(f"/images/{image_id}")["metadata"]
    assert (metadata["title"], metadata["tags"]) == ("Dunes", ["sea"])
    lists: dict[str, Callable[[], list[str]]] = {
        "A": lambda: [image["image_id"] for image in service.get("/images", title="Dunes", limit=9)["images"]],
        "B, D": lambda: service.ids(user_id=alice.user_id, tag="sea"),
        "C": lambda: [entry["id"] for entry in service.call("GET", f"/list?user={alice.user_id}").json()],
        "E": lambda: service.ids(userId=alice.user_id, tags="sea"),
    }
    for listed in lists.values():
        eventually(partial(_contains, listed, image_id), True)
    for url in (
        service.get(f"/image/{image_id}")["download_url"],
        service.get(f"/images/{image_id}")["presigned_url"],
        service.get(f"/view/{image_id}")["url"],
        service.get(f"/images/{image_id}/download")["download_url"],
        f"{service.url}/images/{image_id}/download?type=redirect",
    ):
        assert download(url).content == photo
    binary = service.call("GET", f"/images/{image_id}/download?type=binary", headers={"Accept": "image/png"})
    assert binary.content == photo


def test_functions_and_http_see_the_uploads_of_each_other(
    service: Service, alice: User, photo: bytes, invoke: Invoke
) -> None:
    body = {"user": alice.user_id, "image_file": encoded(photo)}
    _, first = invoke("upload_image", {"body": body})
    second = alice.upload(photo)["image_id"]
    eventually(lambda: service.ids(user_id=alice.user_id), [second, first["image_id"]])
    query = {"queryStringParameters": {"user_id": alice.user_id}}
    assert [image["image_id"] for image in invoke("list_images", query)[1]["images"]] == [second, first["image_id"]]
    assert invoke("delete_images", {"pathParameters": {"image_id": second}})[0] == 200
    assert service.call("GET", f"/images/{second}").status_code == 404


@pytest.mark.parametrize("path", ["/images/{}", "/image/{}", "/delete/{}"])
def test_a_deletion_through_one_contract_applies_to_every_other(
    service: Service, alice: User, photo: bytes, path: str
) -> None:
    image_id = alice.upload(photo)["image_id"]
    assert service.call("DELETE", path.format(image_id)).status_code == 200
    for view_path in ("/images/{}", "/image/{}", "/view/{}", "/images/{}/download"):
        assert service.call("GET", view_path.format(image_id)).status_code == 404
