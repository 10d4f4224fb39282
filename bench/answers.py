"""Compute the right answers of queries by a plain filter of all images, in memory that their number does not change."""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from multiprocessing import get_context

from bench import album
from bench.queries import ASKS, Ask

_PROCESSES = 2
_ID_CHARS = 36  # of an image_id, with which each sort key ends


@dataclass(slots=True)
class Answer:
    """The beginning of the list of an ask."""

    ask: Ask
    most: int  # images of the list that are kept
    matching: int = 0  # images in the whole list
    sort_keys: list[str] = field(default_factory=list)

    @property
    def image_ids(self) -> list[str]:
        """The ids of the first images of the list, in order."""
        return [key[-_ID_CHARS:] for key in self.sort_keys]

    def add(self, sort_keys: Iterable[str], matching: int) -> None:
        """Add images. Their order does not matter."""
        self.matching += matching
        self.sort_keys.extend(sort_keys)
        if len(self.sort_keys) > 2 * self.most:
            self.cut()

    def cut(self) -> None:
        """Sort what is kept, and drop what is too much."""
        self.sort_keys.sort(reverse=not self.ask.oldest_first)
        del self.sort_keys[self.most :]


def computed(size: int, most: int) -> dict[str, Answer]:
    """Return the answers of ASKS among images 0 to `size` by name, with at most `most` images each."""
    answers = {ask.name: Answer(ask, most) for ask in ASKS}
    step = -(-size // _PROCESSES)
    starts = range(0, size, step)
    with ProcessPoolExecutor(_PROCESSES, get_context("spawn")) as pool:
        stops = [min(start + step, size) for start in starts]
        for part in pool.map(_part, starts, stops, repeat(most)):
            for name, (sort_keys, matching) in part.items():
                answers[name].add(sort_keys, matching)
    for answer in answers.values():
        answer.cut()
    return answers


def _part(start: int, stop: int, most: int) -> dict[str, tuple[list[str], int]]:
    answers = [Answer(ask, most) for ask in ASKS]
    for image in album.images(start, stop):
        for answer in answers:
            if answer.ask.has(image):
                answer.add((answer.ask.sort_key(image),), 1)
    for answer in answers:
        answer.cut()
    return {answer.ask.name: (answer.sort_keys, answer.matching) for answer in answers}
