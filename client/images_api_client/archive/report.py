"""What became of the images of an export or an import."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

MOST_PROBLEMS = 10_000  # that a report lists; it counts all of them


class ArchiveStatus(StrEnum):
    """What became of an image."""

    EXPORTED = "exported"
    IMPORTED = "imported"
    PRESENT = "already there"
    DELETED = "deleted meanwhile"  # the image was deleted during the export, and is not in it
    DIFFERENT = "different"  # the service has the image, but with other metadata than the export
    REFUSED = "refused"
    FAILED = "failed"


_PROBLEMS = (ArchiveStatus.DIFFERENT, ArchiveStatus.REFUSED, ArchiveStatus.FAILED)


@dataclass(frozen=True, slots=True)
class ArchiveOutcome:
    """What became of an image."""

    image_id: str  # empty: a line of the records does not say it
    status: ArchiveStatus
    reason: str = ""  # one sentence

    @property
    def is_problem(self) -> bool:
        """Whether somebody has to look at it."""
        return self.status in _PROBLEMS


@dataclass(slots=True)
class Report:
    """What became of all images of a run."""

    statuses: Sequence[ArchiveStatus] = field(repr=False)
    counts: Counter[ArchiveStatus] = field(default_factory=Counter)
    problems: list[ArchiveOutcome] = field(default_factory=list)  # up to MOST_PROBLEMS
    notes: list[str] = field(default_factory=list)  # sentences about the whole run
    ok: bool = True  # whether the export, or what was imported, is complete

    @property
    def found(self) -> int:
        """The number of images: the sum of all counts."""
        return self.counts.total()

    def add(self, outcome: ArchiveOutcome) -> None:
        """Count an outcome."""
        self.counts[outcome.status] += 1
        if outcome.is_problem:
            self.ok = False
            if len(self.problems) < MOST_PROBLEMS:
                self.problems.append(outcome)

    def __str__(self) -> str:
        counts = ", ".join(f"{self.counts[status]:,} {status}" for status in self.statuses if self.counts[status])
        return " ".join([f"{counts or 'No images'}.", *self.notes])


class ExportReport(Report):
    """What became of the images of an export. Its text says it to a person."""

    def __init__(self) -> None:
        super().__init__((ArchiveStatus.EXPORTED, ArchiveStatus.PRESENT, ArchiveStatus.DELETED, ArchiveStatus.FAILED))


class ImportReport(Report):
    """What became of the images of an import. Its text says it to a person."""

    def __init__(self) -> None:
        super().__init__(
            (
                ArchiveStatus.IMPORTED,
                ArchiveStatus.PRESENT,
                ArchiveStatus.DIFFERENT,
                ArchiveStatus.REFUSED,
                ArchiveStatus.FAILED,
            )
        )
