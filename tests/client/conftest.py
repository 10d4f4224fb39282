"""Fixtures for the tests of the Python client: embedded stacks to talk to, and a user in one."""

import uuid
from collections.abc import Iterator

import pytest

from dev.stack import Stack, running
from images_api_client import Client
from tests.http.client import Service, User

SECRET = "a secret of these tests, long enough to sign with"
FORM_LIMIT = 50_000
PART_BYTES = 5_242_880  # the smallest that S3 allows


@pytest.fixture(scope="session")
def stack(embedded_stack: Stack) -> Stack:
    return embedded_stack


@pytest.fixture(scope="session")
def url(stack: Stack) -> str:
    return stack.url


@pytest.fixture
def owner(url: str) -> Iterator[str]:
    """Return the id of a user that no other test has. The user's images are deleted after the test."""
    user = User(Service(url), f"owner-{uuid.uuid4()}")
    yield user.user_id
    user.delete_all()


@pytest.fixture
def client(url: str, owner: str) -> Iterator[Client]:
    """Return a client of the owner."""
    with Client(url, user=owner) as client:
        yield client


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a service that requires tokens for everything that is not public, and has low limits."""
    limits = {"MAX_FORM_IMAGE_BYTES": FORM_LIMIT, "MULTIPART_THRESHOLD_BYTES": PART_BYTES, "PART_BYTES": PART_BYTES}
    environment = {"AUTH": "jwt", "JWT_SECRET": SECRET, **{name: str(value) for name, value in limits.items()}}
    with running(tmp_path_factory.mktemp("guarded") / "data", environment=environment) as stack:
        yield stack


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a second deployment. Only owners get originals, as on AWS. Small files are sent in parts, too."""
    environment = {"ORIGINALS": "owner", "MULTIPART_THRESHOLD_BYTES": "2000", "PART_BYTES": str(PART_BYTES)}
    with running(tmp_path_factory.mktemp("other") / "data", environment=environment) as stack:
        yield stack
