"""Contract C: multipart upload, and paths that are verbs."""

import time
from urllib.parse import urljoin

from requests_toolbelt import MultipartEncoder

from tests.http.client import Service, User, download, eventually
from tests.http.contracts.conftest import Shell
from tests.http.contracts.shapes import check

ENTRY = {"id": str, "filename": str, "user": str, "description": str, "created_at": int}
UPLOADED = {"id": str, "key": str, "bucket": str, "message": str}


def test_curl_uploads_lists_views_and_deletes(shell: Shell, alice: User, photo: bytes) -> None:
    before = int(time.time())
    uploaded = shell('curl -sS -X POST "$URL/upload" -F "user=$ALICE" -F "description=test image" -F "file=@photo.png"')
    check(uploaded, UPLOADED)
    assert uploaded["message"] == "Upload successful"
    assert uploaded["key"].endswith(".png")

    entry = {"id": uploaded["id"], "filename": "photo.png", "user": alice.user_id, "description": "test image"}
    eventually(lambda: [each["id"] for each in shell('curl -sS "$URL/list?user=$ALICE"')], [uploaded["id"]])
    (listed,) = shell('curl -sS "$URL/list?user=$ALICE"')
    check(listed, ENTRY)
    assert {name: listed[name] for name in entry} == entry
    assert before <= listed["created_at"] <= time.time()
    assert uploaded["id"] in [each["id"] for each in shell('curl -sS "$URL/list"')]

    view = shell(f'curl -sS "$URL/view/{uploaded["id"]}"')
    check(view, {**ENTRY, "bucket": str, "url": str})
    assert {name: view[name] for name in listed} == listed
    assert view["bucket"] == uploaded["bucket"]
    assert download(view["url"]).content == photo

    assert shell(f'curl -sS -X DELETE "$URL/delete/{uploaded["id"]}"') == {
        "deleted": uploaded["id"],
        "key": uploaded["key"],
    }
    assert list(shell(f'curl -sS "$URL/view/{uploaded["id"]}"')) == ["error", "message"]
    assert shell('curl -sS "$URL/list?user=$ALICE"') == []


def test_a_form_of_another_client_is_accepted(service: Service, alice: User, photo: bytes) -> None:
    form = MultipartEncoder({"user": alice.user_id, "file": ("holiday photo.JPG", photo, "image/jpeg")})
    answer = service.call("POST", "/upload", data=form, headers={"Content-Type": form.content_type})
    assert answer.status_code == 200
    check(answer.json(), UPLOADED)
    assert answer.json()["key"].endswith(".JPG")
    url = service.get(f"/view/{answer.json()['id']}")["url"]
    assert download(url).content == photo


def test_a_list_has_a_limit_and_links_to_its_next_page(service: Service, alice: User, photo: bytes) -> None:
    image_ids = [alice.upload(photo)["image_id"] for _ in range(3)][::-1]
    eventually(lambda: service.ids(user_id=alice.user_id), image_ids)
    path: str | None = f"/list?user={alice.user_id}&limit=2"
    pages = []
    while path:
        answer = service.call("GET", path)
        pages.append([entry["id"] for entry in answer.json()])
        next_link = answer.links.get("next")
        path = urljoin(path, next_link["url"]) if next_link else None
    assert pages == [image_ids[:2], image_ids[2:]]


def test_an_unknown_id_is_404(service: Service) -> None:
    for method, path in (("GET", "/view/nothing"), ("DELETE", "/delete/nothing")):
        assert service.call(method, path).status_code == 404
