"""Fixtures for the tests of the Python client: an embedded stack to talk to, and a user in it."""

import uuid
from collections.abc import Iterator

import pytest

from dev.stack import Stack
from tests.http.client import Service, User


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
