import shutil
from pathlib import Path

import pytest

from project import PROJECT
from scripts.locks import LOCKS, faults


@pytest.mark.parametrize("name", LOCKS)
def test_each_lock_matches_its_requirements(name: str) -> None:
    assert list(faults(name)) == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in LOCKS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
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
def test_a_difference_between_a_lock_and_its_requirements_is_reported(
    root: Path, old: str, new: str, fault: str
) -> None:
    file = root / "dev" / "run.in"
    file.write_text(file.read_text().replace(old, new))
    (reported,) = faults("dev/run", root)
    assert reported.endswith(fault)


def test_different_pins_in_locks_that_are_installed_together_are_reported(root: Path) -> None:
    file = root / "requirements.txt"
    file.write_text(file.read_text().replace("\npyyaml==", "\npyyaml==1."))
    assert [fault[:26] for fault in faults("dev/run", root)] == ["dev/run.txt pins pyyaml 6."]
