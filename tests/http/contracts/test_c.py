"""C: multipart upload and verb paths."""

import time
from urllib.parse import urljoin

from requests_toolbelt import MultipartEncoder

from tests.http.client import Service, User, download, eventually
from tests.http.contracts.conftest import Shell
from tests.http.contracts.shapes import check

ENTRY = {"id": str, "filename": str, "user": str, "description": str, "created_at": int}
UPLOADED = {"id": str, "key": str, "bucket": str, "message": str}


def test_upload_list_view_and_delete_by_curl(shell: Shell, alice: User, photo: bytes) -> None:
    before = int(time.time())
    kept = shell('curl -sS -X POST "$URL/upload" -F "user=$ALICE" -F "description=test image" -F "file=@photo.png"')
    check(kept, UPLOADED)
    assert kept["message"] == "Upload successful"
    assert kept["key"].endswith(".png")

    entry = {"id": kept["id"], "filename": "photo.png", "user": alice.user_id, "description": "test image"}
    eventually(lambda: [found["id"] for found in shell('curl -sS "$URL/list?user=$ALICE"')], [kept["id"]])
    (listed,) = shell('curl -sS "$URL/list?user=$ALICE"')
    check(listed, ENTRY)
    assert {name: listed[name] for name in entry} == entry
    assert before <= listed["created_at"] <= time.time()
    assert kept["id"] in [found["id"] for found in shell('curl -sS "$URL/list"')]

    view = shell(f'curl -sS "$URL/view/{kept["id"]}"')
    check(view, {**ENTRY, "bucket": str, "url": str})
    assert {name: view[name] for name in listed} == listed
    assert view["bucket"] == kept["bucket"]
    assert download(view["url"]).content == photo

    assert shell(f'curl -sS -X DELETE "$URL/delete/{kept["id"]}"') == {"deleted": kept["id"], "key": kept["key"]}
    assert list(shell(f'curl -sS "$URL/view/{kept["id"]}"')) == ["error"]
    assert shell('curl -sS "$URL/list?user=$ALICE"') == []


def test_a_form_of_another_client_is_the_same(service: Service, alice: User, photo: bytes) -> None:
    form = MultipartEncoder({"user": alice.user_id, "file": ("holiday photo.JPG", photo, "image/jpeg")})
    answer = service.call("POST", "/upload", data=form, headers={"Content-Type": form.content_type})
    assert answer.status_code == 200
    check(answer.json(), UPLOADED)
    assert answer.json()["key"].endswith(".JPG")
    url = service.get(f"/view/{answer.json()['id']}")["url"]
    assert download(url).content == photo


def test_a_list_is_bounded_and_its_link_leads_on(service: Service, alice: User, photo: bytes) -> None:
    made = [alice.upload(photo)["image_id"] for _ in range(3)][::-1]
    eventually(lambda: service.ids(user_id=alice.user_id), made)
    path: str | None = f"/list?user={alice.user_id}&limit=2"
    pages = []
    while path:
        answer = service.call("GET", path)
        pages.append([entry["id"] for entry in answer.json()])
        following = answer.links.get("next")
        path = urljoin(path, following["url"]) if following else None
    assert pages == [made[:2], made[2:]]


def test_an_unknown_id_is_a_404(service: Service) -> None:
    for method, path in (("GET", "/view/nothing"), ("DELETE", "/delete/nothing")):
        assert service.call(method, path).status_code == 404
