"""The questions before a deletion, and the answers that a command line without a terminal can give."""

import io
import sys

import pytest

from deploy.questions import given, of_destroy
from project import CannotRun


def confirmed(variables: frozenset[str], *, protected: bool = False, has_images: bool = False) -> bool:
    asked = of_destroy("prod", "This deletes prod.", protected=protected, has_images=has_images)
    return all(question.confirmed(variables) for question in asked)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("prod\ndelete\n"))


def test_yes_is_enough_for_an_empty_stage_that_is_not_protected() -> None:
    assert confirmed(given(yes=True))
    with pytest.raises(CannotRun, match=r"This deletes prod\. Confirm with YES=1\."):
        confirmed(given())


@pytest.mark.parametrize("variables", [given(), given(yes=True), given(stage="dev"), given(yes=True, stage="dev")])
def test_a_protected_stage_needs_its_name(variables: frozenset[str]) -> None:
    with pytest.raises(CannotRun, match=r"Confirm with CONFIRM=prod\."):
        confirmed(variables, protected=True)
    assert confirmed(given(stage="prod"), protected=True)


@pytest.mark.parametrize("variables", [given(yes=True), given(stage="prod"), given(yes=True, images="all")])
def test_images_need_a_second_answer(variables: frozenset[str]) -> None:
    with pytest.raises(CannotRun, match=r"cannot be recovered.*Confirm with IMAGES=delete\."):
        confirmed(variables, has_images=True)
    assert confirmed(given(stage="prod", images="delete"), protected=True, has_images=True)
    with pytest.raises(CannotRun, match="Confirm with CONFIRM=prod"):
        confirmed(given(images="delete"), protected=True, has_images=True)


@pytest.mark.parametrize(
    ("typed", "yes"), [("prod\ndelete\n", True), ("prod\n\n", False), ("prod\n", False), ("yes\ndelete\n", False)]
)
def test_a_person_at_a_terminal_types_both_words(monkeypatch: pytest.MonkeyPatch, typed: str, yes: bool) -> None:
    terminal = io.StringIO(typed)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert confirmed(given(), protected=True, has_images=True) is yes
