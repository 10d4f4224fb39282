"""Fails a whole run of the app's tests that left a declared permission unused."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.iam.guard import Guard


class WholeSuite:
    """A pytest plugin: at the end of a run of every test in `folder`, names what no test needed.

    A run of some of the tests can't tell; it says so instead.
    """

    def __init__(self, guard: Guard, folder: Path) -> None:
        self._guard = guard
        self._folder = folder
        self._collected: dict[str, Path] = {}
        self._ran: set[str] = set()
        self._left_out = ""
        self._unused: list[str] = []

    @pytest.hookimpl(tryfirst=True)  # before -k, -m and the like take their pick
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note all tests that were found."""
        self._collected = {item.nodeid: item.path for item in items if item.path.is_relative_to(self._folder)}

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Note a test that has run."""
        self._ran.add(nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look for unused permissions, and fail the run for them."""
        self._left_out = next(self._what_was_left_out(session.config.args), "")
        if not self._left_out:
            self._unused = self._guard.unused()
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

    def _what_was_left_out(self, arguments: Iterable[str]) -> Iterator[str]:
        yield from (f"what is beside {argument}" for argument in arguments if "::" in argument)
        found = set(self._collected.values())
        yield from (path.name for path in sorted(self._folder.rglob("test_*.py")) if path not in found)
        yield from (nodeid for nodeid in self._collected if nodeid not in self._ran)
