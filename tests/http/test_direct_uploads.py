"""Direct uploads: announced, sent to S3 in a form or in parts, processed and viewed."""

import hashlib
import io

import pytest
import requests
from PIL import Image

from tests.http.client import TIMEOUT_SECONDS, Json, User, download
from tests.http.uploads import announce, send, wait_until_processed
from tests.pictures import picture


def upright_photo() -> bytes:
    """Return a JPEG that its EXIF orientation rotates to 600 x 800 pixels: red at the top, blue at the bottom."""
    image = Image.new("RGB", (600, 800), "red")
    image.paste("blue", (0, 400, 600, 800))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_a_direct_upload_is_processed_and_listed(alice: User) -> None:
    photo = upright_photo()
    checksum = hashlib.sha256(photo).hexdigest()
    announced = announce(alice, photo, "image/jpeg", title="Dunes", tags=["sea"], checksum=checksum)
    assert (announced["state"], alice.service.ids(user_id=alice.user_id)) == ("awaiting_upload", [])
    assert send(announced, photo).status_code in (200, 201, 204)
    view = wait_until_processed(alice, announced["image_id"])
    assert (view["state"], view["metadata"]["checksum"]) == ("ready", checksum)
    assert (view["analysis"]["width"], view["analysis"]["height"]) == (600, 800)
    assert alice.service.ids(user_id=alice.user_id, tag="sea", title="dunes") == [announced["image_id"]]
    assert download(view["presigned_url"]).content == photo


def test_an_upload_through_the_api_is_processed(alice: User) -> None:
    metadata = alice.upload(picture(width=700, height=500))
    view = wait_until_processed(alice, metadata["image_id"])
    assert (view["state"], view["metadata"]) == ("ready", metadata)
    assert [variant["width"] for variant in view["analysis"]["variants"]] == [640, 640, 320]


@pytest.mark.parametrize("changed", [{"key": "other/key"}, {"Content-Type": "text/html"}])
def test_s3_refuses_a_changed_form(alice: User, changed: dict[str, str]) -> None:
    photo = picture()
    announced = announce(alice, photo)
    assert send(announced, photo, **changed).status_code == 403
    alice.service.call("POST", f"/images/{announced['image_id']}/abort")


@pytest.mark.usefixtures("signatures_count")
def test_s3_refuses_a_form_with_a_wrong_signature(alice: User) -> None:
    photo = picture()
    announced = announce(alice, photo)
    assert send(announced, photo, **{"x-amz-signature": "0" * 64}).status_code == 403
    alice.service.call("POST", f"/images/{announced['image_id']}/abort")


@pytest.mark.parametrize("content", [picture() + b"x", picture()[:-1]])
def test_s3_refuses_a_file_of_another_size(alice: User, content: bytes) -> None:
    announced = announce(alice, picture())
    assert send(announced, content).status_code == 400
    alice.service.call("POST", f"/images/{announced['image_id']}/abort")


def test_a_file_that_is_not_an_image_is_rejected_and_in_no_list(alice: User) -> None:
    announced = announce(alice, b"hello")
    assert send(announced, b"hello").status_code in (200, 201, 204)
    view = wait_until_processed(alice, announced["image_id"])
    assert (view["state"], view["reason"][:24]) == ("rejected", "The file is not an image")
    assert alice.service.ids(user_id=alice.user_id) == []
    assert alice.service.call("DELETE", f"/images/{announced['image_id']}").status_code == 200
    assert alice.service.call("GET", f"/images/{announced['image_id']}").status_code == 404


def test_an_interrupted_upload_in_parts_can_be_continued(alice: User) -> None:
    header = picture("BMP", width=10, height=10)[:54]
    photo = header + bytes(51_000_000)  # more bytes than the picture needs
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
    remaining = alice.service.call("POST", f"{path}/parts").json()
    assert remaining["sent"] == [part["part_number"] for part in announced["parts"][::2]]
    for part in remaining["parts"]:
        put(part)
    assert alice.service.call("POST", f"{path}/complete").status_code == 202
    view = wait_until_processed(alice, announced["image_id"])
    assert (view["state"], view["metadata"]["size"]) == ("ready", len(photo))


def test_an_aborted_upload_is_deleted(alice: User) -> None:
    announced = announce(alice, picture())
    path = f"/images/{announced['image_id']}"
    assert alice.service.call("POST", f"{path}/abort").status_code == 200
    assert alice.service.call("GET", path).status_code == 404
    assert alice.service.call("POST", f"{path}/complete").status_code == 404
