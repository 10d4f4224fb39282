"""Black-box tests, which know nothing of the service but its base URL.

The URL is that of `--url`, or of an embedded stack that is started for the tests.
"""

import uuid
from collections.abc import Iterator

import pytest

from dev.stack import Stack
from tests.http.client import Service, User


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Stack | None:
    """Return the embedded stack, or None if the tests use a service that runs already."""
    if request.config.getoption("--url"):
        return None
    embedded: Stack = request.getfixturevalue("embedded_stack")
    return embedded


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
