"""Options and hooks of pytest, and fixtures for several kinds of tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from chalicelib.config import settings
from chalicelib.stores.secrets import secrets
from dev.stack import Stack, running
from tests.iam import WholeSuite

# No test fails because the machine is slow.
hypothesis_settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any speed")
# For a second version of Python: other values for the same code would prove nothing about it.
hypothesis_settings.register_profile("few", parent=hypothesis_settings.get_profile("any speed"), max_examples=10)

TESTS = Path(__file__).parent
WHOLE_SUITE = WholeSuite(TESTS / "app")


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin here, because the controller of pytest-xdist does not load tests/app."""
    config.pluginmanager.register(WHOLE_SUITE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure coverage only where the service runs in the test's process, because measuring doubles the time.

    Long tests that repeat what others in their folder call once are left out too.
    """
    measured = [TESTS / "unit", TESTS / "app"]
    repeating = [TESTS / "app" / "scripts", TESTS / "app" / "images" / "test_crashes.py"]
    repeating += [
        TESTS / "app" / "lists" / f"test_{name}.py" for name in ("budget", "moves", "paging", "search", "time_taken")
    ]
    for item in items:
        if not any(map(item.path.is_relative_to, measured)) or any(map(item.path.is_relative_to, repeating)):
            item.add_marker("no_cover")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options that let the tests over HTTP use a service that is already running."""
    parser.addoption("--url", help="base URL of the service to test with tests/http (default: an embedded stack)")
    parser.addoption("--lambda-endpoint", help="endpoint that invokes the functions of the service at --url")
    parser.addoption("--function-prefix", default="", help="prefix of the names of these functions")


@pytest.fixture(scope="session")
def embedded_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start an embedded stack with the default settings, which all tests of a process share."""
    with running(Path(tmp_path_factory.mktemp("stack")) / "data") as stack:
        yield stack


@pytest.fixture(scope="session")
def on_localstack(request: pytest.FixtureRequest) -> bool:
    """Return whether the service at --url runs on LocalStack, whose URLs have one of two forms."""
    url = request.config.getoption("--url") or ""
    return "/_aws/execute-api/" in url or url.endswith("/_user_request_")


@pytest.fixture
def signatures_count(on_localstack: bool) -> None:
    """Skip a test of invalid S3 signatures where S3 does not check signatures."""
    if on_localstack:
        pytest.skip("LocalStack does not check the signatures of S3 URLs and forms.")


@pytest.fixture
def odd_requests_arrive(on_localstack: bool) -> None:
    """Skip a test that sends any request that a document allows where LocalStack does not pass all of them on."""
    if on_localstack:
        pytest.skip("LocalStack itself changes unusual requests: it drops long URLs, re-encodes forms, or answers 500.")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Change settings for the rest of a test: `configured(MAX_PIXELS="100")`."""

    def configure(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        secrets.cache_clear()
        secrets()  # read now, with the settings: the test client later sets the variables of its stage

    yield configure
    monkeypatch.undo()
    settings.cache_clear()
    secrets.cache_clear()
