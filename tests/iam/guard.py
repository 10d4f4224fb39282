"""Refuse each AWS call and each signed URL that the permissions of the running handler do not allow."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import replace
from functools import partial, wraps
from typing import Any

import pytest
from botocore.auth import HmacV1PostAuth, HmacV1QueryAuth, S3SigV4PostAuth, SigV4QueryAuth
from chalice.app import Chalice, EventSourceHandler

from chalicelib.permissions import Permission, Policy, StageLocation, allowing, declared, policy
from chalicelib.stores import presign
from tests.aws_calls import Call, intercepted
from tests.iam.accesses import Access, UnknownOperation, allows, covers, of_call, of_form, of_url

TEST = ""  # the test itself, which may do anything
NO_HANDLER = "the app, outside of any handler"
NO_CONTEXT = "a thread that doesn't say which handler it works for"

# The running handlers, the innermost last: a Lambda function that calls the app runs until the route's handler ends.
_running: ContextVar[tuple[str, ...]] = ContextVar("running", default=(NO_CONTEXT,))


class Refused(BaseException):
    """A handler made a call that its permissions do not allow.

    Not an Exception, so that the app's error handling does not catch it and the test fails at the call.
    """


@contextmanager
def aside() -> Iterator[None]:
    """Check no calls in the block. A test uses it for its own calls while a handler runs, for example in a stub."""
    token = _running.set((TEST,))
    try:
        yield
    finally:
        _running.reset(token)


class Guard:
    """Checks the calls of each handler of an app against its permissions, and records which permissions are used."""

    def __init__(self, app: Chalice, location: StageLocation) -> None:
        self._app = app
        self._location = location
        self._needs: dict[str, tuple[Permission, ...]] = {NO_HANDLER: (), NO_CONTEXT: ()}
        # Two policies must allow each call: that of the handler's permissions, and the deployed one of its function.
        nothing = [allowing((), location)]
        self._policies: dict[str, list[Policy]] = {NO_HANDLER: nothing, NO_CONTEXT: nothing}
        for function, handlers in declared(app).items():
            for handler, permissions in handlers.items():
                self._needs[handler] = permissions
                self._policies[handler] = [allowing(permissions, location), policy(app, function, location)]
        self._used: set[tuple[str, Permission]] = set()
        self._refusals: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every handler, client and signer in the process. Calls of the test itself are not checked.

        Raises Refused from a call that is not allowed. The test also fails at the end, in case the app caught Refused.
        """
        self._refusals.clear()
        with aside(), intercepted(self._check_call), pytest.MonkeyPatch.context() as patch:
            self._watch_handlers(patch)
            self._watch_threads(patch)
            self._watch_signers(patch)
            yield
        if self._refusals:
            pytest.fail("\n".join(self._refusals), pytrace=False)

    def unused(self) -> list[str]:
        """Return the declared permissions that were not used so far: one line for each handler and permission."""
        return [
            f"{handler}: {permission}"
            for handler, permissions in self._needs.items()
            for permission in permissions
            if (handler, permission) not in self._used and not permission.by_lambda
        ]

    def _watch_handlers(self, patch: pytest.MonkeyPatch) -> None:
        for methods in self._app.routes.values():
            for route in methods.values():
                patch.setattr(route, "view_function", _as_handler(route.view_name, route.view_function))

        # The entry points of Lambda functions, so that middleware is watched too.
        events = {id(handler): name for name, handler in self._app.handler_map.items()}
        enter_event = EventSourceHandler.__call__
        enter_api = type(self._app).__call__

        def event(handler: EventSourceHandler, *args: Any) -> Any:
            return _run((events.get(id(handler), NO_HANDLER),), enter_event, handler, *args)

        def api(app: Chalice, *args: Any) -> Any:
            running = _running.get() if _handlers() else (NO_HANDLER,)
            return _run(running, enter_api, app, *args)

        patch.setattr(EventSourceHandler, "__call__", event)
        patch.setattr(type(self._app), "__call__", api)

    def _watch_threads(self, patch: pytest.MonkeyPatch) -> None:
        submit = ThreadPoolExecutor.submit

        def submit_in_context(pool: ThreadPoolExecutor, /, *args: Any, **kwargs: Any) -> Future[Any]:
            return submit(pool, copy_context().run, *args, **kwargs)

        patch.setattr(ThreadPoolExecutor, "submit", submit_in_context)

    def _watch_signers(self, patch: pytest.MonkeyPatch) -> None:
        # By default, boto3 signs S3 URLs with signature version 2.
        for url_signer in SigV4QueryAuth, HmacV1QueryAuth:
            self._watch_signer(patch, url_signer, self._of_url)
        for form_signer in S3SigV4PostAuth, HmacV1PostAuth:
            self._watch_signer(patch, form_signer, self._of_form)

        sign = presign.presigned_url

        def checked_sign(method: str, url: str, query: Any, *args: Any) -> str:
            self._check(lambda: of_url(self._location, method, url, query))
            return sign(method, url, query, *args)

        patch.setattr(presign, "presigned_url", checked_sign)

    def _check_call(self, call: Call) -> Any:
        location = replace(self._location, region=call.client.meta.region_name)
        self._check(
            partial(of_call, location, call.client.meta.service_model.service_name, call.operation, call.params)
        )
        return call.send()

    def _watch_signer(self, patch: pytest.MonkeyPatch, kind: Any, accesses: Callable[[Any], list[Access]]) -> None:
        sign = kind.add_auth

        def checked_sign(signer: Any, request: Any) -> None:
            self._check(partial(accesses, request))
            sign(signer, request)

        patch.setattr(kind, "add_auth", checked_sign)

    def _of_url(self, request: Any) -> list[Access]:
        return of_url(self._location, request.method, request.url, [*request.headers, *request.params])

    def _of_form(self, request: Any) -> list[Access]:
        return of_form(self._location, request.url, request.context["s3-presign-post-policy"]["conditions"])

    def _check(self, accesses: Callable[[], list[Access]]) -> None:
        running = _running.get()
        if running == (TEST,):
            return
        try:
            for access in accesses():
                for handler in running:
                    self._check_access(handler, access)
        except UnknownOperation as unknown:
            self._refuse(f"{running[-1]}: tests/iam/accesses.py doesn't know what AWS checks for {unknown}.")

    def _check_access(self, handler: str, access: Access) -> None:
        if not all(allows(policy, access) for policy in self._policies[handler]):
            self._refuse(f"{handler} may not {access}.")
        self._used.update(
            (handler, permission)
            for permission in self._needs[handler]
            if permission.action == access.action and covers(permission.resource.at(self._location), access.arn)
        )

    def _refuse(self, reason: str) -> None:
        self._refusals.append(reason)
        raise Refused(reason)


def _handlers() -> tuple[str, ...]:
    return tuple(name for name in _running.get() if name not in (TEST, NO_HANDLER, NO_CONTEXT))


def _as_handler(handler: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def handling(*args: Any, **kwargs: Any) -> Any:
        return _run((*_handlers(), handler), function, *args, **kwargs)

    return handling


def _run(running: tuple[str, ...], function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = _running.set(running)
    try:
        return function(*args, **kwargs)
    finally:
        _running.reset(token)
