"""The gallery, as a visitor sees it."""

from playwright.sync_api import Page, expect

from tests.http.client import User


def test_a_browser_gets_the_gallery_and_other_clients_the_overview(page: Page, alice: User) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="Images", exact=True)).to_be_visible()
    assert alice.service.get("/")["service"] == "images-api"
