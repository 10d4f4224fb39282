"""Errors that a client can receive. Each class states its HTTP status; no other code decides a status."""

from collections.abc import Iterable, Mapping

from chalice.app import ChaliceUnhandledError


class ApiError(ChaliceUnhandledError):
    """An answer other than success. Its message is one clear sentence for the client.

    Chalice passes this base class through to the middleware in web/app.py, which answers it.
    """

    status = 500
    headers: Mapping[str, str] = {}

    @property
    def message(self) -> str:
        """The sentence for the client."""
        return str(self)


class BadInput(ApiError):
    """The request cannot be parsed, or a field is invalid."""

    status = 400


class Unauthorized(ApiError):
    """The request needs a known caller and has none."""

    status = 401
    headers = {"WWW-Authenticate": "Bearer"}  # noqa: RUF012


class Forbidden(ApiError):
    """The caller is known and does not have the right."""

    status = 403


class NotFound(ApiError):
    """For this caller there is no image, or other `kind` of thing, with this id."""

    status = 404

    def __init__(self, given_id: str, kind: str = "image") -> None:
        super().__init__(f"The {kind} {given_id[:64]!r} was not found.")


class UnknownPath(ApiError):
    """No route has this path."""

    status = 404

    def __init__(self) -> None:
        super().__init__("No route matches this path.")


class WrongMethod(ApiError):
    """The path does not allow this method (RFC 9110 section 15.5.6)."""

    status = 405

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        methods = ", ".join(allowed)
        self.headers = {"Allow": methods}
        super().__init__(f"{method} is not allowed on this path, which allows {methods}.")


class Conflict(ApiError):
    """The request contradicts the state of the image, or an earlier request."""

    status = 409


class Gone(ApiError):
    """The request succeeded before, and what it created has been deleted since (RFC 9110 section 15.5.11)."""

    status = 410


class PreconditionFailed(ApiError):
    """The record is at another version than the request requires (RFC 9110 section 13.1.1)."""

    status = 412

    def __init__(self, version: int) -> None:
        super().__init__(f'If-Match names another version; the record is at "{version}".')


class TooLarge(ApiError):
    """The request exceeds a limit. The message names the limit's setting and, if given, what the client can do."""

    status = 413

    def __init__(self, subject: str, limit: int, unit: str, setting: str, advice: str = "") -> None:
        super().__init__(f"{subject} has more than {limit} {unit}, which is the limit ({setting}).{advice}")


class Unsupported(ApiError):
    """The file is not an image of an accepted type, or the route does not read the body's content type."""

    status = 415


class Unavailable(ApiError):
    """A store does not answer in time, or too many requests write the same data. A retry may succeed."""

    status = 503
    headers = {"Retry-After": "1"}  # noqa: RUF012
