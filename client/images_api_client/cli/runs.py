"""What a person sees of an upload, a download, an export or an import: progress, outcomes, and totals that add up."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from images_api_client.cli.output import json_line, out, printable, progress

if TYPE_CHECKING:
    from images_api_client.runs.progress import TransferProgress

_MOST_NAMES = 20  # of those that have the same reason
_MOST_REASONS = 20
_STYLES = {"uploaded": "green", "refused": "yellow", "failed": "bold red"}


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
    """How many outcomes have a reason, and the first of them."""

    count: int = 0
    names: list[str] = field(default_factory=list)


class Summary:
    """Counts outcomes by their status, in a memory that does not grow with their number.

    `statuses` are those that a run can have, in the order of the totals. `verbose` prints a line for each outcome that
    has a reason, in place of the first names in the totals.
    """

    def __init__(self, statuses: Iterable[str], *, json: bool, verbose: bool, dry_run: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self._statuses = [*map(str, statuses)]
        self._json = json
        self._verbose = verbose
        self._dry_run = dry_run  # the first of the statuses is then that of what would be done
        self._reasons: dict[str, dict[str, _Reason]] = {}

    def add(self, status: str, name: str, reason: str = "", **ids: str | None) -> None:
        """Count an outcome, and print what is asked for. `name` says what it is about, `ids` are for JSON."""
        self.counts[str(status)] += 1
        self.explain(status, name, reason, **ids)

    def explain(self, status: str, name: str, reason: str = "", **ids: str | None) -> None:
        """Do as `add` does for an outcome that is counted already."""
        if reason:
            reasons = self._reasons.setdefault(str(status), {})
            known = reasons.setdefault(
                reason if reason in reasons or len(reasons) < _MOST_REASONS else "Other reasons.", _Reason()
            )
            known.count += 1
            if len(known.names) < _MOST_NAMES:
                known.names.append(name)
        if self._json:
            json_line({**ids, "status": _key(status), "reason": reason or None})
        elif reason and self._verbose:
            print(printable(f"{status}: {name}: {reason}"))
        elif self._dry_run and status == self._statuses[0]:
            print(printable(f"would be {status}: {name}"))

    def end(self, *, stopped: bool = False, unfinished: int = 0, left_out: int = 0) -> None:
        """Print how many were found, and how many have each status: as a document, or with their reasons.

        `stopped` says that there may be more to find. `unfinished` are those that were found and have no outcome.
        `left_out` are not among those found.
        """
        totals = {"found": self.counts.total() + unfinished, **{each: self.counts[each] for each in self._statuses}}
        if unfinished:
            totals["not finished"] = unfinished
        if left_out:
            totals["left out"] = left_out
        if self._json:
            json_line({"totals": {_key(name): count for name, count in totals.items()}, "dry_run": self._dry_run})
        else:
            self._print(totals, stopped=stopped)

    def _print(self, totals: Mapping[str, int], *, stopped: bool) -> None:
        notes = {"left out": "  (hidden or excluded, not counted above)"}
        if stopped:
            notes["found"] = "  (stopped early: there may be more)"
        elif self._dry_run:
            notes["found"] = f"  (dry run: nothing was {self._statuses[0]})"
        names = max(map(len, totals))
        digits = max(len(f"{count:,}") for count in totals.values())
        for name, count in totals.items():
            line = f"{name:<{names}}  {count:>{digits},}{notes.get(name, '')}"
            out().print(line, style=_STYLES.get(name) if count else "dim", soft_wrap=True)
            for text, reason in self._reasons.get(name, {}).items():
                print(printable(f"  {reason.count:,} x {text}"))
                if not self._verbose:
                    _print_names(reason)


def _print_names(reason: _Reason) -> None:
    for name in reason.names:
        print(printable(f"      {name}"))
    if more := reason.count - len(reason.names):
        print(f"      and {more:,} more: --verbose names all")


def _key(name: Any) -> str:
    return str(name).replace(" ", "_")
