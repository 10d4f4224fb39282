"""Many pictures at a time: chosen, and changed or deleted together."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Witness
from tests.browser.steps import UNDO_MS, change, check_accessible, current, forgive, grid, titles, visit
from tests.http.client import Json, User
from tests.pictures import picture

LONG_PRESS_MS = 500


@pytest.fixture
def pictures(alice: User) -> list[Json]:
    """Upload five pictures, A to E. The list shows E first."""
    return [alice.upload(picture(seed=seed), title=title, tags=["sea"]) for seed, title in enumerate("ABCDE")]


def box(page: Page, name: str) -> Locator:
    return grid(page).get_by_role("checkbox", name=f"Select {name}", exact=True)


def link(page: Page, name: str) -> Locator:
    named = page.get_by_role("checkbox", name=f"Select {name}", exact=True)
    return grid(page).locator("li").filter(has=named).get_by_role("link")


def chosen(page: Page) -> list[str]:
    return [name for name in titles(page) if box(page, name).is_checked()]


def bar(page: Page) -> Locator:
    return page.get_by_role("region", name="Selection")


def tags(user: User, images: list[Json]) -> list[list[str]]:
    return [current(user, image)["tags"] for image in images]


def test_a_range_gets_a_tag_and_loses_it(page: Page, alice: User, pictures: list[Json]) -> None:
    visit(page, alice)
    box(page, "D").click()
    box(page, "B").click(modifiers=["Shift"])
    expect(bar(page)).to_contain_text("3 selected")
    assert chosen(page) == ["D", "C", "B"]
    check_accessible(page)
    bar(page).get_by_label("Add a tag").fill("holiday")
    bar(page).get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("3 images changed.")).to_be_visible()
    holiday = ["sea", "holiday"]
    assert tags(alice, pictures) == [["sea"], holiday, holiday, holiday, ["sea"]]
    bar(page).get_by_label("Remove a tag").select_option("sea")
    bar(page).get_by_role("button", name="Remove").click()
    expect(page.get_by_text("3 images changed.")).to_have_count(2)
    assert tags(alice, pictures) == [["sea"], ["holiday"], ["holiday"], ["holiday"], ["sea"]]


def test_commas_separate_tags(page: Page, alice: User, pictures: list[Json]) -> None:
    visit(page, alice)
    box(page, "A").click()
    bar(page).get_by_label("Add a tag").fill("holiday, Sea, , dunes")
    bar(page).get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("1 image changed.")).to_be_visible()
    assert tags(alice, pictures)[0] == ["sea", "holiday", "dunes"]


def test_tags_that_another_client_added_meanwhile_are_kept(
    page: Page, alice: User, pictures: list[Json], witness: Witness
) -> None:
    visit(page, alice)
    box(page, "A").click()
    box(page, "B").click()
    change(alice, pictures[0], tags=["sea", "theirs"])
    bar(page).get_by_label("Add a tag").fill("mine")
    bar(page).get_by_label("Add a tag").press("Enter")
    expect(page.get_by_text("2 images changed.")).to_be_visible()
    assert tags(alice, pictures[:2]) == [["sea", "theirs", "mine"], ["sea", "mine"]]
    forgive(witness, 412)


def test_the_selection_becomes_private_and_public(page: Page, alice: User, pictures: list[Json]) -> None:
    visit(page, alice)
    box(page, "A").click()
    box(page, "E").click()
    bar(page).get_by_role("button", name="Make private").click()
    expect(page.get_by_text("2 images changed.")).to_be_visible()
    shown = [current(alice, image)["visibility"] for image in pictures]
    assert shown == ["private", "public", "public", "public", "private"]
    bar(page).get_by_role("button", name="Make public").click()
    expect(page.get_by_text("2 images changed.")).to_have_count(2)
    assert {current(alice, image)["visibility"] for image in pictures} == {"public"}


def test_what_failed_is_counted_and_can_be_tried_again(
    page: Page, alice: User, pictures: list[Json], witness: Witness
) -> None:
    visit(page, alice)
    box(page, "A").click()
    box(page, "B").click()
    page.route(f"**/images/{pictures[0]['image_id']}", lambda route: route.abort(), times=1)
    bar(page).get_by_role("button", name="Make private").click()
    expect(page.get_by_text("1 done, 1 failed. The service cannot be reached.")).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("1 image changed.")).to_be_visible()
    assert [current(alice, image)["visibility"] for image in pictures[:2]] == ["private", "private"]
    assert all("ERR_FAILED" in error for error in witness.errors)
    witness.errors.clear()


def test_a_change_is_repeated_while_the_service_is_busy(
    page: Page, alice: User, pictures: list[Json], witness: Witness
) -> None:
    visit(page, alice)
    box(page, "A").click()
    busy = {"status": 503, "json": {"error": "Try again later."}}
    page.route(f"**/images/{pictures[0]['image_id']}", lambda route: route.fulfill(**busy), times=1)
    bar(page).get_by_role("button", name="Make private").click()
    expect(page.get_by_text("1 image changed.")).to_be_visible()
    assert current(alice, pictures[0])["visibility"] == "private"
    forgive(witness, 503)


def test_the_selection_is_deleted_after_the_time_for_undo(page: Page, alice: User, pictures: list[Json]) -> None:
    page.clock.install()
    visit(page, alice)
    box(page, "E").click()
    box(page, "C").click(modifiers=["Shift"])
    bar(page).get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted 3 images.")).to_be_visible()
    expect(bar(page)).to_be_hidden()
    assert titles(page) == ["B", "A"]
    page.get_by_role("button", name="Undo").click()
    expect(grid(page).get_by_role("checkbox")).to_have_count(5)
    assert titles(page) == ["E", "D", "C", "B", "A"]
    box(page, "E").click()
    bar(page).get_by_role("button", name="Delete").click()
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as deleted:
        page.clock.fast_forward(UNDO_MS)
    assert deleted.value.status == 200
    assert len(alice.service.ids(user_id=alice.user_id)) == 4


def test_pictures_are_chosen_by_keys_and_modified_clicks(page: Page, alice: User, pictures: list[Json]) -> None:
    visit(page, alice)
    link(page, "E").focus()
    page.keyboard.press("x")
    assert chosen(page) == ["E"]
    link(page, "D").focus()
    page.keyboard.press("Space")
    assert chosen(page) == ["E", "D"]
    page.keyboard.press("Escape")
    expect(bar(page)).to_be_hidden()
    link(page, "C").click(modifiers=["Control"])
    link(page, "A").click(modifiers=["Shift"])
    assert chosen(page) == ["C", "B", "A"]
    page.keyboard.press("Control+a")
    expect(bar(page)).to_contain_text("5 selected")
    link(page, "E").click()
    expect(bar(page)).to_contain_text("4 selected")
    bar(page).get_by_role("button", name="Clear the selection").click()
    assert chosen(page) == []


def test_a_long_press_chooses_a_picture_on_a_phone(page: Page, alice: User, pictures: list[Json]) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.clock.install()
    visit(page, alice)
    touch = {"pointerType": "touch", "bubbles": True, "clientX": 20, "clientY": 200}
    link(page, "D").dispatch_event("pointerdown", touch)
    page.clock.fast_forward(LONG_PRESS_MS)
    link(page, "D").dispatch_event("pointerup", touch)
    link(page, "D").dispatch_event("click", {"bubbles": True, "cancelable": True})
    expect(bar(page)).to_contain_text("1 selected")
    assert chosen(page) == ["D"]
    check_accessible(page)
    assert page.evaluate("document.querySelector('.selection').scrollWidth") <= 320
