"""Images that are sent to S3 directly: announced, sent by a form or in parts, and seen when they were processed."""

import hashlib
import io

import pytest
import requests
from PIL import Image

from tests.http.client import TIMEOUT_SECONDS, Json, User, download
from tests.http.uploads import announce, finished, send
from tests.pictures import picture


def upright_photo() -> bytes:
    """A JPEG that stands on its side, 600 x 800 when it is held upright: red above, blue below."""
    image = Image.new("RGB", (600, 800), "red")
    image.paste("blue", (0, 400, 600, 800))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_a_photo_that_is_sent_to_s3_is_processed_and_listed(alice: User) -> None:
    photo = upright_photo()
    checksum = hashlib.sha256(photo).hexdigest()
    announced = announce(alice, photo, "image/jpeg", title="Dunes", tags=["sea"], checksum=checksum)
    assert (announced["state"], alice.service.ids(user_id=alice.user_id)) == ("awaiting_upload", [])
    assert send(announced, photo).status_code in (200, 201, 204)
    view = finished(alice, announced["image_id"])
    assert (view["state"], view["metadata"]["checksum"]) == ("ready", checksum)
    assert (view["analysis"]["width"], view["analysis"]["height"]) == (600, 800)
    assert alice.service.ids(user_id=alice.user_id, tag="sea", title="dunes") == [announced["image_id"]]
    assert download(view["presigned_url"]).content == photo


def test_an_upload_through_the_api_is_processed_too(alice: User) -> None:
    kept = alice.upload(picture(width=700, height=500))
    view = finished(alice, kept["image_id"])
    assert (view["state"], view["metadata"]) == ("ready", kept)
    assert [variant["width"] for variant in view["analysis"]["variants"]] == [640, 320]


@pytest.mark.parametrize("changed", [{"key": "other/key"}, {"Content-Type": "text/html"}])
def test_s3_takes_no_form_that_was_changed(alice: User, changed: dict[str, str]) -> None:
    photo = picture()
    announced = announce(alice, photo)
    assert send(announced, photo, **changed).status_code == 403
    alice.service.call("POST", f"/images/{announced['image_id']}/abort")


@pytest.mark.usefixtures("signatures_count")
def test_s3_takes_no_form_without_its_signature(alice: User) -> None:
    photo = picture()
    announced = announce(alice, photo)
    assert send(announced, photo, **{"x-amz-signature": "0" * 64}).status_code == 403
    alice.service.call("POST", f"/images/{announced['image_id']}/abort")


@pytest.mark.parametrize("content", [picture() + b"x", picture()[:-1]])
def test_s3_takes_no_other_size(alice: User, content: bytes) -> None:
    announced = announce(alice, picture())
    assert send(announced, content).status_code == 400
    alice.service.call("POST", f"/images/{announced['image_id']}/abort")


def test_what_is_no_image_is_rejected_and_in_no_list(alice: User) -> None:
    announced = announce(alice, b"hello")
    assert send(announced, b"hello").status_code in (200, 201, 204)
    view = finished(alice, announced["image_id"])
    assert (view["state"], view["reason"][:24]) == ("rejected", "The file is not an image")
    assert alice.service.ids(user_id=alice.user_id) == []
    assert alice.service.call("DELETE", f"/images/{announced['image_id']}").status_code == 200
    assert alice.service.call("GET", f"/images/{announced['image_id']}").status_code == 404


def test_a_large_image_goes_up_in_parts_and_is_gone_on_with(alice: User) -> None:
    header = picture("BMP", width=10, height=10)[:54]
    photo = header + bytes(51_000_000)  # of which only so much is the picture
    announced = announce(alice, photo, "image/bmp", filename="large.bmp")
    size = announced["part_size"]
    path = f"/images/{announced['image_id']}"

    def put(part: Json) -> None:
        start = (part["part_number"] - 1) * size
        body = photo[start : start + part["size"]]
        assert requests.put(part["url"], data=body, timeout=TIMEOUT_SECONDS).status_code == 200

    for part in announced["parts"][::2]:
        put(part)
    assert alice.service.call("POST", f"{path}/complete").status_code == 409
    rest = alice.service.call("POST", f"{path}/parts").json()
    assert rest["sent"] == [part["part_number"] for part in announced["parts"][::2]]
    for part in rest["parts"]:
        put(part)
    assert alice.service.call("POST", f"{path}/complete").status_code == 202
    view = finished(alice, announced["image_id"])
    assert (view["state"], view["metadata"]["size"]) == ("ready", len(photo))


def test_an_upload_that_is_given_up_is_gone(alice: User) -> None:
    announced = announce(alice, picture())
    path = f"/images/{announced['image_id']}"
    assert alice.service.call("POST", f"{path}/abort").status_code == 200
    assert alice.service.call("GET", path).status_code == 404
    assert alice.service.call("POST", f"{path}/complete").status_code == 404
