"""The commands in the documentation, with another base URL and user id."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from project import PROJECT
from tests.http.client import User, eventually
from tests.pictures import picture

COFFEE = PROJECT / "samples" / "coffee.jpg"


def section(page: str, title: str) -> str:
    """Return the commands of a section of a page, up to the next heading of any level."""
    heading, language, commands = "", None, ""
    for line in (PROJECT / page).read_text().splitlines(keepends=True):
        if line.startswith("```"):
            language = line[3:].strip() if language is None else None
        elif language is None and line.startswith("#"):
            heading = line.lstrip("#").strip()
        elif language == "sh" and heading == title:
            commands += line
    assert commands, f"{page} has no commands under {title!r}"
    return commands


class Reader:
    """A reader who pastes commands into a shell, in a folder with the samples and scripts of the repository."""

    def __init__(self, user: User, folder: Path) -> None:
        self.user, self.folder = user, folder
        for name in ("samples", "scripts"):
            (folder / name).symlink_to(PROJECT / name)

    def paste(self, commands: str) -> str:
        """Run commands, check that all succeed and no response is an error, and return what they print."""
        commands = commands.replace("http://127.0.0.1:8000", self.user.service.url)
        commands, count = re.subn(
            r'(user_id=|USER_ID=|"user_id": "|list_user )me\b', rf"\g<1>{self.user.user_id}", commands
        )
        assert count > 0
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "API_URL": self.user.service.url}
        ended = subprocess.run(
            ["/bin/sh", "-euc", commands],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert '"error"' not in ended.stdout
        return ended.stdout

    def picture(self, name: str) -> tuple[str | None, int]:
        """Return the format and the width of a saved picture."""
        with Image.open(self.folder / name) as image:
            image.load()
            return image.format, image.width


@pytest.fixture
def reader(alice: User, tmp_path: Path) -> Iterator[Reader]:
    if shutil.which("curl") is None:
        pytest.skip("There is no curl on this machine.")
    yield Reader(alice, tmp_path)
    for item in alice.service.get("/items", limit=100)["items"]:
        if item.get("name") == "tripod":
            alice.service.call("DELETE", f"/items/{item['id']}")


def answers(printed: str) -> list[dict[str, object]]:
    """Parse the JSON objects that several curl commands printed."""
    objects, decoder, position = [], json.JSONDecoder(), 0
    while position < len(printed.rstrip()):
        answer, position = decoder.raw_decode(printed, position)
        objects.append(answer)
        position += len(printed[position:]) - len(printed[position:].lstrip())
    return objects


def test_the_readme_uploads_lists_views_and_renders_an_image(reader: Reader) -> None:
    commands = section("README.md", "Try it")
    uploaded, listed, viewed = answers(reader.paste(commands))
    assert [set(answer) for answer in (uploaded, listed)] == [
        {"message", "image_id", "metadata"},
        {"images", "count", "has_more"},
    ]
    image_id = uploaded["image_id"]
    assert (listed["images"], viewed["image_id"]) == ([uploaded["metadata"]], image_id)
    assert reader.picture("small.webp") == ("WEBP", 320)


def test_the_curl_page_calls_each_operation(reader: Reader) -> None:
    printed = answers(reader.paste(section("docs/curl.md", "How do I call each operation with curl?")))
    first, second, third, mine, *_ = printed
    uploaded = [third["image_id"], second["image_id"], first["image_id"]]
    assert [image["image_id"] for image in mine["images"]] == uploaded  # type: ignore[attr-defined]
    assert [answer["message"] for answer in printed if "message" in answer] == [
        "Image uploaded successfully",
        "Image uploaded successfully",
        "Image uploaded successfully",
        "Image updated successfully",
        "Image deleted successfully",
    ]
    (tags,) = [answer["tags"] for answer in printed if "tags" in answer]
    assert tags == [{"tag": "food", "count": 2}]
    assert printed[-1]["status"] == "ok"
    assert (reader.folder / "coffee.jpg").read_bytes() == COFFEE.read_bytes()
    eventually(partial(reader.user.service.ids, user_id=reader.user.user_id), uploaded[1:])


def test_the_script_uploads_the_sample_image_and_lists_it(reader: Reader) -> None:
    uploaded, listed = answers(reader.paste(section("docs/curl.md", "Shorter: a script")))
    assert listed["images"] == [uploaded["metadata"]]


def photograph(trailing: int = 0) -> bytes:
    """Return a JPEG of 1,000 x 800 pixels, followed by zero bytes."""
    return picture("JPEG", width=1_000, height=800) + bytes(trailing)


def direct_upload_commands(how: str) -> str:
    page = "docs/uploads.md"
    return "".join(section(page, title) for title in ("Direct uploads", how, "Wait until it is ready"))


def test_the_uploads_page_sends_a_photograph_in_one_form(reader: Reader) -> None:
    (reader.folder / "summit.jpg").write_bytes(photograph())
    reader.paste(direct_upload_commands("Send one form"))
    assert reader.picture("summit-640.webp") == ("WEBP", 640)
    (listed,) = reader.user.service.get("/images", user_id=reader.user.user_id)["images"]
    assert (listed["title"], listed["filename"], listed["width"]) == ("Summit", "summit.jpg", 1_000)


def test_the_uploads_page_sends_a_large_photograph_in_parts(reader: Reader) -> None:
    large = photograph(trailing=51_000_000)
    (reader.folder / "summit.jpg").write_bytes(large)
    reader.paste(direct_upload_commands("Send parts"))
    assert reader.picture("summit-640.webp") == ("WEBP", 640)
    (listed,) = reader.user.service.get("/images", user_id=reader.user.user_id)["images"]
    assert (listed["title"], listed["size"]) == ("Summit", len(large))
