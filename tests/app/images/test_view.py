from urllib.parse import parse_qs, urlsplit

import pytest

from tests.app.conftest import Api
from tests.errors import error

UNKNOWN = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_a_view_has_the_metadata_and_a_url_that_expires_after_an_hour(api: Api) -> None:
    image = api.upload(title="T")
    view = api.get(f"/images/{image['image_id']}").json_body
    url = urlsplit(view.pop("presigned_url"))
    render = f"images/{image['image_id']}/render"
    shown = {"metadata": image, "expires_in": 3600, "render": render, "state": "processing"}
    assert view == {"image_id": image["image_id"], **shown}
    assert (url.scheme, url.netloc) == ("https", "s3.us-east-1.amazonaws.com")
    assert url.path == f"/images-originals/{image['s3_key']}"
    assert parse_qs(url.query)["X-Amz-Expires"] == ["3600"]
    assert "response-content-disposition" not in url.query


@pytest.mark.parametrize(
    ("fields", "filenames"),
    [
        ({"filename": 'Café "x".png'}, "filename=\"Caf_ _x_.png\"; filename*=UTF-8''Caf%C3%A9%20%22x%22.png"),
        (
            {"filename": "invoice\u202egnp.html"},
            "filename=\"invoicegnp.html.png\"; filename*=UTF-8''invoicegnp.html.png",
        ),
        ({}, "filename=\"{image_id}.png\"; filename*=UTF-8''{image_id}.png"),
    ],
)
def test_a_download_is_saved_under_its_filename(api: Api, fields: dict[str, str], filenames: str) -> None:
    image_id = api.upload(**fields)["image_id"]
    url = api.get(f"/images/{image_id}?download=true").json_body["presigned_url"]
    disposition = parse_qs(urlsplit(url).query)["response-content-disposition"]
    assert disposition == ["attachment; " + filenames.replace("{image_id}", image_id)]


def test_a_url_encodes_special_characters_of_the_key(api: Api) -> None:
    image = api.upload(user_id="a b+c@d&e=f?g#h%i/".rstrip("/") + "\N{GRINNING FACE}")
    url = api.get(f"/images/{image['image_id']}").json_body["presigned_url"]
    assert urlsplit(url).path == f"/images-originals/a%20b%2Bc%40d%26e%3Df%3Fg%23h%25i%F0%9F%98%80/{image['image_id']}"


@pytest.mark.parametrize("image_id", [UNKNOWN, "nothing", "..", "%20", UNKNOWN.upper(), "x" * 2000])
def test_an_unknown_id_is_not_found(api: Api, image_id: str) -> None:
    for method in ("GET", "DELETE"):
        answer = api.call(method, f"/images/{image_id}")
        assert answer.status_code == 404
        assert answer.json_body == error(f"The image {image_id[:64]!r} was not found.")


def test_a_download_parameter_must_be_true_or_false(api: Api) -> None:
    answer = api.get(f"/images/{api.upload()['image_id']}?download=perhaps")
    assert (answer.status_code, answer.json_body) == (400, error("download must be true or false."))
