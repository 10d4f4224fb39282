"""The picture that is open: seen, described, changed and deleted."""

import re
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Witness
from tests.browser.steps import UNDO_MS, change, check_accessible, current, forgive, grid, titles, visit
from tests.http.client import Json, User, eventually
from tests.pictures import LOCATION, photograph, picture


def open_picture(page: Page, name: str) -> Locator:
    """Open a picture by a click in the grid, and return the viewer."""
    grid(page).get_by_role("link", name=name).click()
    return shows(page, name)


def open_details(page: Page, name: str) -> Locator:
    """Open a picture and its details, and return the details."""
    open_picture(page, name)
    page.keyboard.press("i")
    return page.get_by_role("complementary", name="Details")


def shows(page: Page, name: str) -> Locator:
    """Expect that a picture is open, and return the viewer."""
    viewer = page.get_by_role("dialog", name="Pictures")
    expect(viewer.locator(".pswp__name")).to_have_text(name)
    return viewer


def edit(page: Page, name: str) -> Locator:
    """Open a picture's form."""
    open_details(page, name)
    page.get_by_role("button", name="Edit").click()
    return page.get_by_role("form", name=f"Edit {name}")


def wait_until_ready(user: User, *images: Json) -> None:
    for image in images:
        eventually(partial(state, user, image), "ready")


def state(user: User, image: Json) -> str:
    found: str = user.service.get(f"/images/{image['image_id']}", user_id=user.user_id)["state"]
    return found


@pytest.fixture
def pictures(alice: User) -> list[Json]:
    """Upload three pictures. The list shows the third first."""
    return [
        alice.upload(picture("JPEG", width=400, height=300, seed=seed), title=title, tags=["sea"])
        for seed, title in enumerate(("First", "Second", "Third"))
    ]


def test_back_closes_a_picture_and_gives_the_focus_back(page: Page, alice: User, pictures: list[Json]) -> None:
    wait_until_ready(alice, *pictures)
    visit(page, alice)
    viewer = open_picture(page, "Second")
    expect(page).to_have_url(re.compile(f"image={pictures[1]['image_id']}"))
    expect(viewer.get_by_role("img", name="Second")).to_be_visible()
    page.go_back()
    expect(viewer).to_be_hidden()
    expect(page).not_to_have_url(re.compile("image="))
    expect(grid(page).get_by_role("link", name="Second")).to_be_focused()


def test_keys_move_zoom_and_close(page: Page, alice: User, pictures: list[Json]) -> None:
    wait_until_ready(alice, *pictures)
    visit(page, alice)
    viewer = open_picture(page, "Third")
    page.keyboard.press("ArrowRight")
    shows(page, "Second")
    page.keyboard.press("End")
    shows(page, "First")
    expect(viewer.get_by_role("button", name="Next picture", include_hidden=True)).to_be_disabled()
    expect(page).to_have_url(re.compile(f"image={pictures[0]['image_id']}"))
    page.set_viewport_size({"width": 300, "height": 400})
    shown = viewer.get_by_role("img", name="First")
    expect(shown).to_have_css("width", "300px")
    page.keyboard.press("z")
    expect(shown).to_have_css("width", "400px")
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(page).not_to_have_url(re.compile("image="))
    expect(grid(page).get_by_role("link", name="First")).to_be_focused()


def test_the_keyboard_stays_in_the_viewer(page: Page, alice: User, pictures: list[Json]) -> None:
    visit(page, alice)
    open_picture(page, "Third")
    names = set()
    for _ in range(6):
        page.keyboard.press("Tab")
        names.add(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.tagName"))
    assert names <= {"Details (i)", "Zoom (z)", "Close (Escape)", "Next picture", "BODY"}
    assert len(names) > 2


def test_a_link_opens_a_picture_that_the_list_does_not_have(page: Page, alice: User, pictures: list[Json]) -> None:
    visit(page, alice, f"&tag=none&image={pictures[0]['image_id']}")
    viewer = shows(page, "First")
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(page).to_have_url(re.compile(r"\?user_id=[^&]*&tag=none$"))


def test_a_link_opens_a_picture_among_those_of_the_list(page: Page, alice: User, pictures: list[Json]) -> None:
    visit(page, alice, f"&image={pictures[1]['image_id']}")
    viewer = shows(page, "Second")
    expect(viewer).to_contain_text("2 / 3")
    page.keyboard.press("ArrowLeft")
    shows(page, "Third")


def test_a_private_picture_of_another_user_is_not_found(
    page: Page, alice: User, pictures: list[Json], witness: Witness
) -> None:
    change(alice, pictures[0], visibility="private")
    visit(page, User(alice.service, "bob"), f"&image={pictures[0]['image_id']}")
    dialog = page.get_by_role("dialog", name="This image cannot be shown")
    expect(dialog).to_contain_text("was not found")
    check_accessible(page)
    dialog.get_by_role("button").click()
    expect(dialog).to_be_hidden()
    expect(page).not_to_have_url(re.compile("image="))
    forgive(witness, 404)


def test_the_owner_sees_a_private_picture(page: Page, alice: User, pictures: list[Json]) -> None:
    change(alice, pictures[0], visibility="private")
    wait_until_ready(alice, *pictures)
    visit(page, alice)
    shown = open_picture(page, "First").get_by_role("img", name="First")
    expect(shown).not_to_have_js_property("naturalWidth", 0)


def test_details_describe_a_picture_and_lead_to_others(page: Page, alice: User, pictures: list[Json]) -> None:
    change(alice, pictures[1], description="A quiet morning.", tags=["sea", "<b>rare</b>"])
    wait_until_ready(alice, *pictures)
    visit(page, alice)
    details = open_details(page, "Second")
    expect(details).to_contain_text("A quiet morning.")
    expect(details).to_contain_text("400 × 300 pixels")
    expect(details).to_contain_text("image/jpeg")
    check_accessible(page)
    page.get_by_role("button", name="Details (i)").click()
    expect(details).to_be_hidden()
    page.keyboard.press("i")
    details.get_by_role("link", name="<b>rare</b>").click()
    expect(details).to_be_hidden()
    expect(page).to_have_url(re.compile(r"\?tag=%3Cb%3Erare%3C%2Fb%3E$"))
    expect(grid(page).get_by_role("link")).to_have_count(1)
    page.go_back()
    shows(page, "Second")


def test_the_owner_alone_may_ask_where_a_picture_was_taken(page: Page, alice: User) -> None:
    image = alice.upload(photograph(), title="Abroad")
    wait_until_ready(alice, image)
    visit(page, alice)
    details = open_details(page, "Abroad")
    expect(details).to_contain_text("Contoso Optical Pocket 5")
    expect(details).to_contain_text("1/250 s")
    expect(details).to_contain_text("f/2.8")
    details.get_by_role("button", name="Show where it was taken").click()
    place = details.get_by_role("link", name="-33.85690, 151.21514")
    expect(place).to_have_attribute("href", f"geo:{LOCATION['latitude']},{LOCATION['longitude']}")
    visit(page, User(alice.service, "bob"), f"&image={image['image_id']}")
    shows(page, "Abroad")
    page.keyboard.press("i")
    expect(details).to_contain_text("Contoso Optical Pocket 5")
    expect(details.get_by_role("button", name="Show where it was taken")).to_be_hidden()


def test_details_offer_the_file_the_link_and_similar_pictures(page: Page, alice: User, pictures: list[Json]) -> None:
    twin = alice.upload(picture("JPEG", width=401, height=300, seed=0), title="Twin")
    same = alice.upload(picture("JPEG", width=401, height=300, seed=0), title="Same")
    wait_until_ready(alice, twin, same)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, alice)
    details = open_details(page, "Twin")
    with page.expect_download() as download:
        details.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith(".jpg")
    details.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Link copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{alice.service.url}/?image={twin['image_id']}"
    details.get_by_role("link", name="Same").click()
    shows(page, "Same")


def test_a_change_shows_in_the_grid(page: Page, alice: User, pictures: list[Json]) -> None:
    visit(page, alice)
    form = edit(page, "Second")
    form.get_by_label("Title").fill("Renamed")
    form.get_by_label("Description").fill("New words")
    form.get_by_label("Add a tag").fill("holiday")
    form.get_by_label("Add a tag").press("Enter")
    form.get_by_role("button", name="Remove the tag sea").click()
    form.get_by_label("Visibility").select_option("Private")
    check_accessible(page)
    form.get_by_role("button", name="Save").click()
    shows(page, "Renamed")
    page.go_back()
    expect(grid(page).get_by_role("link", name="Renamed")).to_be_visible()
    changed = current(alice, pictures[1])
    fields = (changed["title"], changed["description"], changed["tags"], changed["visibility"])
    assert fields == ("Renamed", "New words", ["holiday"], "private")


def test_tags_in_use_are_suggested(page: Page, alice: User, pictures: list[Json]) -> None:
    change(alice, pictures[0], tags=["seagull"])
    eventually(lambda: len(alice.service.get("/tags", user_id=alice.user_id, prefix="seag")["tags"]), 1)
    visit(page, alice)
    form = edit(page, "Second")
    form.get_by_label("Add a tag").fill("seag")
    expect(form.locator("datalist option")).to_have_attribute("value", "seagull")


def test_what_the_service_refuses_is_said_at_the_form(
    page: Page, alice: User, pictures: list[Json], witness: Witness
) -> None:
    visit(page, alice)
    form = edit(page, "Second")
    form.get_by_label("Title").fill("x" * 1000)
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("title")
    expect(form.get_by_label("Title")).to_have_value("x" * 1000)
    form.get_by_role("button", name="Discard changes").click()
    expect(form).to_be_hidden()
    forgive(witness, 400)


def test_a_conflict_shows_both_and_merges_field_by_field(
    page: Page, alice: User, pictures: list[Json], witness: Witness
) -> None:
    visit(page, alice)
    form = edit(page, "Second")
    form.get_by_label("Title").fill("Mine")
    form.get_by_label("Add a tag").fill("mine")
    change(alice, pictures[1], title="Theirs", tags=["sea", "theirs"], description="Their words")
    form.get_by_role("button", name="Save").click()
    conflict = page.get_by_role("region", name="Changes by somebody else")
    title, tags, description = (conflict.get_by_role("group", name=name) for name in ("Title", "Tags", "Description"))
    expect(title.get_by_label("Theirs: Theirs")).not_to_be_checked()
    expect(title.get_by_label("Yours: Mine")).to_be_checked()
    expect(tags.get_by_label("Both: sea, theirs, mine")).to_be_checked()
    expect(description.get_by_label("Theirs: Their words")).to_be_checked()
    check_accessible(page)
    title.get_by_label("Theirs: Theirs").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    changed = current(alice, pictures[1])
    assert (changed["title"], changed["description"]) == ("Theirs", "Their words")
    assert changed["tags"] == ["sea", "theirs", "mine"]
    forgive(witness, 412)


def test_yours_can_be_kept_in_a_conflict(page: Page, alice: User, pictures: list[Json], witness: Witness) -> None:
    visit(page, alice)
    edit(page, "Second").get_by_label("Title").fill("Mine")
    change(alice, pictures[1], title="Theirs", description="Their words")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Keep all of yours").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    changed = current(alice, pictures[1])
    assert (changed["title"], changed["description"]) == ("Mine", "")
    forgive(witness, 412)


def test_changes_that_are_not_saved_are_not_lost(page: Page, alice: User, pictures: list[Json]) -> None:
    visit(page, alice)
    edit(page, "Second").get_by_label("Title").fill("Half of a")
    page.go_back()
    expect(page.get_by_text("Your changes to “Second” are not saved.")).to_be_visible()
    page.get_by_role("button", name="Continue editing").click()
    shows(page, "Second")
    form = page.get_by_role("form", name="Edit Second")
    expect(form.get_by_label("Title")).to_have_value("Half of a")
    form.get_by_role("button", name="Discard changes").click()
    expect(form).to_be_hidden()


def test_undo_brings_a_deleted_picture_back(page: Page, alice: User, pictures: list[Json], witness: Witness) -> None:
    visit(page, alice)
    open_details(page, "Second")
    page.get_by_role("button", name="Delete").click()
    shows(page, "First")
    assert titles(page) == ["Third", "First"]
    page.get_by_role("button", name="Undo").click()
    expect(grid(page).get_by_role("link")).to_have_count(3)
    assert titles(page) == ["Third", "Second", "First"]
    assert not [each for each in witness.requests if each.method == "DELETE"]


def test_a_picture_is_deleted_when_the_time_for_undo_is_over(page: Page, alice: User, pictures: list[Json]) -> None:
    page.clock.install()
    visit(page, alice)
    open_details(page, "Second")
    page.get_by_role("button", name="Delete").click()
    shows(page, "First")
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as deleted:
        page.clock.fast_forward(UNDO_MS)
    assert deleted.value.status == 200
    assert alice.service.ids(user_id=alice.user_id) == [pictures[2]["image_id"], pictures[0]["image_id"]]


def test_a_deletion_survives_the_end_of_the_page(page: Page, alice: User, pictures: list[Json]) -> None:
    visit(page, alice)
    open_details(page, "Second")
    page.get_by_role("button", name="Delete").click()
    shows(page, "First")
    page.close(run_before_unload=True)
    left = [pictures[2]["image_id"], pictures[0]["image_id"]]
    eventually(lambda: alice.service.ids(user_id=alice.user_id), left)


def test_a_picture_that_has_changed_is_not_deleted(
    page: Page, alice: User, pictures: list[Json], witness: Witness
) -> None:
    page.clock.install()
    visit(page, alice)
    open_details(page, "Second")
    page.get_by_role("button", name="Delete").click()
    shows(page, "First")
    change(alice, pictures[1], title="Changed")
    page.clock.fast_forward(UNDO_MS)
    expect(page.get_by_text("“Changed” was not deleted: it has changed meanwhile.")).to_be_visible()
    assert titles(page) == ["Third", "Changed", "First"]
    forgive(witness, 412)


def test_the_viewer_is_accessible_on_a_phone_in_the_dark(page: Page, alice: User, pictures: list[Json]) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.emulate_media(color_scheme="dark")
    wait_until_ready(alice, *pictures)
    visit(page, alice)
    viewer = open_picture(page, "Second")
    check_accessible(page)
    viewer.get_by_role("button", name="Details (i)").click()
    expect(page.get_by_role("complementary", name="Details")).to_be_visible()
    check_accessible(page)
    assert page.evaluate("document.querySelector('.details').scrollWidth") <= 320
