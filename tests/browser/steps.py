"""What several tests do with the gallery, and see in it."""

import json
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Witness
from tests.http.client import Json, User
from tests.pictures import picture

SESSION = "images-api.session"
UNDO_MS = 8_000  # the time in which a deletion can be taken back


def use_as(target: BrowserContext | Page, user: User) -> None:
    """Let the gallery know the user's name from the start."""
    session = json.dumps({"user": user.user_id, "token": ""})
    target.add_init_script(f"localStorage.setItem('{SESSION}', '{session}')")


def visit(page: Page, user: User, query: str = "") -> None:
    """Open the gallery in a user's name, with her images."""
    use_as(page, user)
    page.goto(f"/?user_id={user.user_id}{query}")


def grid(page: Page) -> Locator:
    return page.get_by_role("main").locator(".grid")


def titles(page: Page) -> list[str]:
    """Return the names of the pictures in the grid."""
    boxes = grid(page).get_by_role("checkbox").all()
    return [(box.get_attribute("aria-label") or "").removeprefix("Select ") for box in boxes]


def current(user: User, image: Json) -> Json:
    metadata: Json = user.service.get(f"/images/{image['image_id']}", user_id=user.user_id)["metadata"]
    return metadata


def change(user: User, image: Json, **fields: object) -> None:
    """Change an image as another client."""
    assert user.service.call("PUT", f"/images/{image['image_id']}", json=fields).status_code == 200


def check_accessible(page: Page, part: str | None = None) -> None:
    """Check a page by axe, or a part of it."""
    found = Axe().run(page, context=part)
    assert found.violations_count == 0, found.generate_report()


def forgive(witness: Witness, status: int) -> None:
    """Expect that the browser reported answers with an error status, and nothing else."""
    assert witness.errors
    assert all(f"status of {status}" in error for error in witness.errors), witness.errors
    witness.errors.clear()


def pictures(folder: Path, count: int) -> list[Path]:
    """Write small pictures."""
    files = [folder / f"picture {n}.png" for n in range(count)]
    for n, file in enumerate(files):
        file.write_bytes(picture(seed=n))
    return files


def open_panel(page: Page) -> None:
    """Open the panel of uploads, unless it is open."""
    button = page.get_by_role("button", name="Upload", exact=True)
    if button.get_attribute("aria-expanded") == "false":
        button.click()
    expect(page.get_by_role("heading", name="Upload images")).to_be_visible()


def choose(page: Page, *files: Path) -> None:
    """Choose files in the picker of the panel."""
    open_panel(page)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose images").click()
    chooser.value.set_files(files)


def row(page: Page, name: str) -> Locator:
    """Return the line of a file in the list of uploads."""
    return page.get_by_role("list", name="Files").get_by_role("listitem").filter(has_text=name)
