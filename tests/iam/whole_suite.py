"""Fails a whole run of the app's tests that left a declared permission unused."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.iam.guard import Guard

_REPORT = "whole_suite"  # in what a worker of pytest-xdist hands to its controller


class WholeSuite:
    """A pytest plugin: at the end of a run of every test in `folder`, names the permissions that no test needed.

    After a run of some of the tests, it says why it cannot tell. Where pytest-xdist spreads the tests over workers,
    each worker reports what it found, and the controller decides.
    """

    def __init__(self, folder: Path) -> None:
        self.guard: Guard | None = None  # that of the tests in `folder`, where this process has collected them
        self._folder = folder
        self._collected: list[pytest.Item] = []
        self._reports: list[dict[str, Any]] = []
        self._lost = 0  # workers that ended without a report
        self._ran: set[str] = set()
        self._left_out = ""
        self._unused: list[str] = []

    @pytest.hookimpl(tryfirst=True)  # before -k, -m and the like take their pick
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note all tests that were found."""
        self._collected = [item for item in items if item.path.is_relative_to(self._folder)]

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Note a test that has run, here or in a worker."""
        self._ran.add(nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take a worker's report."""
        output = getattr(node, "workeroutput", None)  # which a worker that crashed has not
        if output is None:
            self._lost += 1
        elif _REPORT in output:
            self._reports.append(output[_REPORT])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look for unused permissions, and fail the run for them."""
        if self.guard:
            collected = {item.nodeid: str(item.path) for item in self._collected}
            self._reports.append({"collected": collected, "unused": self.guard.unused()})
        if hasattr(session.config, "workeroutput"):
            if self._reports:
                session.config.workeroutput[_REPORT] = self._reports[0]
            return
        if self._reports:
            self._left_out = next(self._what_was_left_out(session.config.args), "")
            if not self._left_out:
                self._unused = self._unused_by_all()
        if self._unused and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the unused permissions, or why there was no looking for them."""
        if self._left_out:
            terminalreporter.write_line(f"Didn't look for unused permissions: {self._left_out} was left out.")
        if self._unused:
            terminalreporter.section("permissions that no test needed", red=True)
            for line in self._unused:
                terminalreporter.write_line(line)

    def _unused_by_all(self) -> list[str]:
        first, *others = (report["unused"] for report in self._reports)
        return [permission for permission in first if all(permission in other for other in others)]

    def _what_was_left_out(self, arguments: Iterable[str]) -> Iterator[str]:
        if self._lost:
            yield "what a worker that crashed had used"
        yield from (f"what is beside {argument}" for argument in arguments if "::" in argument)
        collected = {nodeid: Path(path) for report in self._reports for nodeid, path in report["collected"].items()}
        found = set(collected.values())
        yield from (path.name for path in sorted(self._folder.rglob("test_*.py")) if path not in found)
        yield from (nodeid for nodeid in collected if nodeid not in self._ran)
