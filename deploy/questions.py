"""The questions that a command asks before it deletes or replaces something, and how the command line answers them."""

import sys
from collections.abc import Collection
from dataclasses import dataclass

from project import CannotRun


@dataclass(frozen=True, slots=True)
class Question:
    """A question that is answered with a word on the terminal, or with a variable of make."""

    text: str  # what is going to happen
    word: str
    variables: tuple[str, ...]  # each is an answer, for example "CONFIRM=prod"

    def confirmed(self, given: Collection[str]) -> bool:
        """Return whether the answer is yes. `given` are the variables of the command line.

        Raises CannotRun: there is neither an answer nor a terminal.
        """
        if not set(self.variables).isdisjoint(given):
            return True
        if not sys.stdin.isatty():
            raise CannotRun(f"{self.text} Confirm with {self.variables[0]}.")
        try:
            return input(f"{self.text}\nType {self.word} to confirm: ").strip() == self.word
        except EOFError:
            return False


def given(*, yes: bool = False, stage: str = "", images: str = "") -> frozenset[str]:
    """Return the variables that the options of a command line stand for."""
    values = {"YES": "1" if yes else "", "CONFIRM": stage, "IMAGES": images}
    return frozenset(f"{name}={value}" for name, value in values.items() if value)


def of_destroy(stage: str, what: str, *, protected: bool, has_images: bool) -> list[Question]:
    """Return the questions before a stage is deleted. `what` describes what is deleted.

    A protected stage needs its name, which nobody types by habit. Images need a second answer.
    """
    confirm = f"CONFIRM={stage}"
    questions = [Question(what, stage, (confirm,) if protected else ("YES=1", confirm))]
    if has_images:
        text = f"The images of {stage} cannot be recovered. Nothing has been deleted yet."
        questions.append(Question(text, "delete", ("IMAGES=delete",)))
    return questions
