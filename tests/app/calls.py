"""What happens to the service's AWS calls during a test: another request comes between, AWS fails, the process dies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
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
    """The process ends here."""


class StoreIsDown(Exception):
    """An AWS call failed."""


def canceled(stores: "Stores", *reasons: str) -> Exception:
    """DynamoDB's error for a transaction that it canceled, with a reason for each of its writes."""
    response: Any = {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    error: Exception = stores.dynamodb.exceptions.TransactionCanceledException(response, "TransactWriteItems")
    return error


@dataclass(eq=False, slots=True)
class Rule:
    """One change to the AWS calls. It ends with its `with` block, by `end()`, or with the test."""

    handle: Handler
    rules: list["Rule"]
    happened: bool = False  # the rule has changed a call

    def end(self) -> None:
        """Leave later calls alone."""
        with suppress(ValueError):
            self.rules.remove(self)

    def __enter__(self) -> "Rule":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()


@dataclass
class Calls:
    """Changes AWS calls: the `calls` fixture. Rules take effect at once; the newest one sees a call first."""

    _rules: list[Rule] = field(default_factory=list)

    @contextmanager
    def watched(self) -> Iterator["Calls"]:
        """Apply the rules to all AWS calls of this process."""
        with intercepted(self._send):
            yield self

    def on(self, operation: str, handler: Handler) -> Rule:
        """Let `handler` answer the calls of an operation, or of ANY; `call.send()` asks AWS."""

        def handle(call: Call) -> Any:
            if operation not in (ANY, call.operation):
                return call.send()
            rule.happened = True
            return handler(call)

        rule = self._add(handle)
        return rule

    def before(self, which: str | int, act: Callable[[], object]) -> Rule:
        """Run `act` once, just before the next call of an operation, or before call number `which`, from 0."""
        numbers = count()

        def handle(call: Call) -> Any:
            if which in (call.operation, next(numbers)):
                rule.end()
                rule.happened = True
                with aside():
                    act()
            return call.send()

        rule = self._add(handle)
        return rule

    def before_each(self, operation: str, act: Callable[[], object]) -> Rule:
        """Run `act` before each call of an operation."""

        def handler(call: Call) -> Any:
            with aside():
                act()
            return call.send()

        return self.on(operation, handler)

    def after(self, operation: str, act: Callable[[], object]) -> Rule:
        """Run `act` once, between the next call of an operation and its answer."""

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
        """Let the calls of an operation, or of ANY, raise `error` in place of being sent.

        `when` picks calls by their parameters; `times` says how many calls fail, all unless it is given.
        """
        failures = count()

        def handler(call: Call) -> Any:
            if when(call.params) and (times is None or next(failures) < times):
                raise error
            return call.send()

        return self.on(operation, handler)

    @contextmanager
    def recorded(self) -> Iterator[list[str]]:
        """The operations that are called, in their order."""
        operations: list[str] = []

        def handler(call: Call) -> Any:
            operations.append(call.operation)
            return call.send()

        with self.on(ANY, handler):
            yield operations

    @contextmanager
    def killed(self, at: int, *, before: bool) -> Iterator[Rule]:
        """End the process at its AWS call number `at`, from 0, before the call is sent or after it is answered."""
        numbers = count()

        def handle(call: Call) -> Any:
            if next(numbers) != at:
                return call.send()
            rule.happened = True
            if not before:
                call.send()
            raise Killed

        rule = self._add(handle)
        with suppress(Killed), rule:
            yield rule

    def every_kill(self, given: Callable[[], T], act: Callable[[T], object]) -> Iterator[T]:
        """Do `act` again and again on something newly `given`, killed at each of its calls in turn.

        Ends when it has run through, both with kills before calls and after.
        """
        for before in (True, False):
            for at in count():
                thing = given()
                with self.killed(at, before=before) as kill:
                    act(thing)
                yield thing
                if not kill.happened:
                    break

    def clear(self) -> None:
        """End all rules."""
        self._rules.clear()

    def _add(self, handle: Handler) -> Rule:
        rule = Rule(handle, self._rules)
        self._rules.append(rule)
        return rule

    def _send(self, call: Call) -> Any:
        for rule in tuple(self._rules):  # so that the newest is the outermost
            call = replace(call, make=_by(rule, call.make))
        return call.send()


def _by(rule: Rule, make: Make) -> Make:
    return lambda client, operation, params: rule.handle(Call(client, operation, params, make))
