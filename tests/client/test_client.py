"""Each method of the client, against the embedded stack."""

import hashlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
import requests
from requests.auth import AuthBase

from dev.stack import Stack
from images_api_client import (
    BadRequest,
    Client,
    Conflict,
    FileChanged,
    Forbidden,
    Gone,
    NotFound,
    PreconditionFailed,
    Rejected,
    ServiceError,
    State,
    TagCount,
    TooLarge,
    Unaccepted,
    Unauthorized,
    Visibility,
    uploads,
)
from images_api_client.uploads import File, Metadata
from tests.client.conftest import FORM_LIMIT, PART_BYTES, SECRET
from tests.pictures import dated_picture, picture

TIMEOUT_SECONDS = 30


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def large(size: int, seed: int = 0) -> bytes:
    """Return a picture of this size: what follows the last pixel of a JPEG does not matter."""
    photo = picture("JPEG", seed=seed)
    return photo + bytes(size - len(photo))


# Upload


def test_a_file_is_uploaded_with_its_name_and_checksum(client: Client, owner: str, tmp_path: Path) -> None:
    path = tmp_path / "Dünen am Meer.PNG"
    path.write_bytes(picture())
    before = datetime.now(UTC)
    image = client.upload(path)
    assert (image.user_id, image.title, image.filename) == (owner, "Dünen am Meer", "Dünen am Meer.PNG")
    assert (image.checksum, image.size) == (sha256(picture()), len(picture()))
    assert (image.content_type, image.width, image.height) == ("image/png", 40, 30)
    assert (image.description, image.tags, image.visibility, image.version) == ("", (), Visibility.PUBLIC, 1)
    assert image.created_at == image.updated_at
    assert timedelta(seconds=-1) < image.created_at - before < timedelta(minutes=1)
    assert client.upload(str(path)).filename == image.filename


def test_metadata_arrives_as_given(client: Client) -> None:
    image = client.upload(
        picture(),
        title='Said "hi"\r\n',
        description="Zeile 1\nZeile 2 💡",
        filename="größe%20.png",
        tags=["red, green", "Café"],
        visibility="private",
    )
    assert (image.title, image.description) == ('Said "hi"\r\n', "Zeile 1\nZeile 2 💡")
    assert (image.filename, image.tags) == ("größe%20.png", ("red, green", "Café"))
    assert image.visibility is Visibility.PRIVATE
    assert client.upload(picture(), tags="sea").tags == ("sea",)


def test_bytes_have_no_name_and_no_title(client: Client) -> None:
    image = client.upload(picture())
    assert (image.title, image.filename) == ("", "")


def test_an_open_file_is_read_from_its_position_and_stays_open(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "archive.bin"
    path.write_bytes(b"header" + picture())
    with path.open("rb") as file:
        file.seek(6)
        image = client.upload(file)
        assert (image.filename, image.checksum, file.closed) == ("archive.bin", sha256(picture()), False)
    assert client.upload(io.BytesIO(picture(seed=1))).checksum == sha256(picture(seed=1))


def test_a_pipe_can_be_uploaded(client: Client) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(picture(width=300, height=300))

    threading.Thread(target=write).start()
    with os.fdopen(reading, "rb") as file:
        assert client.upload(file).checksum == sha256(picture(width=300, height=300))


def test_a_file_that_is_open_as_text_is_refused(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    with (tmp_path / "a.png").open(encoding="latin-1") as file, pytest.raises(TypeError, match="in binary mode"):
        client.upload(file)  # type: ignore[arg-type]


def test_characters_of_a_file_name_that_are_not_text_are_replaced(client: Client, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9\x01.png"
    try:
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(picture())
    except OSError:
        pytest.skip("File names of this system are text.")
    assert client.upload(os.fsdecode(path)).filename == "caf__.png"


def test_a_file_that_is_no_image_is_refused_before_it_is_sent(client: Client, owner: str, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("Not a picture")
    for file in (tmp_path / "notes.jpg", b"", io.BytesIO(b"hello")):
        with pytest.raises(Unaccepted, match=r"^The file is not an image of an accepted type: JPEG, PNG, "):
            client.upload(file)
    with pytest.raises(FileNotFoundError):
        client.upload(tmp_path / "missing.jpg")
    assert client.count(user_id=owner).count == 0


def test_progress_ends_with_the_size_of_the_file(client: Client) -> None:
    photo, sent = picture(width=400, height=400), list[int]()
    client.upload(photo, progress=sent.append)
    assert (sent, sent[-1]) == (sorted(sent), len(photo))


def test_an_image_is_returned_after_processing(client: Client) -> None:
    image = client.upload(picture(width=700, height=500), wait=True)
    assert (image.state, image.reason) == (State.READY, "")
    assert image.analysis is not None
    assert (image.analysis.animated, image.analysis.taken_at, len(image.analysis.color)) == (False, None, 7)
    assert [(variant.width, variant.height) for variant in image.variants] == [(640, 457), (640, 457), (320, 229)]


def test_an_image_that_cannot_be_processed_is_returned_with_the_reason(client: Client) -> None:
    photo = picture("PNG", width=60, height=60)
    damaged = photo[:100] + bytes(200) + photo[300:]
    image = client.upload(damaged, wait=True)
    assert image.state is State.FAILED
    assert image.reason.endswith(".")


def test_a_larger_file_is_sent_to_s3_and_listed_when_it_is_processed(
    client: Client, owner: str, tmp_path: Path
) -> None:
    photo, sent = large(5_000_000), list[int]()
    (tmp_path / "summit.jpg").write_bytes(photo)
    image = client.upload(tmp_path / "summit.jpg", tags=["a, b"], visibility="private", progress=sent.append)
    assert (image.filename, image.tags, image.visibility) == ("summit.jpg", ("a, b",), Visibility.PRIVATE)
    ready = uploads.wait(client.transport, image.image_id, TIMEOUT_SECONDS)
    assert (ready.state, ready.checksum, sent[-1]) == (State.READY, sha256(photo), len(photo))
    assert [each.image_id for each in client.list(user_id=owner)] == [image.image_id]


@pytest.mark.parametrize("content", [large(4_000, seed=1), large(3_000), large(5_000)])
def test_a_file_that_changes_before_a_form_is_sent_is_not_sent(
    client: Client, owner: str, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "growing.jpg"
    path.write_bytes(large(4_000))
    file = File.of(path)
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))
    with pytest.raises(FileChanged, match=r"^The file was changed before it was sent\.$"):
        uploads.send_form(client.transport, client.user, file, Metadata(), "key")
    assert client.count(user_id=owner).count == 0


# List, count, tags


def test_the_list_has_all_pages_in_order(client: Client, owner: str) -> None:
    uploaded = [client.upload(picture(seed=seed), title=f"Picture {seed}") for seed in range(5)]
    assert list(client.list(user_id=owner, page_size=2)) == uploaded[::-1]
    assert list(client.list(user_id=owner, order="asc", page_size=2)) == uploaded
    assert (client.count(user_id=owner).count, client.count(user_id=owner).at_least) == (5, False)


def test_filters_combine(client: Client, owner: str) -> None:
    photo = dated_picture("2024:05:01 12:30:00", seed=1)
    dunes = client.upload(photo, title="Dunes", tags=["sea", "red, green"], filename="a.jpg", wait=True)
    harbour = client.upload(picture(), title="Harbour", tags=["sea"], description="At night", visibility="private")
    both = {dunes.image_id, harbour.image_id}

    def found(**filters: Any) -> set[str]:
        return {image.image_id for image in client.list(user_id=owner, **filters)}

    today, tomorrow = datetime.now(UTC).date(), datetime.now(UTC) + timedelta(days=1)
    assert found(tag="sea") == found(tag=["SEA"]) == found(any_tag=("sea", "other")) == both
    assert found(tag=["sea", "red, green"]) == found(tag="red, green") == {dunes.image_id}
    assert found(title="dun", filename="a.jpg") == found(content_type="image/jpeg") == {dunes.image_id}
    assert found(q="night") == found(description="nig") == found(visibility="private") == {harbour.image_id}
    assert found(checksum=sha256(photo), tag=None) == {dunes.image_id}
    assert found(taken_from=date(2024, 5, 1), taken_to=date(2024, 5, 1)) == {dunes.image_id}
    assert found(date_from=today - timedelta(days=1), date_to=tomorrow) == found(date_from=str(today)) == both
    assert found(date_from=dunes.created_at, date_to=dunes.created_at) == {dunes.image_id}
    assert found(date_from=tomorrow) == set()
    assert client.count(user_id=owner, tag=["sea", "red, green"], date_from=today).count == 1


def test_a_filter_without_tags_is_refused_and_does_not_list_everything(client: Client) -> None:
    for images in (client.list(tag=[]), client.list(any_tag=())):
        with pytest.raises(BadRequest, match=r"names no tag; name one, or leave (any_)?tag out\."):
            list(images)


def test_include_adds_links_and_the_analysis(client: Client, owner: str) -> None:
    client.upload(picture(), wait=True)
    (plain,) = client.list(user_id=owner)
    assert (plain.url, plain.state, plain.thumbnail, plain.variants, plain.analysis) == (None, None, None, (), None)
    (image,) = client.list(user_id=owner, include=["url", "thumbnail", "variants", "analysis"])
    assert image.url is not None
    assert requests.get(image.url, timeout=TIMEOUT_SECONDS).content == picture()
    assert image.thumbnail is not None
    assert (image.state, image.thumbnail.width, {each.width for each in image.variants}) == (State.READY, 40, {40})
    assert image.analysis is not None
    (image,) = client.list(user_id=owner, include="analysis")
    assert (image.url, image.analysis is None) == (None, False)


def test_tags_are_counted(client: Client, owner: str) -> None:
    client.upload(picture(), tags=["Sea", "night"])
    client.upload(picture(seed=1), tags=["sea"])
    assert list(client.tags(user_id=owner)) == [TagCount("night", 1), TagCount("sea", 2)]
    assert list(client.tags(user_id=owner, prefix="s")) == [TagCount("sea", 2)]


def test_similar_images_are_found(client: Client) -> None:
    photo = picture("PNG", width=64, height=64)
    first, second = client.upload(photo), client.upload(photo, wait=True)
    uploads.wait(client.transport, first.image_id, TIMEOUT_SECONDS)
    similar = client.similar(first, distance=0, limit=1, include="analysis")
    assert similar.complete
    (twin,) = similar.images
    assert (twin.image.image_id, twin.distance, twin.duplicate) == (second.image_id, 0, True)
    assert twin.image.analysis is not None


# View, update, delete


def test_a_view_has_a_url_and_on_request_what_exif_says(client: Client) -> None:
    uploaded = client.upload(picture(), title="Dunes")
    image = client.get(uploaded.image_id, include=["exif", "location"])
    assert (image.image_id, image.title, image.version) == (uploaded.image_id, "Dunes", 1)
    assert image.url is not None
    assert requests.get(image.url, timeout=TIMEOUT_SECONDS).content == picture()
    assert {"exif", "location"} < image.document.keys()
    assert image.document["metadata"]["created_at"] == uploaded.document["metadata"]["created_at"]


def test_an_update_changes_what_is_given(client: Client) -> None:
    image = client.upload(picture(), title="Dunes", tags=["sea"])
    changed = client.update(image, description="At night", tags=["night", "a, b"], if_version=1)
    assert (changed.title, changed.description, changed.tags) == ("Dunes", "At night", ("night", "a, b"))
    assert (changed.version, changed.created_at) == (2, image.created_at)
    assert changed.updated_at >= image.updated_at
    emptied = client.update(image.image_id, title="", tags=(), visibility="private")
    assert (emptied.title, emptied.tags, emptied.visibility, emptied.version) == ("", (), Visibility.PRIVATE, 3)


def test_an_update_or_deletion_of_another_version_changes_nothing(client: Client) -> None:
    image = client.upload(picture(), title="Dunes")
    client.update(image, title="Mine")
    for change in (client.delete, lambda image, if_version: client.update(image, title="Yours", if_version=if_version)):
        with pytest.raises(PreconditionFailed, match=r'the record is at "2"\.$'):
            change(image, if_version=image.version)
    assert client.get(image).title == "Mine"


def test_a_deleted_image_is_gone(client: Client, owner: str) -> None:
    image = client.upload(picture())
    client.delete(image, if_version=1)
    assert list(client.list(user_id=owner)) == []
    for call in (client.delete, client.get, client.similar, lambda image: client.update(image, title="Again")):
        with pytest.raises(NotFound, match=rf"^The image '{image.image_id}' was not found\.$"):
            call(image)


@pytest.mark.parametrize(
    ("error", "call", "sentence"),
    [
        (BadRequest, lambda client: list(client.list(sort="size")), "sort must be created_at, updated_at or taken_at"),
        (BadRequest, lambda client: client.count(title=" "), "title is blank"),
        (BadRequest, lambda client: client.upload(picture(), title="x" * 300), "title has more than 256 characters"),
        (BadRequest, lambda client: client.upload(picture()[:-200]), "cut off"),
        (BadRequest, lambda client: client.update(client.upload(picture())), "The body has no field to update"),
        (NotFound, lambda client: client.get("../tags"), "was not found"),
        (Conflict, lambda client: uploads.resume(client.transport, client.upload(picture()).image_id), "has no parts"),
    ],
)
def test_an_error_has_the_sentence_of_the_service_and_a_request_id(
    client: Client, error: type[ServiceError], call: Callable[[Client], object], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        call(client)
    assert sentence in str(caught.value)
    assert caught.value.request_id


def test_an_idempotency_key_belongs_to_one_upload(client: Client) -> None:
    first, second = File.of(picture()), File.of(picture(seed=1))
    image = uploads.send_form(client.transport, client.user, first, Metadata(), "key")
    with pytest.raises(Conflict, match="Idempotency-Key"):
        uploads.send_form(client.transport, client.user, second, Metadata(), "key")
    client.delete(image)
    with pytest.raises(Gone, match="has been deleted since"):
        uploads.send_form(client.transport, client.user, first, Metadata(), "key")


def test_a_user_name_may_have_letters_of_any_alphabet(url: str) -> None:
    with Client(url, user="Łucja Жук 雪") as client:
        image = client.upload(picture(), visibility="private")
        assert [each.user_id for each in client.list(user_id=client.user)] == ["Łucja Жук 雪"]
        with pytest.raises(NotFound):
            Client(url, user="somebody else").get(image)
        client.delete(image)


def test_threads_can_share_a_client(client: Client, owner: str) -> None:
    threads = [threading.Thread(target=client.upload, args=(picture(seed=seed),)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.count(user_id=owner).count == 4


# A service that requires tokens, and has lower limits


def token(user: str, seconds: int = 300) -> str:
    return jwt.encode({"sub": user, "exp": datetime.now(UTC) + timedelta(seconds=seconds)}, SECRET, "HS256")


@pytest.fixture
def alice(guarded: Stack) -> Iterator[Client]:
    """Return a client of a user that no other test has."""
    with Client(guarded.url, token=token(f"alice-{uuid4()}")) as alice:
        yield alice


def test_a_token_says_who_uploads(guarded: Stack, alice: Client) -> None:
    image = alice.upload(picture(), visibility="private")
    assert image.user_id == alice.user
    with Client(guarded.url, token=lambda: token("bob")) as bob, Client(guarded.url) as nobody:
        assert (bob.user, nobody.user) == ("bob", None)
        for other in (bob, nobody):
            with pytest.raises(NotFound):
                other.get(image)
            assert list(other.list(user_id=image.user_id)) == []
        public = alice.update(image, visibility="public")
        with pytest.raises(Forbidden, match=r"^The token belongs to another user_id\.$"):
            bob.delete(public)
        with pytest.raises(Unauthorized, match=r"^This request needs a bearer token\.$"):
            nobody.delete(public)
    with pytest.raises(Unauthorized, match=r"^The bearer token has expired\.$"):
        Client(guarded.url, token=token(image.user_id, seconds=-1)).get(image)
    with pytest.raises(Unauthorized, match=r"^The bearer token is not valid\.$"):
        Client(guarded.url, token="opaque").count()


class TokenInHeader(AuthBase):
    """A sign-in of another kind."""

    def __init__(self, user: str) -> None:
        self._user = user

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token(self._user)}"
        return request


def test_an_upload_that_names_no_user_belongs_to_the_caller(guarded: Stack) -> None:
    with Client(guarded.url, auth=TokenInHeader("carol")) as client:
        assert client.user is None
        assert client.upload(picture()).user_id == "carol"
        assert client.upload(large(FORM_LIMIT + 1)).user_id == "carol"


def test_a_form_that_is_too_large_for_the_service_is_sent_directly(alice: Client) -> None:
    photo = large(FORM_LIMIT + 1)
    image = alice.upload(io.BytesIO(photo), wait=True)
    assert (image.state, image.checksum) == (State.READY, sha256(photo))


def test_a_picture_that_is_too_large_is_refused_once(alice: Client) -> None:
    with pytest.raises(TooLarge, match="MAX_DIRECT_UPLOAD_BYTES"):
        uploads.announce(alice.transport, None, File(b"", 10**9, "image/jpeg"), Metadata(), sha256(b""))


@pytest.mark.parametrize("size", [FORM_LIMIT + 1, PART_BYTES + 1])
def test_a_file_that_is_no_picture_is_rejected_with_the_reason(alice: Client, size: int) -> None:
    with pytest.raises(Rejected, match=r"^The (file|image) .*\.$"):
        alice.upload(b"\xff\xd8\xff" + bytes(size), wait=True)
    assert alice.count(user_id=alice.user).count == 0


@pytest.mark.parametrize("size", [FORM_LIMIT + 1, PART_BYTES + 1])
def test_a_file_that_changes_after_its_checksum_was_announced_is_not_stored(
    alice: Client, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "changing.jpg"
    path.write_bytes(large(size))
    file = File.of(path)
    announced = uploads.announce(alice.transport, alice.user, file, Metadata(), file.checksum())
    path.write_bytes(large(size, seed=1))
    with pytest.raises(FileChanged, match=r"^The file was changed while it was sent\.$"):
        uploads.send_direct(alice.transport, announced, file)
    assert alice.count(user_id=alice.user).count == 0


def test_a_file_that_becomes_shorter_while_it_is_sent_is_not_stored(alice: Client, tmp_path: Path) -> None:
    path = tmp_path / "shrinking.jpg"
    path.write_bytes(large(300_000))
    file = File.of(path)
    announced = uploads.announce(alice.transport, alice.user, file, Metadata(), file.checksum())
    with pytest.raises(FileChanged, match=r"^The file became shorter while it was sent\.$"):
        uploads.send_direct(alice.transport, announced, file, lambda _: os.truncate(path, 1_000))
    with pytest.raises(NotFound):
        alice.get(announced.image_id)


def test_parts_are_sent_also_if_their_urls_have_expired(alice: Client, tmp_path: Path) -> None:
    photo, sent = large(PART_BYTES + 1_000_000), list[int]()
    (tmp_path / "large.jpg").write_bytes(photo)
    file = File.of(tmp_path / "large.jpg")
    announced = uploads.announce(alice.transport, alice.user, file, Metadata(), file.checksum())
    assert [size for _, size, _ in announced.parts] == [PART_BYTES, 1_000_000]
    expired = replace(
        announced, parts=tuple((number, size, url[:-4] + "0000") for number, size, url in announced.parts)
    )
    uploads.send_direct(alice.transport, expired, file, sent.append)
    image = uploads.wait(alice.transport, announced.image_id, TIMEOUT_SECONDS)
    assert (image.state, image.checksum, sent[-1]) == (State.READY, sha256(photo), len(photo))


def test_an_upload_in_parts_can_be_resumed_and_completed_twice(alice: Client) -> None:
    file, sent = File.of(large(PART_BYTES + 1_000)), list[int]()
    announced = uploads.announce(alice.transport, alice.user, file, Metadata(), file.checksum())
    with pytest.raises(Conflict, match="Parts are missing"):
        uploads.send_direct(alice.transport, replace(announced, parts=announced.parts[:1]), file)
    uploads.send_direct(alice.transport, uploads.resume(alice.transport, announced.image_id), file, sent.append)
    assert set(sent) == {file.size}
    uploads.send_direct(alice.transport, replace(announced, parts=()), file)
    assert uploads.wait(alice.transport, announced.image_id, TIMEOUT_SECONDS).state is State.READY
