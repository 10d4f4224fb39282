"""Black-box tests: they speak HTTP to a base URL and know nothing else.

The URL is `--url`, or that of an embedded stack started for them.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.stack import Stack, running
from tests.http.client import Service, User


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack | None]:
    """The embedded stack, or None where the tests are for a service that runs already."""
    if request.config.getoption("--url"):
        yield None
        return
    with running(Path(tmp_path_factory.mktemp("stack")) / "data") as stack:
        yield stack


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest, stack: Stack | None) -> Service:
    """The service under test.

    LocalStack 4.14 decodes an answer only where the API's binary types name the type that the client accepts, and not
    for `*/*` as API Gateway does.
    """
    url = stack.url if stack else request.config.getoption("--url")
    return Service(url.rstrip("/"), in_base64=request.config.getoption("--localstack"))


@pytest.fixture
def alice(service: Service) -> Iterator[User]:
    """Someone whom no other test knows; what she uploads is deleted in the end."""
    user = User(service, f"alice-{uuid.uuid4()}")
    yield user
    user.delete_all()
