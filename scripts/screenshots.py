"""Take the screenshots of the gallery in the documentation: python -m scripts.screenshots.

They show a service of its own with pictures that are cut from the samples, so that they look the same each time.
"""

import base64
import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from PIL import Image, TiffImagePlugin
from playwright.sync_api import Browser

from dev.samples import FOLDER, SAMPLES
from dev.stack import running
from project import PROJECT
from project.browser import launched
from project.command_line import one_line_errors

_SHOTS = PROJECT / "docs" / "screenshots"
_OWNER = "maria"
_WIDTH_PX = 1_600
_MAKE, _MODEL, _EXIF, _DATE_TIME_ORIGINAL, _F_NUMBER, _ISO = 0x010F, 0x0110, 0x8769, 0x9003, 0x829D, 0x8827
_DAYS = ("2026:11:21", "2026:11:20", "2026:11:14")
_SHAPES = ((0.0, 0.0, 1.0, 1.0), (0.15, 0.1, 0.7, 0.95), (0.1, 0.2, 0.95, 0.75), (0.3, 0.05, 0.95, 0.7))


@dataclass(frozen=True, slots=True)
class Shot:
    """A screenshot."""

    name: str
    width: int  # pixels
    height: int  # pixels
    dark: bool = False
    opened: bool = False  # whether a picture is open, with its details


SHOTS = (
    Shot("gallery", 1280, 800),
    Shot("gallery-dark", 1280, 800, dark=True),
    Shot("gallery-phone", 390, 800),
    Shot("picture", 1280, 800, opened=True),
)


@one_line_errors()
def main() -> None:
    """Take all screenshots, and print the path of each."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as stack, launched() as browser:
        for body in _uploads():
            uploaded = requests.post(f"{stack.url}/images", json=body, timeout=60)
            uploaded.raise_for_status()
            picture = f"{stack.url}/images/{uploaded.json()['image_id']}/render?wait=10"
            requests.get(picture, allow_redirects=False, timeout=60).raise_for_status()
        for shot in SHOTS:
            print(_taken(browser, stack.url, shot))


def _uploads() -> Iterator[dict[str, Any]]:
    """Yield the bodies of uploads: cuts of each sample, taken on several days."""

    for n, shape in enumerate(_SHAPES):
        for m, sample in enumerate(SAMPLES):
            with Image.open(FOLDER / sample.file) as picture:
                left, top, right, bottom = shape
                box = (left * picture.width, top * picture.height, right * picture.width, bottom * picture.height)
                cut = picture.convert("RGB").crop(tuple(map(round, box)))  # type: ignore[arg-type]
            cut = cut.resize((_WIDTH_PX, round(_WIDTH_PX * cut.height / cut.width)))  # fills the screen when it is open
            exif = Image.Exif()
            exif[_MAKE], exif[_MODEL] = "Example", "Camera 1"
            exif.get_ifd(_EXIF).update(
                {
                    _DATE_TIME_ORIGINAL: f"{_DAYS[(n + m) % len(_DAYS)]} 1{m}:2{n}:00",
                    _F_NUMBER: TiffImagePlugin.IFDRational(28, 10),
                    _ISO: 200,
                }
            )
            file = io.BytesIO()
            cut.save(file, "JPEG", quality=90, exif=exif)
            yield {
                "user_id": _OWNER,
                "title": sample.title,
                "description": sample.description,
                "tags": sample.tags,
                "filename": sample.file,
                "image_data": base64.b64encode(file.getvalue()).decode(),
            }


def _taken(browser: Browser, url: str, shot: Shot) -> Path:
    context = browser.new_context(
        base_url=url,
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if shot.dark else "light",
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    session = json.dumps({"user": _OWNER, "token": ""})
    context.add_init_script(f"localStorage.setItem('images-api.session', '{session}')")
    page = context.new_page()
    page.goto("/")
    page.locator("main img").nth(5).wait_for()
    page.wait_for_load_state("networkidle")
    if shot.opened:
        page.get_by_role("link", name="Coffee").first.click()
        page.get_by_role("dialog").first.wait_for()
        page.keyboard.press("i")
        page.wait_for_load_state("networkidle")
    _SHOTS.mkdir(exist_ok=True)
    path = _SHOTS / f"{shot.name}.webp"
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(path, quality=80, method=6)
    context.close()
    return path


if __name__ == "__main__":
    main()
