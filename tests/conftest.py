"""What pytest is to know of before it collects, and what tests of several kinds share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from chalicelib.config import settings
from tests.iam import WholeSuite

# No test fails because the machine is busy.
hypothesis_settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any speed")

WHOLE_SUITE = WholeSuite(Path(__file__).parent / "app")


def pytest_configure(config: pytest.Config) -> None:
    """Watch here, since the controller of pytest-xdist does not load tests/app."""
    config.pluginmanager.register(WHOLE_SUITE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the black-box tests run against a service that runs already."""
    parser.addoption("--url", help="base URL of the service that tests/http is for (default: an embedded stack)")
    parser.addoption("--lambda-endpoint", help="where the functions of the service at --url are invoked")
    parser.addoption("--function-prefix", default="", help="what the names of those functions begin with")
    parser.addoption("--localstack", action="store_true", help="the service at --url is on LocalStack")


@pytest.fixture
def signatures_count(request: pytest.FixtureRequest) -> None:
    """For tests of what S3 refuses when a signature doesn't fit."""
    if request.config.getoption("--localstack"):
        pytest.skip("LocalStack checks no signatures of S3's URLs and forms.")


@pytest.fixture
def odd_requests_arrive(request: pytest.FixtureRequest) -> None:
    """For tests that send whatever a document allows."""
    if request.config.getoption("--localstack"):
        pytest.skip("LocalStack itself fails for odd requests: it drops long URLs, and answers 500 to some headers.")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Runs the rest of a test with other settings: `configured(MAX_PIXELS="100")`."""

    def configure(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        settings()  # now: the client puts the stage's own variables over these

    yield configure
    monkeypatch.undo()
    settings.cache_clear()
