"""The API reference, as a developer sees it."""

import json
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from chalicelib.web import openapi
from tests.browser.conftest import Witness
from tests.http.client import Service, User
from tests.pictures import picture

METHODS = {"get", "put", "post", "delete"}
OPERATIONS = [each for item in openapi.of_contract("b")["paths"].values() for each in item if each in METHODS]


def opened(page: Page, summary: str) -> Locator:
    """Open an operation of the reference."""
    operation = page.locator(".opblock").filter(has=page.get_by_text(summary, exact=True))
    operation.locator(".opblock-summary-control").click()
    expect(operation.get_by_role("button", name="Execute", exact=True)).to_be_visible()
    return operation


def executed(operation: Locator) -> int:
    """Send the request of an operation, and return the status of the answer when it is shown."""
    with operation.page.expect_response(lambda answer: answer.request.resource_type == "fetch") as answer:
        operation.get_by_role("button", name="Execute", exact=True).click()
    shown = operation.locator(".live-responses-table .response-col_status").last
    expect(shown).to_contain_text(str(answer.value.status))
    return answer.value.status


def test_the_reference_shows_every_operation_with_its_example(page: Page) -> None:
    page.goto("/docs")
    expect(page.get_by_role("heading", name="API reference", exact=True)).to_be_visible()
    expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
    body = opened(page, "Create an item").locator("textarea.body-param__text")
    assert json.loads(body.input_value()) == {"name": "Tripod", "price": 49.9, "in_stock": True}


def test_a_request_of_the_reference_goes_to_this_service(page: Page, service: Service, witness: Witness) -> None:
    page.goto("/docs")
    assert executed(opened(page, "Check the health of the service")) == 200
    assert [urlsplit(each.url).path for each in witness.api_requests()] == ["/openapi.json", "/health"]
    assert all(each.url.startswith(service.url) for each in witness.api_requests())


def test_a_reader_names_the_caller_once(page: Page, alice: User, witness: Witness) -> None:
    image_id = alice.upload(picture(), visibility="private")["image_id"]
    page.goto("/docs")
    operation = opened(page, "View an image")
    operation.get_by_placeholder("image_id", exact=True).fill(image_id)
    assert executed(operation) == 404
    (hidden,) = witness.errors  # the browser's own line about the 404
    witness.errors.remove(hidden)
    page.get_by_role("button", name="Authorize", exact=True).click()
    dialog = page.locator(".auth-container")
    dialog.get_by_role("textbox").fill(alice.user_id)
    page.locator(".auth-btn-wrapper").get_by_role("button", name="Apply").click()
    page.locator(".auth-btn-wrapper").get_by_role("button", name="Close").click()
    assert executed(operation) == 200


def test_the_caller_of_the_gallery_is_the_caller_of_the_reference(page: Page, alice: User, witness: Witness) -> None:
    page.goto("/")
    page.evaluate("user => localStorage.setItem('images-api.session', JSON.stringify({user}))", alice.user_id)
    page.get_by_role("link", name="API", exact=True).click()
    expect(page.locator(".opblock").first).to_be_visible()
    assert executed(opened(page, "Count images")) == 200
    assert witness.api_requests()[-1].headers["x-user-id"] == alice.user_id
    page.get_by_role("link", name="Gallery", exact=True).click()
    expect(page.get_by_role("heading", name="Images", exact=True)).to_be_visible()


# In the markup of Swagger UI: the level of its headings, its links inside buttons, and text outside of its main part.
OF_SWAGGER_UI = {"heading-order", "nested-interactive", "region"}


def test_the_reference_is_accessible(page: Page) -> None:
    page.goto("/docs")
    expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
    assert {each["id"] for each in Axe().run(page).response["violations"]} <= OF_SWAGGER_UI
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_class("dark-mode")
    assert {each["id"] for each in Axe().run(page).response["violations"]} <= OF_SWAGGER_UI
