from collections.abc import Callable

import pytest

from project import PROJECT

pytest_plugins = ["pytester"]

# A replacement for the guard: tests report the permissions that they use.
CONFTEST = """
from pathlib import Path

import pytest

from tests.iam import WholeSuite


class Guard:
    remaining = {"view: get", "view: put"}

    def unused(self):
        return sorted(self.remaining)


def pytest_configure(config):
    suite = WholeSuite(Path(__file__).parent)
    suite.guard = Guard()
    config.pluginmanager.register(suite)


@pytest.fixture
def use():
    return Guard.remaining.remove
"""

ONE_PROCESS = pytest.param((), id="in one process")
TWO_WORKERS = pytest.param(("-p", "xdist", "-n", "2", "--dist", "loadfile"), id="in two workers")

Run = Callable[..., pytest.RunResult]


@pytest.fixture(params=[ONE_PROCESS, TWO_WORKERS])
def run(request: pytest.FixtureRequest, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs two files of tests, in one process or in two workers. The first file uses `get`."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini(f"[pytest]\npythonpath = {PROJECT}")
    pytester.makeconftest(CONFTEST)
    get = "def test_get(use): use('view: get')"

    def run(*arguments: str, test_one: str = get, test_two: str) -> pytest.RunResult:
        pytester.makepyfile(test_one=test_one, test_two=test_two)
        return pytester.runpytest_inprocess(*request.param, *arguments)

    return run


PUT = "def test_put(use): use('view: put')\ndef test_nothing(): pass"
NOTHING = "def test_put(): pass\ndef test_nothing(): pass"


def test_a_run_of_all_tests_fails_for_an_unused_permission(run: Run) -> None:
    result = run(test_two=NOTHING)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*permissions that no test needed*", "view: put"])
    result.stdout.no_fnmatch_line("view: get")


def test_a_run_of_all_tests_passes_if_all_permissions_are_used(run: Run) -> None:
    result = run(test_two=PUT)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*permissions that no test needed*")
    result.stdout.no_fnmatch_line("Didn't look for*")


def test_a_failing_run_also_reports_unused_permissions(run: Run) -> None:
    result = run(test_two="def test_put(): assert False")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*permissions that no test needed*", "view: put"])


@pytest.mark.parametrize(
    ("arguments", "left_out"),
    [
        (["-k", "not nothing"], "test_two.py::test_nothing"),
        (["test_two.py"], "test_one.py"),
        (["test_one.py", "test_two.py::test_put"], "what is beside test_two.py::test_put"),
        (["--deselect", "test_one.py::test_get"], "test_one.py::test_get"),
        (["--ignore", "test_two.py"], "test_two.py"),
    ],
)
def test_a_run_of_some_tests_does_not_report_unused_permissions(run: Run, arguments: list[str], left_out: str) -> None:
    result = run(*arguments, test_two=NOTHING)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([f"Didn't look for unused permissions: {left_out} was left out."])
    result.stdout.no_fnmatch_line("*permissions that no test needed*")


@pytest.mark.parametrize("run", [ONE_PROCESS], indirect=True)
def test_a_run_that_ends_early_does_not_report_unused_permissions(run: Run) -> None:
    result = run("-x", test_one="def test_get(): assert False", test_two=NOTHING)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["Didn't look for unused permissions: test_two.py::test_put was left out."])


@pytest.mark.parametrize("run", [TWO_WORKERS], indirect=True)
def test_a_run_with_a_crashed_worker_does_not_report_unused_permissions(run: Run) -> None:
    result = run(test_two="import os\ndef test_put(): os._exit(1)")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    left_out = "what a worker that crashed had used was left out."
    result.stdout.fnmatch_lines([f"Didn't look for unused permissions: {left_out}"])
