"""`make export` and `make import`: all images of all owners of one stack, as files, and into another stack."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.stack import Stack, running
from images_api_client.archive.layout import About
from project import PROJECT, CannotRun
from scripts.archive import exports_in, folder_name
from tests.app.uploads import DAMAGED
from tests.http.client import Service, User
from tests.http.uploads import wait_until_processed
from tests.pictures import dated_picture, picture

Json = dict[str, Any]
# Settings of a stage that the commands must not use for themselves.
ISSUER = {"AUTH": "jwt", "JWT_ISSUER": "https://a.example", "JWT_JWKS_URL": "https://a.example/keys"}
SIGN_IN = {"OIDC_CLIENT_ID": "gallery", "OIDC_TOKEN": "access", "CDN_URL": "https://b.example", "IMPORTS": "nobody"}
ANSWERS = {"CONTRACT": "e", "MAX_PAGE_SIZE": "100", "METRICS_NAMESPACE": "images-api/test"}
# A picture of more than 3,000 bytes is imported in parts.
ENVIRONMENT = {
    **os.environ,
    **ISSUER,
    **SIGN_IN,
    **ANSWERS,
    "PYTHONPATH": "client",
    "MULTIPART_THRESHOLD_BYTES": "3000",
}


def run(command: str, folder: Path, data: Path) -> subprocess.CompletedProcess[str]:
    """Run `make export` or `make import`."""
    line = [sys.executable, "-m", "scripts.archive", command, "local", str(folder), "--data", str(data)]
    return subprocess.run(line, cwd=PROJECT, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("move"))


@pytest.fixture(scope="module")
def source(folder: Path) -> Iterator[Stack]:
    """A stack with images of alice and "Bob & Söhne": public, private, dated, changed and damaged."""
    with running(folder / "source") as stack:
        alice, bob = (User(Service(stack.url), name) for name in ("alice", "Bob & Söhne"))
        uploaded = [
            (alice, alice.upload(dated_picture("1999:12:31 23:00:00"), title="Fireworks", tags=["Night", "city"])),
            (alice, alice.upload(picture(seed=1), title="Dunes", tags=["sea"], filename="dunes ä.png")),
            (bob, bob.upload(DAMAGED, title="Damaged", description="Line 1\nLine 2")),
            (bob, bob.upload(dated_picture("2031:01:01 00:00:00"), visibility="private", tags=["Night"])),
        ]
        for user, image in uploaded:
            wait_until_processed(user, image["image_id"])
        path = f"/images/{uploaded[0][1]['image_id']}"
        for change in ({"tags": ["night", "sea"]}, {"description": "At midnight"}):
            assert alice.service.call("PUT", path, json=change).status_code == 200
        yield stack


@pytest.fixture(scope="module")
def target(folder: Path) -> Iterator[Stack]:
    with running(folder / "target") as stack:
        yield stack


def seen(stack: Stack) -> Json:
    """Return everything that owners and others see, with the SHA-256 of each file."""
    service, seen = Service(stack.url), Json()
    for owner in ("alice", "Bob & Söhne", ""):
        owned = {"user_id": owner, "visibility": "all"} if owner else {}
        for sort in ("created_at", "updated_at", "taken_at"):
            for order in ("asc", "desc"):
                pages = service.pages("/images", None, **owned, sort=sort, order=order)
                seen[f"{owner} {sort} {order}"] = [image for page in pages for image in page]
        seen[f"{owner} tags"] = service.get("/tags", **({"user_id": owner} if owner else {}))["tags"]
        for image in service.get("/images", **owned, include="url,analysis")["images"]:
            file = requests.get(image["presigned_url"], timeout=30)
            seen[image["image_id"]] = (image["state"], hashlib.sha256(file.content).hexdigest())
    return seen


def records(stack: Stack) -> list[Json]:
    """Return all records, without what says that a file was sent in parts."""
    items: list[Json] = stack.client("dynamodb").scan(TableName="images")["Items"]
    whole = [{name: value for name, value in item.items() if name != "part_size"} for item in items]
    return sorted(whole, key=lambda item: str(item["image_id"]))


def test_everything_is_the_same_in_the_other_stack(folder: Path, source: Stack, target: Stack) -> None:
    archive = folder / "archive"
    exported = run("export", archive, folder / "source")
    assert (exported.returncode, exported.stderr.count("\n")) == (0, 2), exported.stderr + exported.stdout
    assert exported.stdout.splitlines()[-1] == "2 of 2 owners are complete."
    assert set(exports_in(archive)) == {"alice", "Bob & Söhne"}

    imported = run("import", archive, folder / "target")
    assert imported.returncode == 0, imported.stderr + imported.stdout
    assert seen(target) == seen(source)
    assert seen(target)["alice updated_at desc"][0]["version"] == 3

    before = records(target)
    assert before == records(source)
    again = run("import", archive, folder / "target")
    assert again.returncode == 0, again.stderr + again.stdout
    assert records(target) == before

    files = {file: file.stat().st_mtime_ns for file in archive.rglob("*") if "originals" in file.parts}
    earlier = archive / "carol"  # whose images were deleted since an earlier export
    earlier.mkdir()
    About("carol", source.url, images=1).write(earlier)
    (earlier / "records.jsonl").write_text("a record\n")
    assert run("export", archive, folder / "source").returncode == 0
    assert (earlier / "records.jsonl").read_text() == ""
    assert {file: file.stat().st_mtime_ns for file in archive.rglob("*") if "originals" in file.parts} == files


def test_nobody_else_can_use_the_port_that_the_command_serves(folder: Path, source: Stack) -> None:
    program = """
import sys
from pathlib import Path
import requests
from scripts.archive import serving
with serving("local", Path(sys.argv[1])) as client_of:
    url = client_of("alice").transport.url
    named = {"X-User-Id": "Bob & S\\u00f6hne".encode()}
    private = requests.get(url + "/images", params={"visibility": "private"}, headers=named)
    writing = requests.post(url + "/images/import", json={}, headers=named)
    print(private.json()["count"], writing.status_code)
"""
    line = [sys.executable, "-c", program, str(folder / "source")]
    done = subprocess.run(line, cwd=PROJECT, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("0 401\n", 0), done.stderr


@pytest.mark.parametrize("command", ["export", "import"])
def test_without_a_running_stack_nothing_is_written(command: str, tmp_path: Path) -> None:
    failed = run(command, tmp_path / "archive", tmp_path / "data")
    sentence = f"No service runs on the data folder {tmp_path / 'data'}; `make run` starts one.\n"
    assert (failed.returncode, failed.stderr) == (1, sentence)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_an_export_cannot_be_imported(target: Stack, folder: Path, tmp_path: Path) -> None:
    failed = run("import", tmp_path, folder / "target")
    sentence = f"{tmp_path} has no export: none of its folders has a file export.json.\n"
    assert (failed.returncode, failed.stderr) == (1, sentence)


@pytest.mark.parametrize(("command", "name"), [("export", "OUT"), ("import", "FROM")])
def test_a_command_without_a_folder_is_refused(command: str, name: str) -> None:
    line = [sys.executable, "-m", "scripts.archive", command, "local", ""]
    refused = subprocess.run(line, cwd=PROJECT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert refused.stderr.endswith(f"error: name a folder: {name}=<folder>\n")


def test_each_owner_has_a_folder_that_every_file_system_accepts() -> None:
    names = ["alice", "Alice", "ALICE", "a:b*?", "con", "名前", "..x", "a b", "x" * 200, "trailing.", "é", "e"]
    folders = [folder_name(name) for name in names]
    assert folder_name("alice") == "alice-2bd806c97f0e00af"
    assert len({folder.lower() for folder in folders}) == len(names)
    for folder in folders:
        assert set(folder) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert 16 <= len(folder) <= 57
        assert not folder.startswith("-")


def test_a_folder_that_does_not_name_its_owner_is_an_error(tmp_path: Path) -> None:
    assert exports_in(tmp_path) == {}
    for name, owner in (("a", "alice"), ("b", "bob")):
        (tmp_path / name).mkdir()
        About(owner, "http://127.0.0.1:8000").write(tmp_path / name)
    assert exports_in(tmp_path) == {"alice": tmp_path / "a", "bob": tmp_path / "b"}
    About("alice", "http://127.0.0.1:8000").write(tmp_path / "b")
    with pytest.raises(CannotRun, match="are both of alice; remove one of them"):
        exports_in(tmp_path)
    for text, sentence in (("", "is not JSON"), ("{}", "is not about an export of this program")):
        (tmp_path / "b" / "export.json").write_text(text)
        with pytest.raises(CannotRun, match=rf"b/export\.json {sentence}"):
            exports_in(tmp_path)
