"""The tables of docs/contracts.md hold: each status and each key, under each CONTRACT, on a stack of its own."""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from schemathesis.specs.openapi.schemas import OpenApiSchema

from chalicelib.web.fields import SPELLINGS
from dev.stack import running
from project import PROJECT
from tests.http import document
from tests.http.client import TIMEOUT_SECONDS, eventually
from tests.pictures import picture

PAGE = (PROJECT / "docs" / "contracts.md").read_text()
SECTIONS = {part[0]: part for part in re.split(r"^## (?=[A-E]: )", PAGE, flags=re.M)[1:]}
PHOTO = picture("PNG", width=64, height=48)
BASE64 = base64.b64encode(PHOTO).decode()
OWNER = "alice"


@dataclass(frozen=True, slots=True)
class Stage:
    """A service, and an image that a test may view but not delete."""

    url: str
    described: OpenApiSchema
    image_id: str = ""

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request, and check the response against the document of the stage."""
        answer = requests.request(method, self.url + path, timeout=TIMEOUT_SECONDS, allow_redirects=False, **options)
        document.check(method, path, answer, self.described)
        return answer

    def upload(self, owner: str = OWNER) -> str:
        """Return the id of a new image. C's keys are the same under every CONTRACT but in `POST /upload`."""
        form = {"user_id": owner, "title": "Sea", "tags": "Sea", "filename": "sea.png"}
        answer = self.call("POST", "/images/upload", data=form, files={"file": ("sea.png", PHOTO)})
        return str(answer.json()["id"])

    def create_item(self) -> str:
        return str(self.call("POST", "/items", json={"n": 1}).json()["id"])


Call = Callable[[Stage], requests.Response]

# How a test makes the call of a row.
CALLS: dict[str, Call] = {
    "POST /upload, JSON": lambda stage: stage.call("POST", "/upload", json={"image_file": BASE64, "title": "Sea"}),
    "POST /upload, form: image_file": lambda stage: stage.call(
        "POST", "/upload", data={"title": "Sea"}, files={"image_file": ("sea.png", PHOTO)}
    ),
    "POST /upload, form: user": lambda stage: stage.call(
        "POST", "/upload", data={"user": OWNER}, files={"file": ("sea.png", PHOTO)}
    ),
    "POST /upload, form: file": lambda stage: stage.call("POST", "/upload", files={"file": ("sea.png", PHOTO)}),
    "POST /images, JSON: user_id, image_data": lambda stage: stage.call(
        "POST", "/images", json={"user_id": OWNER, "image_data": BASE64, "tags": ["Sea"]}
    ),
    "POST /images, JSON: user_id, title": lambda stage: stage.call(
        "POST",
        "/images",
        json={"user_id": OWNER, "title": "Sea", "tags": ["Sea"], "content_type": "image/png", "image_base64": BASE64},
    ),
    "POST /images/upload, form": lambda stage: stage.call(
        "POST", "/images/upload", data={"userId": OWNER, "tags": '["Sea"]'}, files={"file": ("sea.png", PHOTO)}
    ),
    "POST /images/upload, JSON": lambda stage: stage.call(
        "POST",
        "/images/upload",
        json={"image": {"filename": "sea.png", "content": BASE64}, "metadata": {"userId": OWNER}},
    ),
    "GET /images?title": lambda stage: stage.call("GET", "/images?title=Sea"),
    "GET /images?user": lambda stage: stage.call("GET", f"/images?user_id={OWNER}"),
    "GET /images/{id}/download?type=redirect": lambda stage: stage.call(
        "GET", f"/images/{stage.image_id}/download?type=redirect"
    ),
    "GET /images/{id}/download?type=binary": lambda stage: stage.call(
        "GET", f"/images/{stage.image_id}/download?type=binary"
    ),
    "GET /images/{id}/download?type=base64": lambda stage: stage.call(
        "GET", f"/images/{stage.image_id}/download?type=base64"
    ),
    "GET /images/{image_id}/download": lambda stage: stage.call("GET", f"/images/{stage.image_id}/download"),
    "GET /images/{": lambda stage: stage.call("GET", f"/images/{stage.image_id}"),
    "PUT /images/{": lambda stage: stage.call("PUT", f"/images/{stage.upload()}", json={"title": "Lake"}),
    "DELETE /images/{": lambda stage: stage.call("DELETE", f"/images/{stage.upload()}"),
    "GET /image/{": lambda stage: stage.call("GET", f"/image/{stage.image_id}"),
    "DELETE /image/{": lambda stage: stage.call("DELETE", f"/image/{stage.upload()}"),
    "GET /list": lambda stage: stage.call("GET", f"/list?user={OWNER}&limit=1000"),
    "GET /view/{": lambda stage: stage.call("GET", f"/view/{stage.image_id}"),
    "DELETE /delete/{": lambda stage: stage.call("DELETE", f"/delete/{stage.upload()}"),
    "POST /items": lambda stage: stage.call("POST", "/items", json={"n": 1}),
    "GET, PUT /items/{": lambda stage: stage.call("GET", f"/items/{stage.create_item()}"),
    "DELETE /items/{": lambda stage: stage.call("DELETE", f"/items/{stage.create_item()}"),
    "an unknown image": lambda stage: stage.call("GET", "/images/01890000-0000-7000-8000-000000000000"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says of one call."""

    call: str
    status: int
    keys: frozenset[str]  # of the answer or, if it is an array, of each entry


def rows(section: str, column: int) -> Iterator[Row]:
    """Yield the calls in the table of a section, with the answers of a column."""
    keys: frozenset[str] = frozenset()
    for line in re.findall(r"^\| (?!call|--)(.*) \|$", SECTIONS[section], re.M):
        cells = line.split(" | ")
        answer = cells[1] if cells[column] == "the same" else cells[column]
        status = re.match(r"(\d{3})\b", answer)
        if not status or cells[0].startswith("page size"):  # otherwise "as" another contract
            continue
        if "a record" in answer:
            keys = record(section)
        elif "the same keys" not in answer:
            keys = names(answer) | ({"n"} if "the fields" in answer else set())
        yield Row(cells[0].replace("`", ""), int(status[1]), keys)


def record(section: str) -> frozenset[str]:
    """Return the keys of a contract's records. Those of A are B's."""
    sentence = re.search(r"^A record[^.]*? has (.*?)\.\s", SECTIONS["B" if section == "A" else section], re.M | re.S)
    assert sentence
    return names(sentence[1])


def names(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"`(\w+)`", text))


def page_size(section: str, column: int) -> int:
    cells = re.search(r"^\| page size .*$", SECTIONS[section], re.M)
    assert cells
    return int(cells[0].strip("| ").split("|")[column])


@pytest.fixture
def stage(contract: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.config.getoption("--url"):
        pytest.skip("Each contract needs a stack of its own, and --url names one service.")
    with running(tmp_path / "data", environment={"CONTRACT": contract}) as stack:
        described = document.loaded(requests.get(f"{stack.url}/openapi.json", timeout=TIMEOUT_SECONDS).json())
        stage = Stage(stack.url, described)
        image_id = stage.upload()
        stage = replace(stage, image_id=image_id)
        eventually(lambda: stage.call("HEAD", f"/images/{image_id}").headers["ETag"], '"1-ready"')
        yield stage


@pytest.mark.parametrize("contract", "abcde")
def test_answers_have_the_statuses_the_keys_and_the_page_size_of_the_table(stage: Stage, contract: str) -> None:
    tables = [(section, 1) for section in SECTIONS] if contract == "b" else [(contract.upper(), 2)]
    expected = [row for section, column in tables for row in rows(section, column)]
    assert len(expected) >= 5
    assert [answered(stage, row.call) for row in expected] == expected
    if contract != "c":  # C's list has no limit by default
        check_pages(stage, contract)


def answered(stage: Stage, name: str) -> Row:
    call = next(call for beginning, call in CALLS.items() if name.startswith(beginning))
    answer = call(stage)
    is_json = answer.status_code != 204 and answer.headers["Content-Type"] == "application/json"
    body = answer.json() if is_json else {}
    return Row(name, answer.status_code, frozenset(body[0] if isinstance(body, list) else body))


def check_pages(stage: Stage, contract: str) -> None:
    size = page_size(contract.upper(), 1 if contract == "b" else 2)
    owner = "pages"
    for _ in range(size + 1):
        stage.upload(owner)
    first = stage.call("GET", f"/images?user_id={owner}").json()
    entries = first["items" if contract == "d" else "images"]
    assert (len(entries), {frozenset(entry) for entry in entries}) == (size, {record(contract.upper())})
    cursors = {"d": {"next_token"}, "e": {"nextToken"}}.get(contract, {"last_evaluated_key", "next_token", "nextToken"})
    assert {name for name in SPELLINGS["last_evaluated_key"] if name in first} == cursors
    for name in cursors:
        last = stage.call("GET", "/images", params={"user_id": owner, name: first[name]}).json()
        assert len(last["items" if contract == "d" else "images"]) == 1
        assert not any(last.get(name) for name in cursors)
