"""Contract D: upload in base64 with tags."""

import base64
import hashlib
from functools import partial
from typing import Any

from tests.http.client import Service, User, download, eventually
from tests.http.contracts.shapes import RECORD, check


def test_upload_list_get_download_and_delete(service: Service, alice: User, photo: bytes) -> None:
    body = {
        "user_id": alice.user_id,
        "title": "Sunset",
        "description": "At the sea",
        "tags": ["Nature", "sunset"],
        "content_type": "image/png",
        "image_base64": base64.b64encode(photo).decode(),
    }
    answer = service.call("POST", "/images", json=body)
    assert answer.status_code == 201
    check(answer.json(), {"image_id": str, "metadata": RECORD})
    image_id, record = answer.json()["image_id"], answer.json()["metadata"]
    assert {name: record[name] for name in ("content_type", "size", "checksum")} == {
        "content_type": "image/png",
        "size": len(photo),
        "checksum": hashlib.sha256(photo).hexdigest(),
    }

    queries: tuple[dict[str, Any], ...] = (
        {"user_id": alice.user_id},
        {"user_id": alice.user_id, "tag": "NATURE"},
        {"user_id": alice.user_id, "tag": "sunset", "limit": 1},
    )
    for query in queries:
        eventually(partial(service.ids, **query), [image_id])
    check(service.get("/images", user_id=alice.user_id), {"images": [RECORD], "count": int, "has_more": bool})
    assert image_id in [image["image_id"] for image in service.get("/images", tag="nature")["images"]]
    assert service.ids(user_id=alice.user_id, tag="other") == []

    assert service.get(f"/images/{image_id}")["metadata"] == record
    link = service.get(f"/images/{image_id}/download")
    check(link, {"image_id": str, "download_url": str, "expires_in": int})
    downloaded = download(link["download_url"])
    assert downloaded.content == photo
    assert downloaded.headers["Content-Type"] == "image/png"

    assert service.call("DELETE", f"/images/{image_id}").status_code == 200
    assert service.ids(user_id=alice.user_id, tag="nature") == []
    assert service.call("GET", f"/images/{image_id}/download").status_code == 404


def test_the_content_type_comes_from_the_bytes(service: Service, alice: User, photo: bytes) -> None:
    assert alice.upload(photo, content_type="image/gif")["content_type"] == "image/png"
    assert alice.try_upload(b"no image", content_type="image/png").status_code == 415
