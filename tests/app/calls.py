"""Changes to AWS calls during a test: another request runs before a call, a call fails, or the process is killed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from threading import Lock, RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from tests.aws_calls import Call, Make, intercepted
from tests.iam import aside

if TYPE_CHECKING:
    from tests.app.conftest import Stores

Handler = Callable[[Call], Any]
T = TypeVar("T")

ANY = "any operation"


class Killed(BaseException):
    """The process is killed here."""


class StoreIsDown(Exception):
    """An AWS call failed."""


def canceled(stores: "Stores", *reasons: str) -> Exception:
    """Return DynamoDB's error for a canceled transaction, with a reason for each write."""
    response: Any = {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    error: Exception = stores.dynamodb.exceptions.TransactionCanceledException(response, "TransactWriteItems")
    return error


@dataclass(eq=False, slots=True)
class Rule:
    """A change to AWS calls. It ends with its `with` block, with `end()`, or with the test."""

    handle: Handler
    rules: list["Rule"]
    applied: bool = False  # the rule changed at least one call

    def end(self) -> None:
        """Do not change later calls."""
        with suppress(ValueError):
            self.rules.remove(self)

    def __enter__(self) -> "Rule":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()


@dataclass
class Calls:
    """Changes AWS calls: the `calls` fixture. A rule takes effect at once. The newest rule gets a call first."""

    _rules: list[Rule] = field(default_factory=list)
    _sending: Lock = field(default_factory=Lock)  # the service makes calls at the same time, and moto has no locks
    _acting: RLock = field(default_factory=RLock)

    @contextmanager
    def watched(self) -> Iterator["Calls"]:
        """Apply the rules to all AWS calls of this process."""
        with intercepted(self._send):
            yield self

    def on(self, operation: str, handler: Handler) -> Rule:
        """Let `handler` answer the calls of an operation, or of ANY. `call.send()` makes the call."""

        def handle(call: Call) -> Any:
            if operation not in (ANY, call.operation):
                return call.send()
            rule.applied = True
            return handler(call)

        rule = self._add(handle)
        return rule

    def leave_keys(self, table: str, keys: int) -> Rule:
        """Let each BatchGetItem read the first `keys` keys of a table, and leave the others unprocessed."""

        def handler(call: Call) -> Any:
            request = call.params["RequestItems"][table]
            first, others = request["Keys"][:keys], request["Keys"][keys:]
            answer = call.send(RequestItems={table: {**request, "Keys": first}})
            return {**answer, "UnprocessedKeys": {table: {**request, "Keys": others}} if others else {}}

        return self.on("BatchGetItem", handler)

    def before(self, at: str | int, act: Callable[[], object]) -> Rule:
        """Run `act` once before the next call of an operation, or before call number `at`, counted from 0."""
        numbers = count()

        def handle(call: Call) -> Any:
            if at in (call.operation, next(numbers)):
                rule.end()
                rule.applied = True
                with aside():
                    act()
            return call.send()

        rule = self._add(handle)
        return rule

    def before_each(self, operation: str, act: Callable[[], object]) -> Rule:
        """Run `act` before each call of an operation, for one call after the other."""

        def handler(call: Call) -> Any:
            with aside(), self._acting:
                act()
            return call.send()

        return self.on(operation, handler)

    def after(self, operation: str, act: Callable[[], object]) -> Rule:
        """Run `act` once after the next call of an operation, before the service gets its answer."""

        def handler(call: Call) -> Any:
            answer = call.send()
            rule.end()
            with aside():
                act()
            return answer

        rule = self.on(operation, handler)
        return rule

    def fail(
        self,
        operation: str,
        error: BaseException,
        *,
        when: Callable[[dict[str, Any]], bool] = lambda params: True,
        times: int | None = None,
    ) -> Rule:
        """Let the calls of an operation, or of ANY, raise `error` instead of being made.

        `when` selects calls by their parameters. `times` is the number of calls that fail; without it, all fail.
        """
        failures = count()

        def handler(call: Call) -> Any:
            if when(call.params) and (times is None or next(failures) < times):
                raise error
            return call.send()

        return self.on(operation, handler)

    @contextmanager
    def recorded(self) -> Iterator[list[str]]:
        """Yield the list of the operations called, in order."""
        operations: list[str] = []

        def handler(call: Call) -> Any:
            operations.append(call.operation)
            return call.send()

        with self.on(ANY, handler):
            yield operations

    @contextmanager
    def killed(self, at: int, *, before: bool) -> Iterator[Rule]:
        """Kill the process before or after its AWS call number `at`, counted from 0."""
        numbers = count()

        def handle(call: Call) -> Any:
            if next(numbers) != at:
                return call.send()
            rule.applied = True
            if not before:
                call.send()
            raise Killed

        rule = self._add(handle)
        with suppress(Killed), rule:
            yield rule

    def every_kill(self, given: Callable[[], T], act: Callable[[T], object]) -> Iterator[T]:
        """Repeat `act` on a new result of `given`. Each time, kill `act` at the next of its calls.

        Kills before each call, then lets `act` finish, then kills after the last call. A kill after any other call
        leaves what a kill before the next one leaves.
        """
        for at in count():
            thing = given()
            with self.killed(at, before=True) as kill:
                act(thing)
            yield thing
            if not kill.applied:
                break
        thing = given()
        with self.killed(at - 1, before=False):
            act(thing)
        yield thing

    def clear(self) -> None:
        """End all rules."""
        self._rules.clear()

    def _add(self, handle: Handler) -> Rule:
        rule = Rule(handle, self._rules)
        self._rules.append(rule)
        return rule

    def _send(self, call: Call) -> Any:
        call = replace(call, make=partial(self._make, call.make))
        for rule in tuple(self._rules):  # the newest rule is the outermost
            call = replace(call, make=_by(rule, call.make))
        return call.send()

    def _make(self, make: Make, client: Any, operation: str, params: dict[str, Any]) -> Any:
        with self._sending:
            return make(client, operation, params)


def _by(rule: Rule, make: Make) -> Make:
    return lambda client, operation, params: rule.handle(Call(client, operation, params, make))
