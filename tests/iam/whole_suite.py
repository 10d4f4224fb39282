"""Fail a complete run of the app's tests in which a declared permission was not used."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.iam.guard import Guard

_REPORT = "whole_suite"  # the key of a report in the output of a pytest-xdist worker


class WholeSuite:
    """A pytest plugin that prints the permissions that no test needed, after a run of every test in `folder`.

    After a run of only some tests, it prints why it cannot know them. With pytest-xdist, each worker sends a report and
    the controller decides.
    """

    def __init__(self, folder: Path) -> None:
        self.guard: Guard | None = None  # set by the conftest.py in `folder`, if this process loads it
        self._folder = folder
        self._collected: list[pytest.Item] = []
        self._reports: list[dict[str, Any]] = []
        self._lost = 0  # workers that ended without a report
        self._ran: set[str] = set()
        self._left_out = ""
        self._unused: list[str] = []

    @pytest.hookimpl(tryfirst=True)  # before -k and -m deselect tests
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Record all tests that were collected."""
        self._collected = [item for item in items if item.path.is_relative_to(self._folder)]

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Record a test that has run, here or in a worker."""
        self._ran.add(nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Store a worker's report."""
        output = getattr(node, "workeroutput", None)  # None if the worker crashed
        if output is None:
            self._lost += 1
        elif _REPORT in output:
            self._reports.append(output[_REPORT])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look for unused permissions. Fail the run if there are any."""
        if self.guard:
            collected = {item.nodeid: str(item.path) for item in self._collected}
            self._reports.append({"collected": collected, "unused": self.guard.unused()})
        if hasattr(session.config, "workeroutput"):
            if self._reports:
                session.config.workeroutput[_REPORT] = self._reports[0]
            return
        if self._reports:
            self._left_out = next(self._omissions(session.config.args), "")
            if not self._left_out:
                self._unused = self._unused_by_all()
        if self._unused and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the unused permissions, or why they are not known."""
        if self._left_out:
            terminalreporter.write_line(f"Didn't look for unused permissions: {self._left_out} was left out.")
        if self._unused:
            terminalreporter.section("permissions that no test needed", red=True)
            for line in self._unused:
                terminalreporter.write_line(line)

    def _unused_by_all(self) -> list[str]:
        first, *others = (report["unused"] for report in self._reports)
        return [permission for permission in first if all(permission in other for other in others)]

    def _omissions(self, arguments: Iterable[str]) -> Iterator[str]:
        if self._lost:
            yield "what a worker that crashed had used"
        yield from (f"what is beside {argument}" for argument in arguments if "::" in argument)
        collected = {nodeid: Path(path) for report in self._reports for nodeid, path in report["collected"].items()}
        collected_files = set(collected.values())
        yield from (path.name for path in sorted(self._folder.rglob("test_*.py")) if path not in collected_files)
        yield from (nodeid for nodeid in collected if nodeid not in self._ran)
