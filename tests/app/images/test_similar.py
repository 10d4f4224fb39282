"""Similar images: copies with the same bytes, and the same picture in other sizes and formats."""

import base64
import io
import random
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from chalicelib import ids
from tests.app.background import object_created
from tests.app.calls import Calls
from tests.app.conftest import Api, Log, Stores
from tests.errors import error


def photo(seed: int = 0) -> Image.Image:
    """Return a picture of 700 x 500 pixels that looks different for each seed."""
    noise = random.Random(seed).randbytes(9 * 7 * 3)
    return Image.frombytes("RGB", (9, 7), noise).resize((700, 500), Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, kind: str = "JPEG", quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=quality)
    return buffer.getvalue()


PHOTO = encoded(photo(), quality=95)
ALIKE = [encoded(photo(), quality=40), encoded(photo().resize((350, 250))), encoded(photo(), "PNG")]


def upload(api: Api, content: bytes, *, process: bool = True, **fields: Any) -> str:
    image = api.upload(image_data=base64.b64encode(content).decode(), **fields)
    if process:
        object_created(api, image["s3_key"])
    image_id: str = image["image_id"]
    return image_id


def similar(api: Api, image_id: str, query: str = "") -> dict[str, Any]:
    answer = api.get(f"/images/{image_id}/similar?{query}")
    assert answer.status_code == 200, answer.body
    shape: dict[str, Any] = answer.json_body
    assert shape["count"] == len(shape["images"])
    return shape


def similar_ids(api: Api, image_id: str, query: str = "") -> list[str]:
    return [image["image_id"] for image in similar(api, image_id, query)["images"]]


@pytest.fixture
def alice(api: Api) -> Api:
    return Api(api.client, {"X-User-Id": "alice"})


def test_the_same_picture_is_found_in_other_sizes_and_formats(api: Api) -> None:
    image_id = upload(api, PHOTO)
    alike = {upload(api, content, user_id=f"user{n}") for n, content in enumerate(ALIKE)}
    others = {upload(api, encoded(photo(seed))) for seed in (1, 2)}
    page = similar(api, image_id)
    assert {image["image_id"] for image in page["images"]} == alike
    assert page["complete"] is True
    assert not others & alike
    distances = [(image["distance"], image["image_id"]) for image in page["images"]]
    assert distances == sorted(sorted(distances, reverse=True), key=lambda each: each[0])
    for image in page["images"]:
        distance, duplicate = image.pop("distance"), image.pop("duplicate")
        assert (0 <= distance <= 3, duplicate) == (True, False)
        assert image == api.get(f"/images/{image['image_id']}").json_body["metadata"]
        # The distance is the same in both directions.
        distances_to = {each["image_id"]: each["distance"] for each in similar(api, image["image_id"])["images"]}
        assert distances_to[image_id] == distance


def test_copies_are_duplicates_and_the_newest_is_first(api: Api) -> None:
    first, second, third = (upload(api, PHOTO, title=str(n)) for n in range(3))
    page = similar(api, first)
    assert [(each["image_id"], each["distance"], each["duplicate"]) for each in page["images"]] == [
        (third, 0, True),
        (second, 0, True),
    ]
    assert similar_ids(api, second) == [third, first]
    assert similar_ids(api, first, "limit=1") == [third]


def test_only_copies_are_found_before_processing(api: Api) -> None:
    image_id = upload(api, PHOTO, process=False)
    copy, other = upload(api, PHOTO, process=False), upload(api, ALIKE[0])
    page = similar(api, image_id)
    assert [(each["image_id"], each["duplicate"]) for each in page["images"]] == [(copy, True)]
    assert page["complete"] is False  # other images may look like it
    assert similar_ids(api, other) == []


def test_images_beyond_the_distance_are_left_out(api: Api) -> None:
    image_id = upload(api, PHOTO)
    for content in ALIKE:
        upload(api, content)
    everything = similar(api, image_id)["images"]
    for distance in range(4):
        nearer = [image for image in everything if image["distance"] <= distance]
        page = similar(api, image_id, f"distance={distance}")
        assert (page["images"], page["complete"]) == (nearer, True)


def test_private_images_are_found_only_by_their_owner(api: Api, alice: Api) -> None:
    public = upload(api, PHOTO)
    private = upload(api, ALIKE[0], visibility="private")
    copy = upload(api, PHOTO, visibility="private")
    bob = Api(api.client, {"X-User-Id": "bob"})
    assert similar_ids(api, public) == similar_ids(bob, public) == []
    assert similar_ids(alice, public) == [copy, private]
    assert set(similar_ids(alice, private)) == {public, copy}
    for other in (api, bob):
        answer = other.get(f"/images/{private}/similar")
        assert (answer.status_code, answer.json_body) == (404, error(f"The image {private!r} was not found."))


def test_deleted_and_private_images_are_not_found(api: Api, alice: Api) -> None:
    image_id, copy, alike = upload(api, PHOTO), upload(api, PHOTO), upload(api, ALIKE[0])
    assert set(similar_ids(api, image_id)) == {copy, alike}
    assert alice.call("DELETE", f"/images/{copy}").status_code == 200
    assert alice.call("PUT", f"/images/{alike}", {"visibility": "private"}).status_code == 200
    assert similar_ids(api, image_id) == []
    assert similar_ids(alice, image_id) == [alike]


@pytest.mark.parametrize(("method", "body"), [("DELETE", None), ("PUT", {"visibility": "private"})])
def test_an_image_that_changes_after_its_row_was_read_is_checked_by_its_record(
    api: Api, alice: Api, calls: Calls, method: str, body: object
) -> None:
    image_id, copy = upload(api, PHOTO), upload(api, PHOTO)
    calls.before("BatchGetItem", lambda: alice.call(method, f"/images/{copy}", body))
    assert similar_ids(api, image_id) == []


def test_an_image_that_is_not_listed_is_not_found(api: Api) -> None:
    announced = {"user_id": "alice", "content_type": "image/png", "size": 9}
    awaited = api.call("POST", "/images/direct-upload", announced).json_body["image_id"]
    for image_id in (awaited, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "nothing"):
        assert api.get(f"/images/{image_id}/similar").status_code == 404


TOO_FAR = "images are found by the 4 parts of their hashes, of which one must be equal."


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        *[(f"distance={n}", f"distance must be a whole number from 0 to 3: {TOO_FAR}") for n in ("4", "-1", "x")],
        *[(f"limit={n}", "limit must be a whole number from 1 to 100.") for n in ("0", "101", "1.5")],
    ],
)
def test_an_invalid_parameter_is_refused(api: Api, query: str, sentence: str) -> None:
    answer = api.get(f"/images/{upload(api, PHOTO)}/similar?{query}")
    assert (answer.status_code, answer.json_body) == (400, error(sentence))


@pytest.mark.parametrize(
    ("caller", "query", "reads"), [("", "", 6), ("", "distance=0", 3), ("alice", "", 11), ("alice", "distance=1", 7)]
)
def test_a_search_costs_one_read_of_each_list_and_one_of_the_records(
    api: Api, log: Log, caller: str, query: str, reads: int
) -> None:
    image_id = upload(api, PHOTO)
    upload(api, PHOTO)
    assert similar(Api(api.client, {"X-User-Id": caller}), image_id, query)["count"] == 1
    (line,) = (line for line in log() if line["message"] == "similar")
    assert (line["reads"], line["images"]) == (reads, 1)
    assert line["read_units"] <= reads


def test_an_answer_is_not_larger_than_a_page(api: Api, configured: Callable[..., None]) -> None:
    first, *others = (upload(api, PHOTO, description="x" * 3000) for _ in range(4))
    configured(MAX_PAGE_BYTES="10000")
    assert similar_ids(api, first) == others[:0:-1]


class TestFlatPicture:
    """A flat picture. Every flat picture has the perceptual hash 0, so all of them are in the same lists."""

    FLAT = encoded(Image.new("RGB", (400, 300), "red"), "PNG")
    OTHER = encoded(Image.new("RGB", (400, 300), "blue"), "PNG")

    @pytest.fixture
    def flat(self, api: Api, stores: Stores) -> str:
        """A flat picture, older than 1,100 others with rows in its four bands."""
        image_id = upload(api, self.FLAT)
        (row,) = (row for row in stores.rows() if row["tag"]["S"].startswith("\x1fband:0"))
        assert row["perceptual_hash"]["S"] == "0" * 16
        for _ in range(44):
            others = [ids.new_id() for _ in range(25)]
            for n in range(4):
                rows = [{**row, "tag": {"S": f"\x1fband:{n}:0000"}, "image_id": {"S": other}} for other in others]
                stores.dynamodb.batch_write_item(
                    RequestItems={"image_tags": [{"PutRequest": {"Item": each}} for each in rows]}
                )
        return image_id

    @pytest.mark.long
    def test_a_search_stays_within_the_budget_of_a_page(
        self, api: Api, flat: str, log: Log, configured: Callable[..., None]
    ) -> None:
        copy, other = upload(api, self.FLAT), upload(api, self.OTHER)
        for budget, expected, reads in (
            ({"MAX_PAGE_MILLISECONDS": "60000"}, [other, copy], 10),  # its copies, two reads of each band, the records
            ({"MAX_PAGE_READS": "10"}, [other, copy], 8),  # two are kept for the image itself
            ({"MAX_PAGE_READ_UNITS": "3"}, [other, copy], 6),  # all bands are read once, at the same time
            ({"MAX_PAGE_MILLISECONDS": "1"}, [copy], 2),
        ):
            configured(**budget)
            page = similar(api, flat)
            # Copies are read first, then the newest images.
            assert [image["image_id"] for image in page["images"]] == expected
            assert page["complete"] is (reads == 10)
            assert [line["reads"] for line in log() if line["message"] == "similar"][-1] == reads
