"""What a person sees of a download, an export or an import: its progress, and counts that add up."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from images_api_client.cli.output import json_line, printable, progress

if TYPE_CHECKING:
    from images_api_client.runs.progress import TransferProgress

_MOST_NAMES = 20  # of the images that have the same reason
_MOST_REASONS = 20

Parallel = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Transfer N files at the same time.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Show no progress.")]


@contextmanager
def shown_progress(verb: str, *, disable: bool) -> Iterator[Callable[["TransferProgress"], None]]:
    """Show how far a run is, and yield the function that is told so."""
    with progress(disable=disable) as shown:
        task = shown.add_task(verb, total=None)

        def note(latest: "TransferProgress") -> None:
            shown.update(task, description=f"{verb}: {latest.images:,} images", completed=latest.size)

        yield note


@dataclass(slots=True)
class _Reason:
    count: int = 0
    names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Summary:
    """Counts outcomes by their status, in a memory that does not grow with the number of images."""

    statuses: Sequence[str]  # in the order of the table, also those that did not occur
    counts: Counter[Any] = field(default_factory=Counter)
    _reasons: dict[str, dict[str, _Reason]] = field(default_factory=dict)

    def add(self, status: str, name: str, reason: str = "") -> None:
        """Count an outcome, and keep its reason."""
        self.counts[status] += 1
        if reason:
            self.explain(status, name, reason)

    def explain(self, status: str, name: str, reason: str) -> None:
        """Keep the reason of an outcome that is counted, and the names that have it first."""
        reasons = self._reasons.setdefault(status, {})
        key = reason if reason in reasons or len(reasons) < _MOST_REASONS else "Other reasons."
        found = reasons.setdefault(key, _Reason())
        found.count += 1
        if len(found.names) < _MOST_NAMES:
            found.names.append(name)

    def end(self, *, json: bool, note: str = "") -> None:
        """Print how many images were found, and how many have each status: as a document, or with their reasons.

        `note` is about the whole run.
        """
        if json:
            counts = {status.replace(" ", "_"): self.counts[status] for status in self.statuses}
            json_line({"totals": {"found": self.counts.total(), **counts}})
            return
        rows = [("found", self.counts.total()), *((status, self.counts[status]) for status in self.statuses)]
        names = max(len(name) for name, _ in rows)
        digits = max(len(f"{count:,}") for _, count in rows)
        for status, count in rows:
            print(f"{status:<{names}}  {count:>{digits},}{note}")
            note = ""
            for text, reason in self._reasons.get(status, {}).items():
                print(printable(f"  {reason.count:,} x {text}"))
                for name in reason.names:
                    print(printable(f"      {name}"))
                if more := reason.count - len(reason.names):
                    print(f"      and {more:,} more")
