import json
import shutil
from pathlib import Path

import pytest

from project import PROJECT
from scripts import vendor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(vendor.FOLDER, tmp_path / "vendor"))


def test_the_files_are_those_that_the_list_names(folder: Path) -> None:
    assert list(vendor.faults(folder)) == []


def test_a_changed_a_missing_and_an_unknown_file_are_reported(folder: Path) -> None:
    with (folder / "thumbhash.js").open("a") as file:
        file.write(" ")
    (folder / "photoswipe.css").unlink()
    (folder / "extra.js").touch()
    assert list(vendor.faults(folder)) == [
        "photoswipe.css is missing.",
        "vendored.json does not name extra.js.",
        "thumbhash.js is not the file that vendored.json names.",
    ]


def test_the_licence_of_another_version_is_reported(folder: Path) -> None:
    text = (folder / "vendored.json").read_text().replace('"5.4.4"', '"6.0.0"')
    (folder / "vendored.json").write_text(text)
    assert list(vendor.faults(folder)) == ["LICENSES.txt has not the licence of photoswipe 6.0.0."]


def test_no_file_has_the_name_of_a_file_of_the_pages() -> None:
    # Pages load both from one path.
    own = {path.name for path in vendor.FOLDER.parent.iterdir()}
    assert not own & {path.name for path in vendor.FOLDER.iterdir()}


def test_the_types_that_are_checked_are_those_of_the_same_versions() -> None:
    versions = {package["name"]: package["version"] for package in vendor.packages()}
    pinned = json.loads((PROJECT / "scripts" / "pages" / "package.json").read_text())["devDependencies"]
    assert {name: pinned[name] for name in versions if name in pinned}.items() <= versions.items()
    assert {*versions} - {*pinned} == {"swagger-ui-dist"}  # no script imports it
