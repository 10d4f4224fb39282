"""Uploads from the page: every way in, the queue, what is refused, and what happens when something breaks."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.conftest import PART_BYTES, Witness
from tests.browser.steps import check_accessible, choose, open_panel, pictures, row, use_as
from tests.http.client import User
from tests.pictures import base64_picture, picture

# Makes an event with files that a test passes as [name, type, base64], and dispatches it on the page.
GIVE = """([event, files]) => {
    const transfer = new DataTransfer()
    for (const [name, type, base64] of files) {
        transfer.items.add(new File([Uint8Array.from(atob(base64), (each) => each.charCodeAt(0))], name, { type }))
    }
    const init = { bubbles: true, cancelable: true }
    document.body.dispatchEvent(
        event === "paste"
            ? new ClipboardEvent(event, { ...init, clipboardData: transfer })
            : new DragEvent(event, { ...init, dataTransfer: transfer }),
    )
}"""


@pytest.fixture
def gallery(page: Page, alice: User) -> Page:
    """Open the gallery as Alice."""
    use_as(page, alice)
    page.goto("/")
    return page


def test_a_dropped_picture_appears_without_a_reload(gallery: Page, alice: User) -> None:
    gallery.evaluate(GIVE, ["dragover", [["dunes.png", "image/png", base64_picture()]]])
    expect(gallery.get_by_text("Drop images or folders")).to_be_visible()
    gallery.evaluate(GIVE, ["drop", [["dunes.png", "image/png", base64_picture()]]])
    expect(gallery.get_by_text("Drop images or folders")).to_have_count(0)
    expect(row(gallery, "dunes.png")).to_contain_text("Uploaded")
    (image,) = alice.service.get("/images", user_id=alice.user_id, include="thumbnail")["images"]
    assert (image["filename"], image["visibility"], image["tags"]) == ("dunes.png", "public", [])
    expect(gallery.locator("main img").first).to_be_visible()
    expect(gallery.get_by_text("1 of 1 uploaded").first).to_be_visible()


def test_an_upload_shows_its_progress(gallery: Page, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(picture(width=400, height=300))
    throttle = gallery.context.new_cdp_session(gallery)
    throttle.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
    throttle.send("Network.emulateNetworkConditions", limits)
    choose(gallery, file)
    progress = gallery.get_by_role("progressbar", name="Upload of large.png")
    expect(progress).to_be_visible()
    gallery.wait_for_function("each => 0 < each.value && each.value < each.max", arg=progress.element_handle())
    throttle.send("Network.emulateNetworkConditions", {**limits, "uploadThroughput": -1})
    expect(row(gallery, "large.png")).to_contain_text("Uploaded")


def test_a_pasted_picture_is_uploaded(gallery: Page, alice: User) -> None:
    gallery.evaluate(GIVE, ["paste", [["image.png", "image/png", base64_picture()]]])
    expect(row(gallery, "image.png")).to_contain_text("Uploaded")
    assert len(alice.service.ids(user_id=alice.user_id)) == 1


def test_a_dropped_folder_is_read_with_its_folders(gallery: Page, alice: User, tmp_path: Path) -> None:
    holiday = tmp_path / "holiday"
    (holiday / "day 2").mkdir(parents=True)
    (holiday / "one.png").write_bytes(picture(seed=1))
    (holiday / "day 2" / "two.jpg").write_bytes(picture("JPEG", seed=2))
    (holiday / "film.mov").write_bytes(b"\0\0\0\x14ftypqt  ")
    (holiday / ".DS_Store").write_bytes(b"\0")
    drop(gallery, holiday)
    expect(row(gallery, "one.png")).to_contain_text("Uploaded")
    expect(row(gallery, "two.jpg")).to_contain_text("Uploaded")
    left_out = gallery.get_by_text("Left out of “holiday”: 2 files that are not images")
    expect(left_out).to_contain_text(".DS_Store")
    expect(left_out).to_contain_text("film.mov")
    assert len(alice.service.ids(user_id=alice.user_id)) == 2


def test_the_folder_picker_takes_the_pictures_of_a_folder(gallery: Page, tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    (folder / "one.png").write_bytes(picture(seed=1))
    (folder / "notes.txt").write_text("Saw a fox.")
    open_panel(gallery)
    with gallery.expect_file_chooser() as chooser:
        gallery.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(folder)
    expect(row(gallery, "one.png")).to_contain_text("Uploaded")
    expect(gallery.get_by_text("Left out of “walk”: one file that is not an image (notes.txt).")).to_be_visible()


def test_the_pictures_of_a_folder_are_in_the_order_of_their_names(gallery: Page, tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    names = [f"step {n}.png" for n in (11, 2, 10, 1, 9)]
    for n, name in enumerate(names):
        (folder / name).write_bytes(picture(seed=n))
    gallery.route("**/images", lambda route: None)
    open_panel(gallery)
    with gallery.expect_file_chooser() as chooser:
        gallery.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(folder)
    rows = gallery.get_by_role("list", name="Files").get_by_role("listitem")
    expect(rows).to_have_text([re.compile(rf"^step {n}\.png") for n in (1, 2, 9, 10, 11)])


def test_tags_and_visibility_are_sent_with_each_picture(gallery: Page, alice: User, tmp_path: Path) -> None:
    open_panel(gallery)
    gallery.get_by_label("Tags, separated").fill("dunes, Namib, ")
    gallery.locator("#uploads").get_by_label("Visibility").select_option("Private")
    choose(gallery, *pictures(tmp_path, 2))
    expect(gallery.get_by_text("2 of 2 uploaded").first).to_be_visible()
    answer = alice.service.call(
        "GET", "/images", params={"user_id": alice.user_id}, headers={"X-User-Id": alice.user_id}
    )
    assert [(each["tags"], each["visibility"]) for each in answer.json()["images"]] == [
        (["dunes", "Namib"], "private")
    ] * 2


def test_a_file_that_the_service_has_already_is_not_sent_again(
    gallery: Page, alice: User, witness: Witness, tmp_path: Path
) -> None:
    (file,) = pictures(tmp_path, 1)
    alice.upload(file.read_bytes(), visibility="private")
    choose(gallery, file)
    expect(row(gallery, file.name)).to_contain_text("Already there")
    assert [each.method for each in witness.api_requests() if each.method != "GET"] == []
    gallery.get_by_role("button", name=f"Upload anyway {file.name}").click()
    expect(row(gallery, file.name)).to_contain_text("Uploaded")
    answer = alice.service.call(
        "GET", "/images", params={"user_id": alice.user_id}, headers={"X-User-Id": alice.user_id}
    )
    assert answer.json()["count"] == 2


def test_the_same_file_twice_in_a_drop_is_sent_once(gallery: Page, alice: User) -> None:
    files = [[f"{name}.png", "image/png", base64_picture()] for name in ("one", "two", "three")]
    gallery.evaluate(GIVE, ["drop", files])
    expect(gallery.get_by_text("1 of 3 uploaded, 2 already there").first).to_be_visible()
    assert len(alice.service.ids(user_id=alice.user_id)) == 1


def test_files_that_are_no_images_are_refused_with_a_reason(gallery: Page, witness: Witness, tmp_path: Path) -> None:
    for name, content in {
        "notes.txt": b"Saw a fox.",
        "fox.svg": b"<svg/>",
        "fox.jpg": b"A text.",
        "empty.png": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
    drop(gallery, *tmp_path.iterdir())
    for name in ("notes.txt", "fox.svg", "fox.jpg"):
        expect(row(gallery, name)).to_contain_text("not a JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP or HEIC image")
    expect(row(gallery, "empty.png")).to_contain_text("The file is empty.")
    assert [each.method for each in witness.api_requests() if each.method != "GET"] == []
    gallery.get_by_role("button", name="Clear finished").click()
    expect(gallery.get_by_role("list", name="Files").get_by_role("listitem")).to_have_count(0)


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(gallery: Page, tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    with file.open("wb") as output:
        output.write(picture())
        output.truncate(100_000_001)
    choose(gallery, file)
    expect(row(gallery, "huge.png")).to_contain_text("The file is larger than 100 MB")


def test_a_refusal_of_the_service_is_shown_as_it_is(gallery: Page, witness: Witness, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("cut.png", "copy.png")]
    for file in files:
        file.write_bytes(picture()[:20])
    choose(gallery, *files)
    for file in files:
        expect(row(gallery, file.name)).to_contain_text("The file is cut off: a part of its picture is missing.")
    expect(gallery.get_by_role("button", name="Retry cut.png")).to_be_visible()
    gallery.get_by_role("button", name="Remove cut.png").click()
    expect(row(gallery, "cut.png")).to_have_count(0)
    witness.errors.clear()  # the browser writes each answer with an error status to the console


def test_a_lost_answer_makes_no_second_image(gallery: Page, alice: User, witness: Witness, tmp_path: Path) -> None:
    """The first request reaches the service, and its answer is lost."""
    answers = []
    devtools = gallery.context.new_cdp_session(gallery)

    def lose_the_first(paused: Any) -> None:
        answers.append(paused["responseStatusCode"])
        request = {"requestId": paused["requestId"]}
        if len(answers) == 1:
            devtools.send("Fetch.failRequest", {**request, "errorReason": "ConnectionReset"})
        else:
            devtools.send("Fetch.continueRequest", request)

    devtools.on("Fetch.requestPaused", lose_the_first)
    devtools.send("Fetch.enable", {"patterns": [{"urlPattern": "*/images", "requestStage": "Response"}]})
    choose(gallery, *pictures(tmp_path, 1))
    expect(gallery.get_by_text("1 of 1 uploaded").first).to_be_visible()
    assert answers == [201, 201]
    assert len(alice.service.ids(user_id=alice.user_id)) == 1
    witness.errors.clear()


def test_uploads_wait_while_the_browser_is_offline(gallery: Page, witness: Witness, tmp_path: Path) -> None:
    open_panel(gallery)
    gallery.context.set_offline(True)
    (file,) = pictures(tmp_path, 1)
    choose(gallery, file)
    expect(row(gallery, file.name)).to_contain_text("Waiting for the connection")
    gallery.context.set_offline(False)
    expect(row(gallery, file.name)).to_contain_text("Uploaded")
    witness.errors.clear()


def test_uploads_are_cancelled_and_begun_again(gallery: Page, alice: User, tmp_path: Path) -> None:
    gallery.route("**/images", lambda route: None)  # no answer
    files = pictures(tmp_path, 5)
    choose(gallery, *files)
    expect(gallery.get_by_role("progressbar")).to_have_count(3)
    gallery.get_by_role("button", name=f"Cancel {files[0].name}").click()
    expect(row(gallery, files[0].name)).to_contain_text("Cancelled")
    expect(gallery.get_by_role("progressbar")).to_have_count(3)  # the next one has begun
    gallery.get_by_role("button", name="Cancel all").click()
    expect(gallery.get_by_text("5 cancelled").first).to_be_visible()
    gallery.unroute("**/images")
    gallery.get_by_role("button", name=f"Retry {files[0].name}").click()
    expect(row(gallery, files[0].name)).to_contain_text("Uploaded")
    assert len(alice.service.ids(user_id=alice.user_id)) == 1


def test_an_upload_that_waits_for_others_is_deleted_when_it_is_cancelled(gallery: Page, tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.jpg" for n in range(3)]
    for n, file in enumerate(files):
        file.write_bytes(picture("JPEG", seed=n) + bytes(12_000_000))
    gallery.route("**/*partNumber=*", lambda route: None)  # requests that never end
    open_panel(gallery)
    picker = gallery.locator("input[type=file]").first
    with gallery.expect_request("**/*partNumber=2*"):
        picker.set_input_files(files[0])
    with gallery.expect_request("**/*partNumber=1*"):
        picker.set_input_files(files[1])
    with gallery.expect_response("**/direct-upload"):
        picker.set_input_files(files[2])
    expect(row(gallery, "2.jpg")).to_contain_text("0 bytes of")
    with gallery.expect_response("**/abort"):
        row(gallery, "2.jpg").get_by_role("button", name="Cancel").click()
    expect(row(gallery, "2.jpg")).to_contain_text("Cancelled")


def test_closing_the_page_asks_while_uploads_run(gallery: Page, tmp_path: Path) -> None:
    gallery.route("**/images", lambda route: None)
    choose(gallery, *pictures(tmp_path, 1))
    expect(gallery.get_by_role("progressbar")).to_have_count(1)
    asked = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    gallery.on("dialog", accept)
    gallery.get_by_role("heading", name="Upload images").click()  # a page that nobody has used may not ask
    gallery.reload()
    assert asked == ["beforeunload"]


def test_a_blank_name_is_no_name(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Your name").click()
    page.get_by_label("Name", exact=True).fill("  ")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_contain_text("Enter a name.")


def test_a_visitor_without_a_name_is_asked_for_one(page: Page, alice: User, tmp_path: Path) -> None:
    page.goto("/")
    choose(page, *pictures(tmp_path, 1))
    page.get_by_label("Name", exact=True).fill(alice.user_id)
    page.get_by_label("Name", exact=True).press("Enter")
    expect(page.get_by_text("1 of 1 uploaded").first).to_be_visible()
    assert len(alice.service.ids(user_id=alice.user_id)) == 1


def test_hundreds_of_files_keep_the_list_short(gallery: Page, tmp_path: Path) -> None:
    gallery.route("**/images", lambda route: None)
    content = picture()
    files = [tmp_path / f"{n}.png" for n in range(500)]
    for n, file in enumerate(files):
        file.write_bytes(content + bytes([n // 256, n % 256]))
    choose(gallery, *files)
    expect(gallery.get_by_text("0 of 500 uploaded").first).to_be_visible()
    expect(gallery.get_by_role("progressbar")).to_have_count(3)
    assert gallery.get_by_role("list", name="Files").get_by_role("listitem").count() < 20
    gallery.get_by_role("button", name="Cancel all").click()
    expect(gallery.get_by_text("500 cancelled").first).to_be_visible()


def test_the_panel_is_accessible(gallery: Page, tmp_path: Path) -> None:
    gallery.route("**/images", lambda route: None)
    (tmp_path / "notes.txt").write_text("Saw a fox.")
    choose(gallery, tmp_path / "notes.txt", *pictures(tmp_path, 4))
    expect(gallery.get_by_role("progressbar")).to_have_count(3)
    for scheme in ("light", "dark"):
        gallery.emulate_media(color_scheme=scheme)
        check_accessible(gallery, "#uploads")


def test_the_buttons_of_the_panel_are_within_it(gallery: Page, tmp_path: Path) -> None:
    gallery.route("**/images", lambda route: None)
    choose(gallery, *pictures(tmp_path, 4))
    expect(gallery.get_by_role("progressbar")).to_have_count(3)
    panel = gallery.get_by_role("region", name="Uploads")
    for button in [panel.get_by_role("button", name="Close"), row(gallery, "picture 0.png").get_by_role("button")]:
        assert button.evaluate("each => each.scrollWidth <= each.clientWidth")


def test_the_panel_works_by_keyboard(gallery: Page) -> None:
    button = gallery.get_by_role("button", name="Upload", exact=True)
    button.focus()
    gallery.keyboard.press("Enter")
    expect(gallery.get_by_role("heading", name="Upload images")).to_be_visible()
    gallery.keyboard.press("Tab")
    expect(gallery.get_by_role("button", name="Close")).to_be_focused()
    gallery.keyboard.press("Escape")
    expect(gallery.get_by_role("heading", name="Upload images")).to_have_count(0)
    expect(button).to_be_focused()


def test_a_picture_above_the_limit_of_a_form_goes_to_s3(
    gallery: Page, alice: User, witness: Witness, tmp_path: Path
) -> None:
    file = tmp_path / "summit.jpg"
    file.write_bytes(picture("JPEG") + bytes(1_000_000))
    open_panel(gallery)
    gallery.get_by_label("Tags, separated").fill("summit")
    choose(gallery, file)
    expect(row(gallery, file.name)).to_contain_text("Uploaded")
    assert "POST /images/direct-upload" in api_calls(witness)
    assert "POST /images" not in api_calls(witness)
    (image,) = alice.service.get("/images", user_id=alice.user_id)["images"]
    assert (image["filename"], image["tags"], image["size"]) == ("summit.jpg", ["summit"], file.stat().st_size)
    expect(gallery.locator("main img").first).to_be_visible()


def test_a_large_picture_goes_to_s3_in_parts_and_a_failed_part_again(
    gallery: Page, alice: User, witness: Witness, tmp_path: Path
) -> None:
    file = large_picture(tmp_path)
    gallery.route("**/*partNumber=2*", lambda route: route.abort(), times=1)
    choose(gallery, file)
    expect(row(gallery, file.name)).to_contain_text("Uploaded")
    assert parts_sent(witness).count("2") == 2
    (image,) = alice.service.get("/images", user_id=alice.user_id)["images"]
    assert image["size"] == file.stat().st_size
    assert not gallery.get_by_role("heading", name="Interrupted").is_visible()
    witness.errors.clear()


def test_an_expired_url_of_a_part_is_asked_for_again(gallery: Page, witness: Witness, tmp_path: Path) -> None:
    file = large_picture(tmp_path)
    expired = {"status": 403, "headers": {"Access-Control-Allow-Origin": "*"}, "body": "<Message>Expired</Message>"}
    gallery.route("**/*partNumber=2*", lambda route: route.fulfill(**expired), times=1)
    choose(gallery, file)
    expect(row(gallery, file.name)).to_contain_text("Uploaded")
    assert sum(call.endswith("/parts") for call in api_calls(witness)) == 1
    witness.errors.clear()


def test_an_upload_goes_on_after_a_reload(gallery: Page, alice: User, witness: Witness, tmp_path: Path) -> None:
    file = large_picture(tmp_path)
    interrupt(gallery, file)
    witness.requests.clear()
    expect(gallery.get_by_text("An upload was interrupted.")).to_be_visible()
    gallery.get_by_role("button", name="Show", exact=True).click()
    interrupted = gallery.get_by_role("heading", name="Interrupted")
    expect(interrupted).to_be_visible()
    choose(gallery, file)
    expect(interrupted).to_have_count(0)
    expect(row(gallery, file.name)).to_contain_text("Uploaded")
    assert sorted(parts_sent(witness)) == ["2"]
    assert len(alice.service.ids(user_id=alice.user_id)) == 1


def test_an_interrupted_upload_can_be_forgotten(gallery: Page, alice: User, witness: Witness, tmp_path: Path) -> None:
    file = large_picture(tmp_path)
    interrupt(gallery, file)
    open_panel(gallery)
    with gallery.expect_response("**/abort") as aborted:
        gallery.get_by_role("button", name=f"Forget {file.name}").click()
    expect(gallery.get_by_role("heading", name="Interrupted")).to_have_count(0)
    image_id = aborted.value.url.split("/")[-2]
    answer = alice.service.call("GET", f"/images/{image_id}", headers={"X-User-Id": alice.user_id})
    assert answer.status_code == 404


def large_picture(folder: Path) -> Path:
    """Write a picture that is sent in two parts. Most of it is zeros after the picture."""
    file = folder / "panorama.jpg"
    file.write_bytes(picture("JPEG") + bytes(PART_BYTES))
    return file


def interrupt(page: Page, file: Path) -> None:
    """Send the first part of a file, then reload the page."""
    page.route("**/*partNumber=2*", lambda route: None)
    with page.expect_response("**/*partNumber=1*"):
        choose(page, file)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.unroute("**/*partNumber=2*")


def parts_sent(witness: Witness) -> list[str]:
    """Return the numbers of the parts that the page has sent to S3."""
    queries = [parse_qs(urlsplit(each.url).query) for each in witness.requests if each.method == "PUT"]
    return [query["partNumber"][0] for query in queries]


def api_calls(witness: Witness) -> list[str]:
    """Return the method and path of each request."""
    return [f"{each.method} {urlsplit(each.url).path}" for each in witness.requests]


def drop(page: Page, *paths: Path) -> None:
    """Drop files or folders as a file manager does."""
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 20, "y": 20, "data": data})
