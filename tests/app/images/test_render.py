"""The redirect of /render: which object it leads to, and how long it can be cached."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from chalice.test import HTTPResponse

from tests.app.background import object_created, upload_staged
from tests.app.calls import Calls
from tests.app.conftest import Api, Log, Stores
from tests.app.uploads import BROKEN
from tests.errors import error
from tests.pictures import picture


def upload(api: Api, kind: str = "PNG", **fields: Any) -> dict[str, Any]:
    """Upload an image of 700 x 500 pixels. Its variants will be 640 and 320 pixels wide."""
    return api.upload(image_data=base64.b64encode(picture(kind, width=700, height=500)).decode(), **fields)


def processed(api: Api, **fields: Any) -> str:
    """Upload and process an image. Returns its id."""
    image = upload(api, **fields)
    object_created(api, image["s3_key"])
    image_id: str = image["image_id"]
    return image_id


def render(api: Api, image_id: str, query: str = "", accept: str = "*/*") -> HTTPResponse:
    return Api(api.client, {"Accept": accept, **api.headers}).get(f"/images/{image_id}/render?{query}")


def leads_to(answer: HTTPResponse) -> str:
    """Return the bucket of the redirect's object and, for a variant, the last part of its key."""
    assert answer.status_code == 302, answer.body
    _, bucket, _, _, *name = urlsplit(answer.headers["Location"]).path.split("/")
    return "/".join([bucket, *name])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "images-derived/640.webp"),
        ("w=320", "images-derived/320.webp"),
        ("w=321", "images-derived/640.webp"),
        ("h=229", "images-derived/320.webp"),
        ("w=320&h=400", "images-derived/320.webp"),
        ("w=320&h=400&fit=cover", "images-derived/640.webp"),
        ("w=10000&h=10000&fit=Cover", "images-derived/640.webp"),
        ("w=100&format=jpeg", "images-derived/640.jpg"),  # one width has a JPEG
        ("w=100&format=avif", "images-derived/320.webp"),  # the service makes no AVIF here: same as auto
        ("format=ORIGINAL&w=1", "images-derived/320.webp"),  # the original is only for the owner
    ],
)
def test_the_redirect_leads_to_the_smallest_variant_that_fills_the_box(api: Api, query: str, expected: str) -> None:
    assert leads_to(render(api, processed(api), query)) == expected


def test_a_client_that_accepts_only_jpeg_gets_the_jpeg(api: Api) -> None:
    image_id = processed(api)
    for query in ("", "w=100", "w=2000"):
        assert leads_to(render(api, image_id, query, "image/jpeg")) == "images-derived/640.jpg"
        assert leads_to(render(api, image_id, query, "*/*")).endswith(".webp")


def test_the_redirect_leads_to_a_format_that_the_client_accepts(
    api: Api, configured: Callable[..., None], stores: Stores
) -> None:
    configured(VARIANT_FORMATS="webp avif jpeg")
    image_id = processed(api)
    for accept, query, expected in [
        ("image/avif,image/webp,image/*,*/*;q=0.8", "w=300", "images-derived/320.avif"),
        ("image/webp,*/*;q=0.8", "w=300", "images-derived/320.webp"),
        ("image/jpeg", "w=300", "images-derived/320.jpg"),
        ("image/jpeg", "w=300&format=avif", "images-derived/320.avif"),
        ("image/png", "w=300", "images-derived/320.jpg"),
        ("text/html", "w=300", "images-derived/320.jpg"),
    ]:
        answer = render(api, image_id, query, accept)
        assert leads_to(answer) == expected
        key = urlsplit(answer.headers["Location"]).path.split("/", 2)[2]
        assert key in stores.objects(expected.split("/")[0].removeprefix("images-"))


def test_the_answer_describes_the_picture(api: Api) -> None:
    image_id = processed(api)
    answer = render(api, image_id, "w=1")
    url = answer.headers["Location"]
    shape = {"image_id": image_id, "presigned_url": url, "expires_in": 3600}
    assert json.loads(answer.body) == {**shape, "content_type": "image/webp", "width": 320, "height": 229}
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["3600"]
    original = render(api, image_id, "format=original&user_id=alice").json_body
    assert (original["content_type"], original["width"], original["height"]) == ("image/png", 700, 500)


def test_the_redirect_can_be_cached_for_half_the_lifetime_of_its_url(api: Api, configured: Callable[..., None]) -> None:
    configured(PRESIGNED_URL_EXPIRATION="600")
    public, private = processed(api), processed(api, visibility="private")
    alice = Api(api.client, {"X-User-Id": "alice"})
    for client, image_id, query, cache_control, vary in [
        (api, public, "w=9", "public, max-age=300", "Accept"),
        (alice, public, "w=9", "public, max-age=300", "Accept"),
        # The owner gets another answer than all others.
        (api, public, "format=original", "public, max-age=300", "Accept, Authorization, X-User-Id"),
        (alice, public, "format=original", "private, max-age=300", "Accept, Authorization, X-User-Id"),
        (alice, private, "w=9", "private, max-age=300", "Accept, Authorization, X-User-Id"),
        (alice, private, "format=original", "private, max-age=300", "Accept, Authorization, X-User-Id"),
    ]:
        headers = render(client, image_id, query).headers
        assert (headers["Cache-Control"], headers["Vary"]) == (cache_control, vary)


def test_only_the_owner_gets_the_original_on_request(api: Api, configured: Callable[..., None]) -> None:
    image_id = processed(api)
    for originals in ("everyone", "owner"):
        configured(ORIGINALS=originals)
        for user_id, expected in (("alice", "images-originals"), ("bob", "images-derived/640.webp")):
            answer = render(Api(api.client, {"X-User-Id": user_id}), image_id, "format=original")
            assert leads_to(answer) == expected


@pytest.mark.parametrize("query", ["w=9", "format=original", "format=jpeg&wait=0"])
def test_until_there_is_a_variant_others_are_told_to_ask_again(api: Api, log: Log, query: str) -> None:
    image = upload(api)
    for client in (api, Api(api.client, {"X-User-Id": "bob"})):
        answer = render(client, image["image_id"], query)
        assert (answer.status_code, answer.json_body) == (
            202,
            {"image_id": image["image_id"], "state": "processing"},
        )
        assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("2", "no-store")
        assert "Location" not in answer.headers
    assert {line["level"] for line in log()} == {"INFO"}  # nothing is wrong
    object_created(api, image["s3_key"])
    assert leads_to(render(api, image["image_id"], "w=9")) == "images-derived/320.webp"


def test_until_there_is_a_variant_the_owner_gets_an_original_that_browsers_show(api: Api) -> None:
    alice = Api(api.client, {"X-User-Id": "alice"})
    answer = render(alice, upload(api)["image_id"], "w=9")
    assert (leads_to(answer), answer.headers["Cache-Control"]) == ("images-originals", "no-store")
    tiff = upload(api, "TIFF")["image_id"]
    assert render(alice, tiff).status_code == 202
    assert leads_to(render(alice, tiff, "format=original")) == "images-originals"


def test_an_image_that_cannot_be_processed_is_shown_to_its_owner_only(api: Api) -> None:
    image = api.upload(image_data=BROKEN)
    object_created(api, image["s3_key"])
    alice = Api(api.client, {"X-User-Id": "alice"})
    answer = render(alice, image["image_id"])
    assert (leads_to(answer), answer.headers["Cache-Control"]) == ("images-originals", "no-store")
    for query in ("", "format=original", "wait=9"):
        answer = render(api, image["image_id"], query)
        sentence = "The image could not be processed: it has no variant, and only its owner gets the original."
        assert (answer.status_code, answer.json_body) == (409, error(sentence))


class TestWait:
    """A request can wait for the variants: it reads the record again after each pause."""

    @pytest.fixture(autouse=True)
    def pauses(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        pauses: list[float] = []
        monkeypatch.setattr("chalicelib.images.render.time.sleep", pauses.append)
        return pauses

    def test_it_ends_as_soon_as_there_is_a_variant(self, api: Api, calls: Calls, pauses: list[float]) -> None:
        image = upload(api)
        calls.after("GetItem", lambda: object_created(api, image["s3_key"]))
        assert leads_to(render(api, image["image_id"], "wait=10")) == "images-derived/640.webp"
        assert pauses == [0.5]

    def test_the_owner_waits_too(self, api: Api, calls: Calls) -> None:
        image = upload(api)
        calls.after("GetItem", lambda: object_created(api, image["s3_key"]))
        answer = render(Api(api.client, {"X-User-Id": "alice"}), image["image_id"], "wait=1")
        assert leads_to(answer) == "images-derived/640.webp"

    def test_it_ends_after_the_given_time(self, api: Api, calls: Calls, pauses: list[float]) -> None:
        image = upload(api)
        with calls.recorded() as operations:
            assert render(api, image["image_id"], "wait=2").status_code == 202
        assert (pauses, operations) == ([0.5] * 4, ["GetItem"] * 5)

    def test_it_ends_before_the_time_of_the_request_is_over(
        self, api: Api, pauses: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        image = upload(api)
        monkeypatch.setattr("chalicelib.web.app._API_GATEWAY_SECONDS", 9)
        assert render(api, image["image_id"], "wait=10").status_code == 202
        assert pauses == []

    def test_an_image_that_is_hidden_meanwhile_is_not_shown(self, api: Api, calls: Calls) -> None:
        image = upload(api)
        alice = Api(api.client, {"X-User-Id": "alice"})
        calls.after("GetItem", lambda: alice.call("PUT", f"/images/{image['image_id']}", {"visibility": "private"}))
        assert render(api, image["image_id"], "wait=10").status_code == 404

    def test_a_processed_image_is_not_waited_for(self, api: Api, pauses: list[float]) -> None:
        assert leads_to(render(api, processed(api), "wait=10")) == "images-derived/640.webp"
        assert pauses == []


def test_a_private_image_is_shown_only_to_its_owner(api: Api) -> None:
    image_id = processed(api, visibility="private")
    for headers in ({}, {"X-User-Id": "bob"}):
        answer = render(Api(api.client, headers), image_id)
        assert (answer.status_code, answer.json_body) == (404, error(f"The image {image_id!r} was not found."))
    assert leads_to(render(Api(api.client, {"X-User-Id": "alice"}), image_id)) == "images-derived/640.webp"
    assert leads_to(render(api, image_id, "user_id=alice")) == "images-derived/640.webp"


def test_an_image_that_is_not_listed_is_not_shown(api: Api, stores: Stores) -> None:
    announced = {"user_id": "alice", "content_type": "image/png", "size": 5}
    image_id = api.call("POST", "/images/direct-upload", announced).json_body["image_id"]
    answer = render(api, image_id)
    assert (answer.status_code, answer.json_body) == (202, {"image_id": image_id, "state": "awaiting_upload"})
    assert render(Api(api.client, {"X-User-Id": "alice"}), image_id, "format=original").status_code == 202
    stores.s3.put_object(Bucket="images-staged", Key=f"alice/{image_id}", Body=b"hello")
    upload_staged(api, f"alice/{image_id}")  # rejects the file
    for unknown in (image_id, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "nothing"):
        assert render(api, unknown).status_code == 404


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        *[
            (f"w={value}", "w must be a whole number from 1 to 10000 (MAX_RENDER_PX).")
            for value in ("0", "10001", "-1", "1.5", "x")
        ],
        (f"h={quote('٣')}", "h must be a whole number from 1 to 10000 (MAX_RENDER_PX)."),
        *[
            (f"wait={value}", "wait must be a whole number from 0 to 10 (MAX_RENDER_WAIT_SECONDS).")
            for value in ("11", "-1", "0.5", "x")
        ],
        ("w=1&fit=fill", "fit must be contain or cover."),
        ("format=png", "format must be auto, webp, avif, jpeg or original."),
    ],
)
def test_an_invalid_parameter_is_refused(api: Api, query: str, sentence: str) -> None:
    answer = render(api, upload(api)["image_id"], query)
    assert (answer.status_code, answer.json_body) == (400, error(sentence))


def test_a_redirect_costs_one_aws_call(api: Api, calls: Calls) -> None:
    image_id = processed(api)
    with calls.recorded() as operations:
        assert render(api, image_id).status_code == 302
    assert operations == ["GetItem"]


def test_an_image_deleted_before_it_is_read_is_not_found(api: Api, calls: Calls) -> None:
    image_id = processed(api)
    calls.before("GetItem", lambda: api.call("DELETE", f"/images/{image_id}"))
    assert render(api, image_id).status_code == 404
