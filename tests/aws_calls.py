"""The one place where tests stand between the AWS clients and AWS."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.client import BaseClient

Make = Callable[[Any, str, dict[str, Any]], Any]  # of a client, an operation and its parameters


@dataclass(frozen=True, slots=True)
class Call:
    """An AWS call that a client is about to make."""

    client: Any
    operation: str  # in botocore's spelling: "PutItem"
    params: dict[str, Any]
    make: Make

    def send(self, **changed: Any) -> Any:
        """Make the call, with some of its parameters changed. Returns AWS's answer."""
        return self.make(self.client, self.operation, {**self.params, **changed})


@contextmanager
def intercepted(handle: Callable[[Call], Any]) -> Iterator[None]:
    """Let `handle` answer every AWS call of this process.

    All clients make their calls by this method, no matter who created the client and when. Paginators and resources do,
    too. `handle` sees a call once however often botocore retries it, with the caller's own parameters, before botocore
    sends anything. An event handler would be on the clients of one session only, and would see parameters that other
    handlers have rewritten.
    """
    make = BaseClient._make_api_call  # type: ignore[attr-defined]

    def handled(client: BaseClient, operation: str, params: dict[str, Any]) -> Any:
        return handle(Call(client, operation, params, make))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", handled)
        yield
