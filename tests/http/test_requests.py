"""Requests that are written by hand, byte for byte, as some clients send them."""

import base64
import json

import pytest

from tests.http.client import Service, User
from tests.pictures import picture

PHOTO = picture(width=8, height=6)
MULTIPART = {"Content-Type": "multipart/form-data; boundary=XbX"}


def form(user: User, *parts: tuple[str, bytes]) -> bytes:
    """Return a form of a user. A part is its headers and its content; `form-data` stands for the disposition."""
    owner = ('form-data; name="user_id"', user.user_id.encode())
    lines = [
        f"--XbX\r\nContent-Disposition: {head}\r\n\r\n".encode("latin-1") + content for head, content in (owner, *parts)
    ]
    return b"\r\n".join([*lines, b"--XbX--\r\n"])


@pytest.mark.usefixtures("odd_requests_arrive")
@pytest.mark.parametrize(
    ("filename", "stored"),
    [
        ("a; filename*=utf-8''evil.png", "a; filename*=utf-8''evil.png"),
        ("Caf\xe9.png", "Café.png"),  # in Latin-1
        ("a%22b.png", 'a"b.png'),
    ],
)
def test_a_filename_is_stored_as_the_client_named_it(alice: User, filename: str, stored: str) -> None:
    body = form(alice, (f'form-data; name="file"; filename="{filename}"\r\nContent-Type: image/png', PHOTO))
    answer = alice.service.call("POST", "/images", data=body, headers=MULTIPART)
    assert (answer.status_code, answer.json()["metadata"]["filename"]) == (201, stored)


def test_a_text_in_latin_1_is_stored_as_it_was_meant(alice: User) -> None:
    title = 'form-data; name="title"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit'
    tags = [('form-data; name="tags[]"', tag) for tag in (b"sea", b"sky")]
    file = ('form-data; name="file"; filename="a.png"', PHOTO)
    body = form(alice, (title, b"Caf\xe9"), *tags, file)
    answer = alice.service.call("POST", "/images", data=body, headers=MULTIPART)
    assert (answer.status_code, answer.json()["metadata"]["title"]) == (201, "Café")
    assert answer.json()["metadata"]["tags"] == ["sea", "sky"]


@pytest.mark.parametrize("head", ["DATA:image/png;base64,", "data:;BASE64,", ""])
def test_base64_is_read_in_each_of_its_forms(alice: User, head: str) -> None:
    unpadded = base64.urlsafe_b64encode(PHOTO).decode().rstrip("=")
    body = b"\xef\xbb\xbf" + json.dumps({"user_id": alice.user_id, "image_data": head + unpadded}).encode()
    answer = alice.service.call("POST", "/images", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["metadata"]["size"]) == (201, len(PHOTO))


def test_a_file_can_be_the_whole_body(alice: User) -> None:
    headers = {"Content-Type": "image/png", "X-User-Id": alice.user_id, "X-Title": "Caf%C3%A9"}
    answer = alice.service.call("POST", "/images?tags=sea,sky&filename=a.png", data=PHOTO, headers=headers)
    metadata = answer.json()["metadata"]
    assert (answer.status_code, metadata["title"], metadata["tags"]) == (201, "Café", ["sea", "sky"])
    assert (metadata["filename"], metadata["size"]) == ("a.png", len(PHOTO))


@pytest.mark.parametrize(
    ("path", "nearest"), [("/images?userid=me", "userId"), ("/images?Limit=1", "limit"), ("/tags?prefx=a", "prefix")]
)
def test_a_misspelled_parameter_is_refused_with_the_nearest_one(service: Service, path: str, nearest: str) -> None:
    answer = service.call("GET", path)
    assert (answer.status_code, f"Did you mean {nearest}?" in answer.json()["error"]) == (400, True)


@pytest.mark.usefixtures("odd_requests_arrive")
def test_a_compressed_body_is_refused(alice: User) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = alice.service.call("POST", "/images", data=b"\x1f\x8b", headers=headers)
    assert (answer.status_code, "Content-Encoding 'gzip'" in answer.json()["error"]) == (415, True)


def test_the_id_that_a_client_gives_its_request_is_in_the_response(service: Service) -> None:
    answer = service.call("GET", "/images?limit=1", headers={"X-Request-Id": "my-request:1"})
    assert answer.headers["X-Request-Id"] == "my-request:1"
