"""Black-box tests, which know nothing of the service but its base URL.

The URL is that of `--url`, or of an embedded stack that is started for the tests.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.stack import Stack, running
from tests.http.client import Service, User


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack | None]:
    """Start the embedded stack, or return None if the tests use a service that runs already."""
    if request.config.getoption("--url"):
        yield None
        return
    with running(Path(tmp_path_factory.mktemp("stack")) / "data") as stack:
        yield stack


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest, stack: Stack | None) -> Service:
    """Return the service under test."""
    url = stack.url if stack else request.config.getoption("--url")
    return Service(url.rstrip("/"))


@pytest.fixture
def alice(service: Service) -> Iterator[User]:
    """Create a user that no other test has. Her images are deleted after the test."""
    user = User(service, f"alice-{uuid.uuid4()}")
    yield user
    user.delete_all()
