"""The only module of the tests that intercepts calls of AWS clients."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.client import BaseClient

Make = Callable[[Any, str, dict[str, Any]], Any]  # takes a client, an operation and its parameters


@dataclass(frozen=True, slots=True)
class Call:
    """An AWS call that a client is about to make."""

    client: Any
    operation: str  # in botocore's spelling: "PutItem"
    params: dict[str, Any]
    make: Make

    def send(self, **changed: Any) -> Any:
        """Make the call with some parameters changed. Returns the answer of AWS."""
        return self.make(self.client, self.operation, {**self.params, **changed})


@contextmanager
def intercepted(handle: Callable[[Call], Any]) -> Iterator[None]:
    """Let `handle` answer every AWS call of this process.

    Every client, paginator and resource makes its calls with the method patched here. `handle` gets a call once, with
    the caller's parameters, before botocore sends or retries anything. An event handler of botocore would apply to the
    clients of one session only, and would get parameters that other handlers have changed.
    """
    make = BaseClient._make_api_call  # type: ignore[attr-defined]

    def intercept(client: BaseClient, operation: str, params: dict[str, Any]) -> Any:
        return handle(Call(client, operation, params, make))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", intercept)
        yield
