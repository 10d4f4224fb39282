import hashlib
import io
from functools import partial

import pytest
from PIL import Image

from tests.http.client import Service, User, download, eventually
from tests.pictures import picture


@pytest.fixture(scope="module")
def photograph() -> bytes:
    """Return a JPEG of 3 MB."""
    noise = Image.effect_noise((2400, 1800), 90).convert("RGB")
    buffer = io.BytesIO()
    noise.save(buffer, "JPEG", quality=84)
    assert 2_900_000 < buffer.tell() < 3_400_000
    return buffer.getvalue()


def test_a_3_mb_photograph_is_downloaded_unchanged(alice: User, photograph: bytes) -> None:
    metadata = alice.upload(photograph, title="Dunes", description="At noon", tags=["nature"], filename="dunes.jpg")
    view = alice.service.get(f"/images/{metadata['image_id']}")
    downloaded = download(view["presigned_url"])
    assert downloaded.status_code == 200
    assert downloaded.content == photograph
    assert downloaded.headers["Content-Type"] == "image/jpeg"
    assert metadata["checksum"] == hashlib.sha256(photograph).hexdigest()
    assert view["metadata"] == metadata
    assert (metadata["width"], metadata["height"], metadata["size"]) == (2400, 1800, len(photograph))


@pytest.mark.parametrize(
    ("name", "saved_as"),
    [
        ("dunes.png", "dunes.png"),
        ("Ünïcode \N{GRINNING FACE}.png", "Ünïcode \N{GRINNING FACE}.png"),
        ('"; filename="evil.exe', '"; filename="evil.exe.png'),
        ("a%20b;c,d.png", "a%20b;c,d.png"),
    ],
)
def test_a_download_is_an_attachment_with_its_filename(alice: User, name: str, saved_as: str) -> None:
    from werkzeug.http import parse_options_header

    image_id = alice.upload(picture(), filename=name)["image_id"]
    downloaded = download(alice.service.get(f"/images/{image_id}", download="true")["presigned_url"])
    assert downloaded.content == picture()
    assert parse_options_header(downloaded.headers["Content-Disposition"]) == ("attachment", {"filename": saved_as})
    assert "Content-Disposition" not in download(alice.service.get(f"/images/{image_id}")["presigned_url"]).headers


def test_render_returns_the_requested_size_and_format(alice: User) -> None:
    image_id = alice.upload(picture("TIFF", width=700, height=500))["image_id"]
    eventually(lambda: alice.service.get(f"/images/{image_id}")["state"], "ready")
    rendered = alice.service.call("GET", f"/images/{image_id}/render?w=320", headers={"Accept": "image/webp,*/*;q=0.1"})
    assert (rendered.status_code, rendered.headers["Content-Type"]) == (200, "image/webp")
    assert Image.open(io.BytesIO(rendered.content)).size == (320, 229)
    assert [answer.status_code for answer in rendered.history] == [302]
    original = alice.service.call("GET", f"/images/{image_id}/render?format=original&user_id={alice.user_id}")
    assert original.content == picture("TIFF", width=700, height=500)


def test_a_copy_of_an_image_is_similar_and_a_duplicate(alice: User) -> None:
    first, second = (alice.upload(picture(seed=7))["image_id"] for _ in range(2))

    def similar_images() -> list[tuple[str, bool]]:
        images = alice.service.get(f"/images/{first}/similar", user_id=alice.user_id)["images"]
        return [(image["image_id"], image["duplicate"]) for image in images if image["user_id"] == alice.user_id]

    eventually(similar_images, [(second, True)])


@pytest.mark.usefixtures("signatures_count")
def test_an_edited_presigned_url_is_refused(alice: User) -> None:
    url = alice.service.get(f"/images/{alice.upload(picture())['image_id']}")["presigned_url"]
    other = alice.upload(picture())
    image_id = url.split("?")[0].rpartition("/")[2]
    for edited in (
        url.replace(image_id, other["image_id"]),
        url.replace("X-Amz-Expires=3600", "X-Amz-Expires=360000"),
        url + "&response-content-type=text/html",
        url.split("?")[0],
    ):
        assert download(edited).status_code == 403


def test_images_are_listed_by_owner_and_tag_page_by_page(alice: User) -> None:
    service, tag = alice.service, f"Tag of {alice.user_id}"
    bob = User(service, alice.user_id.replace("alice", "bob"))
    images = [(alice if n % 2 else bob).upload(picture(seed=n), tags=[tag, f"{tag}-{n % 3}"]) for n in range(12)][::-1]
    for query, expected in [
        ({"tag": tag}, images),
        ({"tag": tag.upper()}, images),
        ({"user_id": alice.user_id}, images[::2]),
        ({"user_id": bob.user_id, "tag": tag}, images[1::2]),
        ({"tag": f"{tag},{tag}-0"}, [each for each in images if f"{tag}-0" in each["tags"]]),
        ({"user_id": alice.user_id, "tag": f"{tag}-0"}, [each for each in images[::2] if f"{tag}-0" in each["tags"]]),
        ({"tag": "nobody has this"}, []),
    ]:
        for limit in (1, 5, 100):
            eventually(partial(service.ids, **query, limit=limit), [image["image_id"] for image in expected])
            pages = list(service.pages(**query, limit=limit))
            assert [image for page in pages for image in page] == expected
            assert all(len(page) == limit for page in pages[:-1])
    bob.delete_all()


def test_all_images_are_listed_newest_first(alice: User) -> None:
    older, newer = alice.upload(picture())["image_id"], alice.upload(picture())["image_id"]

    def ours() -> list[str]:
        page = [image["image_id"] for image in alice.service.get("/images")["images"]]
        return [image_id for image_id in page if image_id in (older, newer)]

    eventually(ours, [newer, older])


def test_a_deleted_image_is_in_no_list_and_cannot_be_viewed(alice: User) -> None:
    service = alice.service
    metadata = alice.upload(picture(), tags=[alice.user_id])
    url = service.get(f"/images/{metadata['image_id']}")["presigned_url"]
    answer = service.call("DELETE", f"/images/{metadata['image_id']}")
    assert (answer.status_code, answer.json()) == (
        200,
        {"message": "Image deleted successfully", "image_id": metadata["image_id"]},
    )
    eventually(lambda: service.call("GET", f"/images/{metadata['image_id']}").status_code, 404)
    assert service.call("DELETE", f"/images/{metadata['image_id']}").status_code == 404
    eventually(lambda: service.ids(user_id=alice.user_id) + service.ids(tag=alice.user_id), [])
    # S3 answers 403 for a missing object, because the service may not list the bucket.
    assert download(url).status_code in (403, 404)


def test_health_and_the_root_answer(service: Service) -> None:
    assert service.get("/health") == {"status": "ok", "stores": {"s3": "ok", "dynamodb": "ok"}}
    assert service.get("/")["service"] == "images-api"
