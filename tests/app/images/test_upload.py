import base64
import hashlib
import struct
from collections.abc import Callable

import pytest

from tests import crafted
from tests.app.background import object_created
from tests.app.conftest import Api, Stores
from tests.errors import error
from tests.pictures import base64_picture, picture
from tests.tiffs import FLOAT, WEBP, tiff


def test_an_upload_stores_the_bytes_and_the_metadata(api: Api, stores: Stores) -> None:
    photo = picture("JPEG", width=64, height=48)
    body = {
        "user_id": "alice",
        "image_data": base64.b64encode(photo).decode(),
        "title": "Dunes",
        "description": "At noon",
        "tags": ["Sea", "sand"],
        "filename": "dunes.jpg",
    }
    answer = api.call("POST", "/images", body)
    image_id = answer.json_body["image_id"]
    created_at = answer.json_body["metadata"]["created_at"]
    assert answer.status_code == 201
    assert answer.json_body == {
        "message": "Image uploaded successfully",
        "image_id": image_id,
        "metadata": {
            "image_id": image_id,
            "user_id": "alice",
            "title": "Dunes",
            "description": "At noon",
            "tags": ["Sea", "sand"],
            "s3_key": f"alice/{image_id}",
            "s3_url": f"s3://images-originals/alice/{image_id}",
            "created_at": created_at,
            "updated_at": created_at,
            "filename": "dunes.jpg",
            "content_type": "image/jpeg",
            "size": len(photo),
            "checksum": hashlib.sha256(photo).hexdigest(),
            "width": 64,
            "height": 48,
            "visibility": "public",
            "version": 1,
        },
    }
    assert stores.objects() == {f"alice/{image_id}": photo}
    assert [record["s3_url"]["S"] for record in stores.records()] == [f"s3://images-originals/alice/{image_id}"]
    # Rows of tags have the keys that contract D publishes. Keys of other terms begin with a character that no tag has.
    rows = {(row["tag"]["S"], row["image_id"]["S"]) for row in stores.rows()}
    assert {(tag, key) for tag, key in rows if not tag.startswith("\x1f")} == {("sand", image_id), ("sea", image_id)}


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/avif"),
        ("TIFF", "image/tiff"),
        ("BMP", "image/bmp"),
        ("HEIF", "image/heic"),
        ("MPO", "image/jpeg"),
    ],
)
def test_the_content_type_comes_from_the_bytes(api: Api, stores: Stores, kind: str, content_type: str) -> None:
    photo = base64.b64encode(picture(kind)).decode()
    metadata = api.upload(image_data=photo, filename="x.txt", content_type="text/html")
    assert (metadata["content_type"], metadata["width"], metadata["height"]) == (content_type, 40, 30)
    head = stores.s3.head_object(Bucket="images-originals", Key=metadata["s3_key"])
    assert head["ContentType"] == content_type


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "AVIF", "TIFF", "MPO", "HEIF"])
def test_an_image_with_several_frames_can_be_uploaded_and_viewed(api: Api, kind: str) -> None:
    image = api.upload(image_data=base64.b64encode(picture(kind, frames=3)).decode())
    assert image["content_type"] == {"MPO": "image/jpeg", "HEIF": "image/heic"}.get(kind, f"image/{kind.lower()}")
    for query in ("", "?download=true"):
        assert api.get(f"/images/{image['image_id']}{query}").status_code == 200


@pytest.mark.parametrize("brand", [b"msf1", b"hevc", b"mif1"])
def test_a_heif_of_any_brand_is_refused_or_can_be_viewed(api: Api, brand: bytes) -> None:
    data = picture("HEIF").replace(b"ftypheic", b"ftyp" + brand, 1)
    answer = api.call("POST", "/images", {"user_id": "alice", "image_data": base64.b64encode(data).decode()})
    assert answer.status_code in (201, 415)
    if answer.status_code == 201:
        assert answer.json_body["metadata"]["content_type"] in ("image/heic", "image/heif")
        assert api.get(f"/images/{answer.json_body['image_id']}?download=true").status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        b"\xff\xd8" + b"\xff\xe1\0\x08Exif\0\0" * 170_000,
        b"II*\0\x08\0\0\0" + b"\xff\xff" + b"\0" * 12 * 65_535 + b"\0\0\0\0",
        crafted.strips(200_000),
        crafted.gif(b"!\xfe\1x\0" * 200_000),
        crafted.png(b"tEXt", 50_000),
        crafted.with_items("AVIF", 50_000),
    ],
    ids=["segments of a JPEG", "entries of a TIFF", "strips of a TIFF", "comments of a GIF", "PNG", "AVIF"],
)
def test_a_header_with_too_many_parts_is_refused(api: Api, stores: Stores, header: bytes) -> None:
    answer = api.call("POST", "/images", {"user_id": "alice", "image_data": base64.b64encode(header).decode()})
    sentence = "The image has more than 1000 parts in its header, which is the limit (MAX_HEADER_PARTS)."
    assert (answer.status_code, answer.json_body) == (413, error(sentence))
    assert stores.are_empty()


@pytest.mark.parametrize(
    "file",
    [
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"%PDF-1.7",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"\0\0\0\x18ftypavif" + b"\0" * 40,
        b"\0\0\0\x18ftypheic" + b"\0" * 40,
        b"BM" + b"\xff" * 60,
    ],
)
def test_a_file_that_is_not_an_image_is_refused_and_leaves_nothing(api: Api, stores: Stores, file: bytes) -> None:
    body = {"user_id": "alice", "image_data": base64.b64encode(file).decode()}
    answer = api.call("POST", "/images", body)
    assert answer.status_code == 415
    assert answer.json_body["error"].startswith("The file is not an image of an accepted type")
    assert stores.are_empty()


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (
            tiff(lambda x, y: [0.1, 0.2, 0.3], photometric=2, bits=32, sample_format=FLOAT),
            "TIFF that is not accepted: RGB, 3 samples of 32 bits per pixel, floating point, not compressed",
        ),
        (
            tiff(lambda x, y: [0.1, 0.2, 0.3], photometric=2, compression=WEBP),
            "TIFF that is not accepted: RGB, 3 samples of 8 bits per pixel, unsigned, WebP",
        ),
        (
            picture("BMP").replace(struct.pack("<HH", 1, 24), struct.pack("<HH", 1, 64), 1),
            "BMP that is not accepted: a header of 40 bytes, 64 bits per pixel, no compression",
        ),
    ],
)
def test_a_kind_of_file_that_is_not_accepted_is_named(api: Api, stores: Stores, file: bytes, kind: str) -> None:
    answer = api.call("POST", "/images", {"user_id": "alice", "image_data": base64.b64encode(file).decode()})
    sentence = f"The file is a kind of {kind}. Save it as a common kind, for example with 8 bits per channel."
    assert (answer.status_code, answer.json_body) == (415, error(sentence))
    assert stores.are_empty()


@pytest.mark.parametrize(
    "file",
    [
        picture("JPEG")[:20],
        picture("JPEG")[:-40],
        picture("JPEG")[:500],
        picture("PNG")[:24],
        picture("PNG")[:500],
        b"GIF89a",
        picture("GIF")[:900],
        picture("WEBP")[:500],
        picture("AVIF")[:500],
        picture("BMP")[:500],
        b"II*\0\xff\xff\xff\xff",
    ],
)
@pytest.mark.parametrize("form", [False, True])
def test_a_file_that_is_cut_off_is_refused_and_leaves_nothing(
    api: Api, stores: Stores, file: bytes, form: bool
) -> None:
    if form:
        body = b'--B\r\nContent-Disposition: form-data; name="user_id"\r\n\r\nalice\r\n'
        body += b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + file + b"\r\n--B--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        answer = api.client.http.post("/images", headers=headers, body=body)
    else:
        answer = api.call("POST", "/images", {"user_id": "alice", "image_data": base64.b64encode(file).decode()})
    sentence = "The file is cut off: a part of its picture is missing. Send the whole file."
    assert (answer.status_code, answer.json_body) == (400, error(sentence))
    assert stores.are_empty()


def test_a_jpeg_without_its_end_mark_is_accepted(api: Api, stores: Stores) -> None:
    photo = picture("JPEG", width=96, height=64)[:-2]
    image = api.upload(image_data=base64.b64encode(photo).decode())
    assert (image["content_type"], image["width"], image["height"]) == ("image/jpeg", 96, 64)
    object_created(api, image["s3_key"])
    assert api.view(image["image_id"])["state"] == "ready"
    assert stores.objects() == {image["s3_key"]: photo}


@pytest.mark.parametrize(
    ("limit", "file", "sentence"),
    [
        (
            {"MAX_IMAGE_BYTES": "100"},
            picture(),
            "The image has more than 100 bytes, which is the limit (MAX_IMAGE_BYTES). Upload it directly to S3: "
            "POST images/direct-upload.",
        ),
        ({"MAX_PIXELS": "1199"}, picture(), "The image has more than 1199 pixels, which is the limit (MAX_PIXELS)."),
        (
            {"MAX_SIDE_PX": "39"},
            picture(),
            "The image has more than 39 pixels on one side, which is the limit (MAX_SIDE_PX).",
        ),
        (
            {"MAX_TIFF_BLOCKS": "99"},
            crafted.strips(100, 100, 1),
            "The TIFF has more than 99 strips or tiles, which is the limit (MAX_TIFF_BLOCKS).",
        ),
        (
            {},
            crafted.saved("AVIF").replace(struct.pack(">II", 64, 48), struct.pack(">II", 17_000, 17_000), 1),
            "The image has more than 100000000 pixels, which is the limit (MAX_PIXELS).",
        ),
        ({"MAX_FRAMES": "2"}, "GIF", "The image has more than 2 frames, which is the limit (MAX_FRAMES)."),
        ({"MAX_FRAMES": "2"}, "TIFF", "The image has more than 2 frames, which is the limit (MAX_FRAMES)."),
        ({"MAX_FRAMES": "2"}, "PNG", "The image has more than 2 frames, which is the limit (MAX_FRAMES)."),
        ({"MAX_FRAMES": "2"}, "WEBP", "The image has more than 2 frames, which is the limit (MAX_FRAMES)."),
    ],
)
def test_an_image_over_a_limit_is_refused_with_the_name_of_the_limit(
    api: Api,
    stores: Stores,
    configured: Callable[..., None],
    limit: dict[str, str],
    file: bytes | str,
    sentence: str,
) -> None:
    configured(**limit)
    data = file if isinstance(file, bytes) else picture(file, frames=3)
    answer = api.call("POST", "/images", {"user_id": "alice", "image_data": base64.b64encode(data).decode()})
    assert (answer.status_code, answer.json_body) == (413, error(sentence))
    assert stores.are_empty()


def test_an_image_at_the_limits_is_accepted(api: Api, configured: Callable[..., None]) -> None:
    data = picture("GIF", frames=3)
    configured(MAX_IMAGE_BYTES=str(len(data)), MAX_PIXELS="1200", MAX_FRAMES="3")
    assert api.upload(image_data=base64.b64encode(data).decode())["size"] == len(data)


def test_an_image_with_gigantic_dimensions_is_refused(api: Api) -> None:
    # A GIF of 35 bytes. Its header declares 65,535 x 65,535 pixels.
    bomb = b"GIF89a\xff\xff\xff\xff\x80\0\0" + b"\0" * 6 + b"\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0\x3b"
    answer = api.call("POST", "/images", {"user_id": "alice", "image_data": base64.b64encode(bomb).decode()})
    assert answer.status_code == 413


def test_an_invalid_upload_is_refused_with_the_name_of_the_field(api: Api, stores: Stores) -> None:
    for body, field in [
        ({"image_data": base64_picture()}, "user_id"),
        ({"user_id": "alice"}, "image_data"),
        ({"user_id": "alice", "image_data": "%%%"}, "image_data"),
        ({"user_id": "alice", "image_data": base64_picture(), "tags": 7}, "tags"),
    ]:
        answer = api.call("POST", "/images", body)
        assert answer.status_code == 400
        assert field in answer.json_body["error"]
    assert stores.are_empty()


def test_fields_at_their_limits_are_stored(api: Api) -> None:
    fields = {
        "user_id": "\N{GRINNING FACE}" * 128,
        "title": "\N{EURO SIGN}" * 256,
        "description": "\N{GRINNING FACE}" * 5000,
        "filename": "\N{EURO SIGN}" * 255,
        "tags": [f"{n:02}" + "\N{GRINNING FACE}" * 62 for n in range(30)],
    }
    image = api.upload(**fields)
    assert {name: image[name] for name in fields} == fields
    viewed = api.get(f"/images/{image['image_id']}").json_body["metadata"]
    assert viewed == image
    assert api.listed(f"tag={fields['tags'][7]}") == [image["image_id"]]
