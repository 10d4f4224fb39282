"""Contract B: the canonical REST contract."""

import base64
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.http.client import Service, User, download, eventually
from tests.http.contracts.conftest import Shell
from tests.http.contracts.shapes import METADATA, check

UPLOADED = {"message": str, "image_id": str, "metadata": METADATA}
VIEWED = {"image_id": str, "metadata": METADATA, "presigned_url": str, "expires_in": int}


def test_upload_list_view_and_delete(service: Service, alice: User, photo: bytes) -> None:
    body = {
        "user_id": alice.user_id,
        "image_data": base64.b64encode(photo).decode(),
        "title": "Sunset",
        "description": "At the sea",
        "tags": ["nature"],
    }
    answer = service.call("POST", "/images", json=body)
    assert answer.status_code == 201
    check(answer.json(), UPLOADED)
    image_id, metadata = answer.json()["image_id"], answer.json()["metadata"]
    assert answer.json()["message"] == "Image uploaded successfully"
    assert {name: metadata[name] for name in ("user_id", "title", "description", "tags")} == {
        name: body[name] for name in ("user_id", "title", "description", "tags")
    }
    assert metadata["s3_key"] == f"{alice.user_id}/{image_id}"
    assert metadata["s3_url"].startswith("s3://")
    assert metadata["s3_url"].endswith(f"/{alice.user_id}/{image_id}")
    assert datetime.fromisoformat(metadata["created_at"]) <= datetime.fromisoformat(metadata["updated_at"])

    listed = {"images": [metadata], "count": 1, "has_more": False}
    queries: tuple[dict[str, Any], ...] = ({}, {"tag": "nature"}, {"limit": 100})
    for query in queries:
        eventually(partial(service.get, "/images", user_id=alice.user_id, **query), listed)

    view = service.get(f"/images/{image_id}")
    check(view, VIEWED)
    assert (view["image_id"], view["metadata"], view["expires_in"]) == (image_id, metadata, 3600)
    assert download(view["presigned_url"]).content == photo

    attachment = service.get(f"/images/{image_id}", download="true")["presigned_url"]
    (disposition,) = parse_qs(urlsplit(attachment).query)["response-content-disposition"]
    assert disposition.startswith("attachment; filename=")
    assert download(attachment).headers["Content-Disposition"] == disposition

    answer = service.call("DELETE", f"/images/{image_id}")
    assert (answer.status_code, answer.json()) == (
        200,
        {"message": "Image deleted successfully", "image_id": image_id},
    )
    assert service.call("DELETE", f"/images/{image_id}").status_code == 404


def test_omitted_fields_are_empty(service: Service, alice: User, photo: bytes) -> None:
    metadata = alice.upload(photo)
    assert (metadata["title"], metadata["description"], metadata["tags"]) == ("", "", [])
    assert service.get(f"/images/{metadata['image_id']}")["metadata"] == metadata


def test_last_evaluated_key_leads_to_the_next_page(service: Service, alice: User, photo: bytes) -> None:
    image_ids = [alice.upload(photo, tags=["nature"])["image_id"] for _ in range(3)][::-1]
    eventually(lambda: service.ids(user_id=alice.user_id), image_ids)
    first_page = service.get("/images", user_id=alice.user_id, tag="nature", limit=2)
    check(first_page, {"images": [METADATA], "count": int, "has_more": bool, "last_evaluated_key": str})
    assert (first_page["count"], first_page["has_more"]) == (2, True)
    cursor = first_page["last_evaluated_key"]
    last_page = service.get("/images", user_id=alice.user_id, tag="nature", limit=2, last_evaluated_key=cursor)
    assert (last_page["count"], last_page["has_more"], "last_evaluated_key" in last_page) == (1, False, False)
    assert [image["image_id"] for image in first_page["images"] + last_page["images"]] == image_ids


@pytest.mark.parametrize(
    ("body", "word"),
    [({"image_data": "aGk="}, "user_id"), ({"user_id": "user123", "image_data": "not base64!"}, "base64")],
)
def test_an_invalid_upload_is_400(service: Service, body: dict[str, str], word: str) -> None:
    answer = service.call("POST", "/images", json=body)
    assert answer.status_code == 400
    assert word in answer.json()["error"]


def test_curl_uploads_lists_views_and_deletes(shell: Shell) -> None:
    answer = shell(
        """curl -sS -X POST "$URL/images" -H "Content-Type: application/json" \
        -d "{\\"user_id\\": \\"$ALICE\\", \\"tags\\": [\\"nature\\"],
            \\"image_data\\": \\"$(base64 < photo.png | tr -d '\\n')\\"}" """
    )
    check(answer, UPLOADED)
    image_id = answer["image_id"]
    eventually(lambda: shell('curl -sS "$URL/images?user_id=$ALICE&tag=nature&limit=10"')["count"], 1)
    check(shell(f'curl -sS "$URL/images/{image_id}?download=true"'), VIEWED)
    assert shell(f'curl -sS -X DELETE "$URL/images/{image_id}"')["image_id"] == image_id
