"""The signature by which /render shows a private image to an `<img>`, which sends no header."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib.images import signatures
from chalicelib.model import Visibility
from tests.app.background import object_created
from tests.app.calls import Calls
from tests.app.conftest import Api, Log
from tests.app.images.test_render import leads_to, upload
from tests.app.tokens import SECRET, token, with_token
from tests.app.uploads import BROKEN
from tests.errors import error
from tests.unit.samples import IMAGE

KEY = "c" * 40
REFUSED = "The signature does not show this image, or has expired; view the image again."
UNKNOWN = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@pytest.fixture(autouse=True)
def verified(configured: Callable[..., None]) -> None:
    configured(AUTH="jwt", JWT_SECRET=SECRET, CURSOR_SECRET=KEY)


@pytest.fixture
def alice(api: Api) -> Api:
    return with_token(api, token("alice"))


def private(alice: Api, *, process: bool = True, **fields: Any) -> str:
    """Upload a private image. Returns its id."""
    image = upload(alice, visibility="private", **fields)
    if process:
        object_created(alice, image["s3_key"])
    image_id: str = image["image_id"]
    return image_id


def path_of(alice: Api, image_id: str) -> str:
    """Return the path that the view of an image has for an `<img>`."""
    render: str = alice.view(image_id)["render"]
    return f"/{render}"


def refused(answer: HTTPResponse) -> bool:
    return (answer.status_code, answer.json_body) == (403, error(REFUSED))


def test_a_view_of_a_private_image_has_a_path_that_shows_it_without_a_header(api: Api, alice: Api) -> None:
    image_id = private(alice)
    path = path_of(alice, image_id)
    assert path.startswith(f"/images/{image_id}/render?signature=")
    answer = api.get(f"{path}&w=320")
    assert leads_to(answer) == "images-derived/320.webp"
    assert answer.headers["Cache-Control"] == "private, max-age=1800"
    assert answer.headers["Vary"] == "Accept, Authorization, X-User-Id"
    assert api.get(f"/images/{image_id}/render").status_code == 404


def test_a_public_image_needs_no_signature_and_ignores_one(api: Api, alice: Api) -> None:
    image_id = upload(alice)["image_id"]
    assert path_of(alice, image_id) == path_of(api, image_id) == f"/images/{image_id}/render"
    assert api.get(f"/images/{image_id}/render?signature=wrong").status_code == 202
    path = path_of(alice, private(alice))
    assert (
        leads_to(alice.get(path.partition("?")[0] + "?signature=wrong")) == "images-derived/640.webp"
    )  # sees it anyway


def test_a_signature_shows_the_picture_of_its_image_and_nothing_else(api: Api, alice: Api) -> None:
    image_id, other = private(alice), private(alice)
    signature = path_of(alice, image_id).partition("?")[2]
    assert refused(api.get(f"/images/{other}/render?{signature}"))
    for path in ("", "/download", "/similar"):
        assert api.get(f"/images/{image_id}{path}").status_code == 404
        answer = api.get(f"/images/{image_id}{path}?{signature}")
        assert (answer.status_code, "signature" in answer.json_body["error"]) == (400, True)  # no such parameter
    # Never the original, except to the owner.
    for client in (api, with_token(api, token("bob"))):
        assert (
            leads_to(client.get(f"/images/{image_id}/render?{signature}&format=original")) == "images-derived/640.webp"
        )
    assert leads_to(alice.get(f"/images/{image_id}/render?{signature}&format=original")) == "images-originals"


def test_a_holder_gets_no_original_before_there_is_a_variant(api: Api, alice: Api) -> None:
    image_id = private(alice, process=False)
    answer = api.get(path_of(alice, image_id) + "&format=original")
    assert (answer.status_code, answer.json_body) == (202, {"image_id": image_id, "state": "processing"})
    failed = alice.upload(visibility="private", image_data=BROKEN)
    object_created(alice, failed["s3_key"])
    assert api.get(path_of(alice, failed["image_id"])).status_code == 409


def test_a_signature_expires(
    api: Api, alice: Api, monkeypatch: pytest.MonkeyPatch, configured: Callable[..., None]
) -> None:
    configured(RENDER_SIGNATURE_SECONDS="600")
    path = path_of(alice, private(alice))
    now = time.time
    for seconds, expected in ((590, False), (601, True)):
        monkeypatch.setattr("time.time", lambda seconds=seconds: now() + seconds)
        assert refused(api.get(path)) is expected


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: text + "A", lambda text: "9" + text, str.upper]
)
def test_a_changed_signature_is_refused(api: Api, alice: Api, change: Callable[[str], str]) -> None:
    path, _, signature = path_of(alice, private(alice)).partition("=")
    assert refused(api.get(f"{path}={change(signature)}"))


def test_a_hidden_image_is_like_an_unknown_id_to_who_guesses_signatures(api: Api, alice: Api, calls: Calls) -> None:
    image_id = private(alice)
    made = []
    for each in (image_id, UNKNOWN):
        with calls.recorded() as operations:
            assert refused(api.get(f"/images/{each}/render?signature=1.{'A' * 43}"))
        made.append(operations)
    assert made == [["GetItem", "GetItem"]] * 2


def test_a_deleted_image_is_not_shown(api: Api, alice: Api) -> None:
    image_id = private(alice)
    path = path_of(alice, image_id)
    assert alice.call("DELETE", f"/images/{image_id}").status_code == 200
    assert refused(api.get(path))


def test_a_rotation_accepts_the_signatures_of_the_steps_around_its_own(
    api: Api, alice: Api, configured: Callable[..., None]
) -> None:
    old, new = "o" * 40, "n" * 40
    steps = [
        {"CURSOR_SECRET": old, "CURSOR_SECRET_NEXT": "", "CURSOR_SECRET_PREVIOUS": ""},
        {"CURSOR_SECRET": old, "CURSOR_SECRET_NEXT": new, "CURSOR_SECRET_PREVIOUS": ""},
        {"CURSOR_SECRET": new, "CURSOR_SECRET_NEXT": "", "CURSOR_SECRET_PREVIOUS": old},
    ]
    image_id = private(alice)
    paths, accepted = [], []
    for step in steps:
        configured(**step)
        paths.append(path_of(alice, image_id))
    for step in steps:
        configured(**step)
        accepted.append([api.get(path).status_code for path in paths])
    assert accepted == [[302, 302, 403], [302, 302, 302], [302, 302, 302]]


def test_without_a_secret_nothing_is_signed_where_callers_are_verified(
    api: Api, alice: Api, configured: Callable[..., None]
) -> None:
    image_id = private(alice)
    configured(CURSOR_SECRET="", AUTH="open")
    path = path_of(Api(api.client, {"X-User-Id": "alice"}), image_id)
    assert leads_to(api.get(path)) == "images-derived/640.webp"  # under AUTH=open, everyone can claim to be alice
    configured(AUTH="jwt")
    assert path_of(alice, image_id) == f"/images/{image_id}/render"
    assert refused(api.get(path))


@pytest.mark.parametrize("guessed", ["c" * 31, f"cursors of {'i' * 40}"])
def test_a_secret_that_can_be_guessed_signs_nothing_where_callers_are_verified(
    configured: Callable[..., None], guessed: str
) -> None:
    image = replace(IMAGE, visibility=Visibility.PRIVATE)
    configured(IMAGES_TABLE_NAME="i" * 40, CURSOR_SECRET=guessed, CURSOR_SECRET_NEXT="", AUTH="open")
    [key] = signatures.keys()
    forged = signatures.sign(image, key, 60)
    assert signatures.is_valid(forged, image, signatures.keys())
    configured(CURSOR_SECRET=KEY, CURSOR_SECRET_PREVIOUS=guessed, AUTH="jwt")
    assert len(signatures.keys()) == 1
    assert not signatures.is_valid(forged, image, signatures.keys())
    configured(CURSOR_SECRET=guessed)
    assert not signatures.keys()


def test_no_signature_is_in_a_log(api: Api, alice: Api, log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    path = path_of(alice, private(alice))
    signature = path.partition("=")[2]
    for sent in (path, path + "x", path + "&w=0", path + f"&signature={signature}x"):
        api.get(sent)
    assert signature.partition(".")[2] not in json.dumps(log()) + "".join(capsys.readouterr())
