"""A route checks the token before it reads the body or the query."""

from collections.abc import Callable

import pytest
from chalice.test import HTTPResponse

from chalicelib.web import openapi
from tests.app.conftest import Api

UNKNOWN = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"  # neither an image nor an item has this id

OPERATIONS = {
    (method.upper(), path): operation
    for path, item in openapi.of_contract("b")["paths"].items()
    for method, operation in item.items()
    if "responses" in operation
}
WITH_CALLER = [key for key, operation in OPERATIONS.items() if "401" in operation["responses"]]
WITH_BODY = [key for key, operation in OPERATIONS.items() if "requestBody" in operation]


def send_invalid_request(api: Api, method: str, path: str, image_id: str = UNKNOWN) -> HTTPResponse:
    path = path.replace("{image_id}", image_id).replace("{item_id}", UNKNOWN)
    return api.call(method, f"{path}?limit=0&download=maybe&type=fax&w=0&distance=x", b"{")


@pytest.fixture
def image_id(api: Api) -> str:
    image_id: str = api.upload()["image_id"]
    return image_id


@pytest.fixture
def private_id(api: Api) -> str:
    image_id: str = api.upload(visibility="private")["image_id"]
    return image_id


@pytest.fixture(autouse=True)
def tokens(image_id: str, private_id: str, configured: Callable[..., None]) -> None:
    configured(AUTH="jwt", JWT_SECRET="s" * 32)


@pytest.mark.parametrize(("method", "path"), WITH_CALLER)
def test_an_invalid_token_is_refused_before_the_request_is_read(api: Api, method: str, path: str) -> None:
    assert send_invalid_request(Api(api.client, {"Authorization": "Bearer nonsense"}), method, path).status_code == 401


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_missing_token_is_refused_before_the_body_is_read(api: Api, image_id: str, method: str, path: str) -> None:
    assert send_invalid_request(api, method, path, image_id).status_code == 401


def test_without_a_token_private_and_unknown_images_get_the_same_answer(api: Api, private_id: str) -> None:
    for hidden_id in (private_id, UNKNOWN):
        assert send_invalid_request(api, "PUT", "/images/{image_id}", hidden_id).status_code == 404
