"""One embedded stack, and the clients that generators make from its document."""

from collections.abc import Iterator

import pytest

from dev.stack import Stack, running
from tests.generated_clients import toolbox
from tests.generated_clients.toolbox import Toolbox


@pytest.fixture(scope="session")
def tools() -> Toolbox:
    return toolbox.installed()


@pytest.fixture(scope="session")
def stack(tools: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    assert tools  # skips before it starts anything
    with running(tmp_path_factory.mktemp("stack") / "data") as stack:
        yield stack
