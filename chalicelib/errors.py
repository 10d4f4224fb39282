"""Errors that a client can meet: each knows its HTTP status, and nothing else decides one."""

from collections.abc import Iterable, Mapping

from chalice.app import ChaliceUnhandledError


class ApiError(ChaliceUnhandledError):
    """An answer other than success: `message` is one clear sentence for the client.

    Chalice lets this base class pass through to the middleware that answers it (edge.py).
    """

    status = 500
    headers: Mapping[str, str] = {}

    @property
    def message(self) -> str:
        """The sentence."""
        return str(self)


class BadInput(ApiError):
    """The request can't be understood, or a field breaks its rule."""

    status = 400


class Unauthorized(ApiError):
    """The caller is not known, and must be."""

    status = 401
    headers = {"WWW-Authenticate": "Bearer"}  # noqa: RUF012


class Forbidden(ApiError):
    """The caller is known, and may not."""

    status = 403


class NotFound(ApiError):
    """No such image, or other `kind` of thing, for this caller."""

    status = 404

    def __init__(self, named: str, kind: str = "image") -> None:
        super().__init__(f"No {kind} {named[:64]!r} is here.")


class UnknownPath(ApiError):
    """No such path."""

    status = 404

    def __init__(self) -> None:
        super().__init__("There is nothing at this path.")


class WrongMethod(ApiError):
    """A method that the path doesn't take (RFC 9110 section 15.5.6)."""

    status = 405

    def __init__(self, method: str, taken: Iterable[str]) -> None:
        allowed = ", ".join(taken)
        self.headers = {"Allow": allowed}
        super().__init__(f"{method} is not allowed on this path, which takes {allowed}.")


class Conflict(ApiError):
    """It contradicts what was asked for before."""

    status = 409


class PreconditionFailed(ApiError):
    """The record is not, or not any more, at a version that the request insists on (RFC 9110 section 13.1.1)."""

    status = 412

    def __init__(self, version: int) -> None:
        super().__init__(f'If-Match names another version; the record is at "{version}".')


class TooLarge(ApiError):
    """Over a limit of size; the sentence names it."""

    status = 413

    def __init__(self, what: str, limit: int, unit: str, setting: str, way_out: str = "") -> None:
        super().__init__(f"{what} has more than {limit} {unit}, which is the limit ({setting}).{way_out}")


class Unsupported(ApiError):
    """Not an image of an accepted type, or not a content type that the route reads."""

    status = 415


class Unavailable(ApiError):
    """A store does not answer in time, or is contended: the same request may succeed later."""

    status = 503
    headers = {"Retry-After": "1"}  # noqa: RUF012


class NotYet(Unavailable):
    """It is being made: nothing is wrong, and the same request will succeed later."""
