"""The gallery, as a visitor sees it: the grid, the filters and the address."""

import io
import re
import uuid
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image as PILImage
from playwright.sync_api import BrowserContext, Locator, Page, expect

from chalicelib.model import State
from dev.stack import Stack
from tests.browser import album
from tests.browser.conftest import WAIT_MS, Witness
from tests.browser.steps import check_accessible, use_as
from tests.http.client import Service, User
from tests.pictures import picture

MANY = 1_000
MOST_PICTURES = 250  # in the document at once: three screens

# Adds up the layout shifts that no user has caused (Layout Instability, W3C).
_WATCH_SHIFTS = """
window.shifted = 0
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value
}).observe({ type: "layout-shift", buffered: true })
"""

# Notes which pictures are ever in the document, and how many at most.
_NOTE_PICTURES = """() => {
  window.seen = new Set()
  window.most = 0
  const note = () => {
    const names = [...document.querySelectorAll("main li img")].map((picture) => picture.alt)
    window.doubled ||= new Set(names).size < names.length
    window.most = Math.max(window.most, names.length)
    for (const name of names) window.seen.add(name)
  }
  note()
  new MutationObserver(note).observe(document.querySelector("main"), { childList: true, subtree: true })
}"""

# Takes pictures out of the list, reads the next page, and puts the pictures back. Then an older answer arrives.
_UNDO_LATE = """async () => {
  const { src } = document.querySelector("script[type=module]")
  const { listing, more, put, take } = await import(src.replace("gallery.js", "listing.js"))
  const before = listing.value.images
  const putBack = take(before.slice(1, 3))
  while (listing.value.images.length <= before.length) {
    await more()
    await new Promise(requestAnimationFrame)
  }
  putBack()
  put([{ ...before[0], title: "Old", version: before[0].version - 1 }])
  return listing.value.images.map((image) => image.title)
}"""

_FITS = """(width) => document.documentElement.scrollWidth === width
  && [...document.querySelectorAll("header *, main li")].every((each) => each.getBoundingClientRect().right <= width)"""


@pytest.fixture(scope="session")
def collection(stack: Stack, service: Service) -> User:
    user = User(service, f"collector-{uuid.uuid4()}")
    album.write(stack, [album.image(user.user_id, n) for n in range(MANY)])
    return user


@pytest.fixture
def collector(collection: User, context: BrowserContext) -> User:
    """Return a user with MANY images, titled by their numbers. The highest is the newest."""
    album.show_thumbnails(context)
    return collection


@pytest.fixture
def bob(service: Service) -> Iterator[User]:
    user = User(service, f"bob-{uuid.uuid4()}")
    yield user
    user.delete_all()


def picture_named(page: Page, name: str) -> Locator:
    return page.locator("main").get_by_role("link", name=re.compile(rf"^{re.escape(name)}\b"))


def expect_query(page: Page, expected: dict[str, list[str]]) -> None:
    """Wait until the address has these parameters: it changes a moment after a click or a key."""
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query) == expected)


def photograph(exif: PILImage.Exif, seed: int) -> bytes:
    """Return a JPEG with these facts of a camera."""
    with PILImage.open(io.BytesIO(picture(seed=seed))) as plain:
        buffer = io.BytesIO()
        plain.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_a_browser_gets_the_gallery_and_other_clients_the_overview(page: Page, alice: User) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="Images", exact=True)).to_be_visible()
    assert alice.service.get("/")["service"] == "images-api"


def test_pictures_are_called_by_their_title_or_their_file(page: Page, alice: User) -> None:
    alice.upload(picture(seed=1), title="Harbour", filename="IMG_1.png")
    alice.upload(picture(seed=2), filename="IMG_2.old.png")
    alice.upload(picture(seed=3))
    page.goto(f"/?user_id={alice.user_id}")
    for name in ("Harbour", "IMG_2.old", "Untitled"):
        expect(picture_named(page, name)).to_be_visible()
    expect(page.get_by_text("All 3 images")).to_be_visible()


def test_a_picture_is_a_link_that_keeps_the_filters(page: Page, alice: User) -> None:
    image = alice.upload(picture(seed=4), title="Harbour", tags=["sea"])
    page.goto(f"/?user_id={alice.user_id}&tag=sea")
    link = picture_named(page, "Harbour")
    expect(link).to_have_attribute("href", f"?user_id={alice.user_id}&tag=sea&image={image['image_id']}")
    link.click()
    expect_query(page, {"user_id": [alice.user_id], "tag": ["sea"], "image": [image["image_id"]]})


def test_each_day_has_a_heading_in_the_order_of_the_list(page: Page, collector: User) -> None:
    page.goto(f"/?user_id={collector.user_id}")
    expect(page.get_by_role("heading", level=2).first).to_have_text("Monday, 20 January 2025")
    page.get_by_label("Sort by").select_option("Taken, oldest first")
    expect(page.get_by_role("heading", level=2).first).to_have_text("Wednesday, 1 January 2025")
    expect(picture_named(page, "0")).to_be_visible()
    page.get_by_label("Taken from").fill("2025-01-03")
    page.get_by_label("Taken until").fill("2025-01-03")
    expect(page.get_by_text(f"All {album.PER_DAY} images")).to_be_attached()
    expect(page.locator("section").get_by_role("heading", level=2)).to_have_text(["Friday, 3 January 2025"])


def test_scrolling_shows_each_of_many_pictures_and_keeps_the_document_small(page: Page, collector: User) -> None:
    page.set_viewport_size({"width": 1_280, "height": 800})
    page.goto(f"/?user_id={collector.user_id}")
    expect(picture_named(page, str(MANY - 1))).to_be_visible()
    page.evaluate(_NOTE_PICTURES)
    end = page.get_by_text(f"All {MANY:,} images")
    for _ in range(MANY):
        page.mouse.wheel(0, 2_000)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        if end.is_visible() and page.evaluate("scrollY + innerHeight > document.body.scrollHeight - 2"):
            break
    expect(picture_named(page, "0")).to_be_visible()
    assert page.evaluate("window.seen.size") == MANY
    assert page.evaluate("window.most") <= MOST_PICTURES
    assert not page.evaluate("window.doubled")


def test_the_picture_at_the_top_stays_there_when_the_window_changes(page: Page, collector: User) -> None:
    page.set_viewport_size({"width": 1_280, "height": 800})
    page.goto(f"/?user_id={collector.user_id}")
    expect(picture_named(page, str(MANY - 1))).to_be_visible()
    page.evaluate("scrollTo(0, 2000)")
    at_top = "document.elementFromPoint(100, 110).closest('li').querySelector('img').alt"
    page.wait_for_function("() => document.elementFromPoint(100, 110).closest('li')")
    before = page.evaluate(at_top)
    page.set_viewport_size({"width": 700, "height": 800})
    expect(picture_named(page, before)).to_be_in_viewport()
    page.set_viewport_size({"width": 1_280, "height": 800})
    expect(picture_named(page, before)).to_be_in_viewport()


def test_the_first_screen_needs_few_requests_and_moves_nothing(page: Page, collector: User, witness: Witness) -> None:
    page.add_init_script(_WATCH_SHIFTS)
    page.goto(f"/?user_id={collector.user_id}")
    expect(picture_named(page, str(MANY - 1))).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert len(witness.api_requests()) <= 4, [each.url for each in witness.api_requests()]
    page.mouse.wheel(0, 3_000)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.shifted") < 0.01


def test_the_list_keeps_its_order_and_the_newest_versions(page: Page, collector: User) -> None:
    page.goto(f"/?user_id={collector.user_id}")
    expect(picture_named(page, str(MANY - 1))).to_be_visible()
    titles = page.evaluate(_UNDO_LATE)
    assert titles == [str(MANY - 1 - n) for n in range(len(titles))]


def test_filters_are_in_the_address_and_back_works(page: Page, alice: User) -> None:
    alice.upload(picture(seed=5), title="Harbour", tags=["sea", "city"])
    alice.upload(picture(seed=6), title="Beach", tags=["sea"])
    page.goto(f"/?user_id={alice.user_id}")
    expect(picture_named(page, "Beach")).to_be_visible()
    page.get_by_role("button", name="city 1").click()
    expect(picture_named(page, "Beach")).to_be_hidden()
    expect(picture_named(page, "Harbour")).to_be_visible()
    expect_query(page, {"user_id": [alice.user_id], "tag": ["city"]})
    expect(page).to_have_title(f"Tag: city · Owner: {alice.user_id} · Images")
    page.get_by_label("Type").select_option("GIF")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.go_back()
    expect(picture_named(page, "Harbour")).to_be_visible()
    page.reload()
    expect(picture_named(page, "Harbour")).to_be_visible()
    page.get_by_role("button", name="Tag: city, remove").click()
    expect(picture_named(page, "Beach")).to_be_visible()
    page.get_by_role("link", name="Clear the filters").click()
    expect(page).to_have_title("Images")
    expect_query(page, {})


def test_typing_is_one_entry_of_the_history(page: Page, alice: User) -> None:
    alice.upload(picture(seed=7), title="Harbour")
    page.goto("/?visibility=public")
    owner = page.get_by_role("textbox", name="Owner")
    for part in (alice.user_id[:8], alice.user_id[8:20], alice.user_id[20:]):
        owner.press_sequentially(part)
        expect(page).to_have_url(re.compile(part))
    expect(page.get_by_text("1 image", exact=True)).to_be_visible()
    owner.press("Enter")
    page.go_back()
    expect(owner).to_have_value("")
    expect_query(page, {"visibility": ["public"]})


def test_words_are_found_in_titles_descriptions_files_and_tags(page: Page, alice: User) -> None:
    alice.upload(picture(seed=20), title="Harbour at night", filename="boats.png")
    alice.upload(picture(seed=21), description="A night train", tags=["boats"])
    alice.upload(picture(seed=22), title="Night")
    page.goto(f"/?user_id={alice.user_id}")
    expect(page.get_by_text("All 3 images")).to_be_attached()
    search = page.get_by_role("searchbox")
    search.press_sequentially("night boats")
    expect(page.get_by_text("All 2 images")).to_be_attached()
    expect(page.get_by_role("status").filter(has_text="2 found")).to_be_attached()
    expect(picture_named(page, "Harbour at night")).to_be_visible()
    search.press("Enter")
    expect_query(page, {"q": ["night boats"], "user_id": [alice.user_id]})
    search.fill("night boats nowhere")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.go_back()
    expect(search).to_have_value("night boats")
    expect(page.get_by_text("All 2 images")).to_be_attached()


def test_days_with_few_pictures_share_a_heading_within_a_month(page: Page, alice: User) -> None:
    for seed, day in enumerate(("2019:07:01", "2019:07:03", "2019:07:05", "2019:06:30")):
        exif = PILImage.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"{day} 12:00:00"
        alice.upload(photograph(exif, seed=seed))
    page.goto(f"/?user_id={alice.user_id}")
    headings = page.locator("section").get_by_role("heading", level=2)
    expect(headings).to_have_text([re.compile(r"^1\W+5 July 2019$"), "Sunday, 30 June 2019"], timeout=WAIT_MS)


def test_a_search_without_result_says_what_it_finds(page: Page, alice: User) -> None:
    alice.upload(picture(seed=15), title="Harbour")
    page.goto(f"/?user_id={alice.user_id}&q=harb")
    expect(page.get_by_text("A search finds whole words only.")).to_be_visible()


def test_a_tag_that_is_new_can_be_chosen_without_a_reload(page: Page, alice: User) -> None:
    page.goto("/")
    tags = page.get_by_role("group", name="Filters in use and tags")
    expect(page.get_by_role("heading", name="No images yet").or_(page.locator("main li")).first).to_be_visible()
    tag = f"new-{alice.user_id}"
    alice.upload(picture(seed=16), title="Harbour", tags=[tag])
    page.get_by_role("searchbox").fill("harbour")  # reads the list, not the page
    expect(picture_named(page, "Harbour")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    expect(tags.get_by_role("button", name=tag)).to_be_visible()


def test_nothing_shows_through_a_transparent_picture(page: Page, alice: User) -> None:
    buffer = io.BytesIO()
    PILImage.new("RGBA", (40, 30), (255, 80, 0, 60)).save(buffer, "PNG")
    alice.upload(buffer.getvalue(), title="Glass")
    page.goto(f"/?user_id={alice.user_id}")
    expect(picture_named(page, "Glass")).to_be_visible()
    page.wait_for_function("() => document.querySelector('main li img')?.naturalWidth > 0")
    expect(page.locator("main li").first).to_have_css("background-image", "none")
    expect(page.locator("main li").first).not_to_have_css("background-color", re.compile(r"rgb\(255"))


def test_days_are_those_of_the_time_taken(page: Page, alice: User) -> None:
    for seed, taken in ((23, "2019:07:01 23:30:00"), (24, "2009:12:24 18:00:00")):
        exif = PILImage.Exif()
        exif.get_ifd(0x8769)[0x9003] = taken  # DateTimeOriginal
        alice.upload(photograph(exif, seed), title=taken[:4])
    page.goto(f"/?user_id={alice.user_id}")
    headings = page.locator("section").get_by_role("heading", level=2)
    expect(headings).to_have_text(["Monday, 1 July 2019", "Thursday, 24 December 2009"], timeout=WAIT_MS)
    page.get_by_label("Taken until").fill("2015-01-01")
    expect(headings).to_have_text(["Thursday, 24 December 2009"])


def test_tags_are_suggested_while_a_word_is_typed(page: Page, alice: User) -> None:
    alice.upload(picture(seed=8), title="Harbour", tags=["seaside", "city"])
    page.goto(f"/?user_id={alice.user_id}")
    expect(page.get_by_role("button", name="city 1")).to_be_visible()
    page.get_by_role("searchbox").press_sequentially("seas")
    expect(page.get_by_role("button", name="city 1")).to_be_hidden()
    page.get_by_role("button", name="seaside 1").click()
    expect(picture_named(page, "Harbour")).to_be_visible()
    expect_query(page, {"user_id": [alice.user_id], "tag": ["seaside"]})


def test_a_private_image_is_visible_to_its_owner_alone(
    context: BrowserContext, page: Page, alice: User, bob: User
) -> None:
    alice.upload(picture(seed=9), title="Diary", visibility="private")
    alice.upload(picture(seed=10), title="Harbour")
    use_as(context, bob)
    page.goto(f"/?user_id={alice.user_id}")
    expect(picture_named(page, "Harbour")).to_be_visible()
    expect(picture_named(page, "Diary")).to_be_hidden()
    page.get_by_role("button", name="Change your name").click()
    page.get_by_role("textbox", name="Name").fill(alice.user_id)
    page.get_by_role("button", name="Save").click()
    expect(picture_named(page, "Diary Private")).to_be_visible()
    page.get_by_role("button", name="Change your name").click()
    page.get_by_role("textbox", name="Name").fill(bob.user_id)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(bob.user_id, exact=True)).to_be_visible()
    expect(picture_named(page, "Harbour")).to_be_visible()
    expect(picture_named(page, "Diary")).to_be_hidden()


def test_a_browser_that_keeps_nothing_is_enough(page: Page, alice: User) -> None:
    alice.upload(picture(seed=16), title="Diary", visibility="private")
    page.add_init_script('Object.defineProperty(window, "localStorage", { get() { throw new Error("forbidden") } })')
    page.goto(f"/?user_id={alice.user_id}")
    page.get_by_role("button", name="Your name").click()
    page.get_by_role("textbox", name="Name").fill(alice.user_id)
    page.get_by_role("button", name="Save").click()
    expect(picture_named(page, "Diary Private")).to_be_visible()


def test_only_mine_shows_the_users_images(context: BrowserContext, page: Page, alice: User, bob: User) -> None:
    alice.upload(picture(seed=11), title="Harbour")
    bob.upload(picture(seed=12), title="Beach")
    use_as(context, alice)
    page.goto("/")
    expect(picture_named(page, "Beach")).to_be_visible()
    page.get_by_label("Only mine").check()
    expect(picture_named(page, "Beach")).to_be_hidden()
    expect(picture_named(page, "Harbour")).to_be_visible()
    expect_query(page, {"user_id": [alice.user_id]})


def test_a_picture_appears_when_it_is_processed(page: Page, stack: Stack, alice: User) -> None:
    album.show_thumbnails(page.context)
    album.write(stack, [album.image(alice.user_id, 0, State.PROCESSING), album.image(alice.user_id, 1, State.FAILED)])
    page.goto(f"/?user_id={alice.user_id}")
    expect(page.get_by_text("Processing failed")).to_be_visible()
    expect(page.get_by_text("Processing…")).to_be_visible()
    album.write(stack, [album.image(alice.user_id, 0)])
    expect(page.get_by_role("img", name="0", exact=True)).to_be_visible()
    expect(page.get_by_text("Processing…")).to_be_hidden()


def test_the_gallery_says_what_is_wrong_and_tries_again(page: Page, alice: User, witness: Witness) -> None:
    alice.upload(picture(seed=13), title="Harbour")
    page.goto(f"/?user_id={alice.user_id}&from=never")
    expect(page.get_by_role("alert")).to_contain_text("takenFrom")
    page.context.set_offline(True)
    page.get_by_role("button", name="From never, remove").click()
    expect(page.get_by_role("alert")).to_have_text("The service cannot be reached.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Retry").click()
    expect(picture_named(page, "Harbour")).to_be_visible()
    assert all("Failed to load resource" in error for error in witness.errors)  # what Chromium notes of each
    witness.errors.clear()


def test_a_keyboard_is_enough(page: Page, collector: User) -> None:
    page.set_viewport_size({"width": 1_280, "height": 800})
    page.goto(f"/?user_id={collector.user_id}")
    newest = picture_named(page, str(MANY - 1))
    expect(newest).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if newest.evaluate("link => link === document.activeElement"):
            break
    expect(newest).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(picture_named(page, str(MANY - 2))).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", name=f"Select {MANY - 2}", exact=True)).to_be_checked()
    page.keyboard.press("Space")
    expect(page.get_by_role("checkbox", name=f"Select {MANY - 2}", exact=True)).not_to_be_checked()
    page.keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.dataset.id")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.id") == below
    page.keyboard.press("End")
    expect(page.locator("main a:focus")).to_be_in_viewport()
    page.keyboard.press("Home")
    expect(newest).to_be_focused()
    expect(newest).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("[?&]image="))


def test_clicks_select_several(page: Page, collector: User) -> None:
    page.goto(f"/?user_id={collector.user_id}")
    page.get_by_role("checkbox", name=f"Select {MANY - 1}", exact=True).check(force=True)
    picture_named(page, str(MANY - 3)).click(modifiers=["Shift"])
    for n in (1, 2, 3):
        expect(page.get_by_role("checkbox", name=f"Select {MANY - n}", exact=True)).to_be_checked()
    picture_named(page, str(MANY - 2)).click()
    expect(page.get_by_role("checkbox", name=f"Select {MANY - 2}", exact=True)).not_to_be_checked()
    expect(page).not_to_have_url(re.compile("[?&]image="))


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1_280, "light")])
def test_every_view_is_accessible(page: Page, alice: User, width: int, scheme: str) -> None:
    alice.upload(picture("GIF", frames=2, seed=14), title="Harbour", tags=["sea"])
    alice.upload(picture(seed=15), title="Beach", visibility="private", tags=["sea"])
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 640})
    page.goto(f"/?user_id={alice.user_id}")
    expect(picture_named(page, "Harbour")).to_be_visible()
    check_accessible(page)
    page.get_by_role("button", name="sea 2").click()
    expect(page.get_by_role("button", name="Tag: sea, remove")).to_be_visible()
    if width == 320:
        page.get_by_text("Filter and sort").click()
    check_accessible(page)
    page.get_by_label("Type").select_option("BMP")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    check_accessible(page)
    page.get_by_role("button", name="Your name").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check_accessible(page)


def test_nothing_is_wider_than_the_window(page: Page, collector: User) -> None:
    page.goto(f"/?user_id={collector.user_id}&from=2025-01-01&to=2025-01-31")
    expect(picture_named(page, str(MANY - 1))).to_be_visible()
    for width in (320, 768, 2_560):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(_FITS, arg=width)
