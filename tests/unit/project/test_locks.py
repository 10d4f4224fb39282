import shutil
from pathlib import Path

import pytest

from project import PROJECT
from scripts.locks import LOCKS, faults


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_are_what_is_asked_for(name: str) -> None:
    assert list(faults(name)) == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    for name in LOCKS:
        for file in (f"{name}.in", f"{name}.txt"):
            shutil.copy(PROJECT / file, tmp_path / file)
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("requests\n", "requests\nflask\n", "dev/run.txt does not pin flask for dev/run.in."),
        ("requests\n", "requests<1\n", ", but dev/run.in asks for requests<1."),
        ("requests\n", "", "dev/run.txt pins requests, which dev/run.in does not name any more."),
    ],
)
def test_a_requirement_that_is_not_locked_is_named(root: Path, old: str, new: str, fault: str) -> None:
    file = root / "dev" / "run.in"
    file.write_text(file.read_text().replace(old, new))
    (found,) = faults("dev/run", root)
    assert found.endswith(fault)


def test_locks_that_are_installed_together_agree(root: Path) -> None:
    file = root / "requirements.txt"
    file.write_text(file.read_text().replace("\npyyaml==", "\npyyaml==1."))
    assert [fault[:26] for fault in faults("dev/run", root)] == ["dev/run.txt pins pyyaml 6."]
