"""What can go wrong, as exceptions. The text of each is one sentence for a person."""

from collections.abc import Mapping


class ImagesError(Exception):
    """The base of every error of this package."""


class BadAddress(ImagesError, ValueError):
    """The address of the service is not a URL that the client can use."""


class BadCredentials(ImagesError, ValueError):
    """The bearer token or the user name has characters that a header cannot have, or is empty."""


class ClientClosed(ImagesError):
    """The client was closed: it sends nothing more."""


class ConnectionFailed(ImagesError):
    """The service, or the storage that it names, cannot be reached or did not answer in time, also after retries."""


class UnexpectedAnswer(ImagesError):
    """What answers at the address is not this service, or not a version that the client understands."""


class UserRequired(ImagesError):
    """It is not known for which user the client acts, or the token is that of another user."""


class Stopped(ImagesError):
    """A run of many uploads or downloads ended early, because nothing can be sent or fetched any more."""


class Unaccepted(ImagesError):
    """A file is not an image of an accepted type, as its first bytes say. Nothing was sent."""


class FileChanged(ImagesError):
    """A file was changed while it was uploaded. The service keeps nothing of it."""


class DamagedUpload(ImagesError):
    """The service stored other bytes than were sent, as its checksum says."""


class Rejected(ImagesError):
    """The service examined a file that was sent directly to S3, and rejected it. The text is the reason."""


class DamagedDownload(ImagesError):
    """The bytes of a download do not have the checksum of the image."""


class NoPicture(ImagesError):
    """The service has no file of an image for this caller, or not yet."""


class OtherContent(ImagesError):
    """A folder has another file in the place of the file of an image. It is never replaced."""


class NoExport(ImagesError):
    """A folder is not an export that can be used. The text says what to do."""


class ImportsRefused(ImagesError):
    """The service accepts no imports of this caller."""


class InUse(ImagesError):
    """Another run uses the same folder or journal."""


class JournalUnusable(ImagesError):
    """What a run notes on disk cannot be read or written."""


class ServiceError(ImagesError):
    """The service, or its storage, answered with an error status. The text is the service's own sentence."""

    def __init__(self, status: int, message: str, request_id: str = "", retry_after: float | None = None) -> None:
        super().__init__(status, message, request_id, retry_after)  # all of them, so that the error can be pickled
        self.status = status
        self.message = message
        self.request_id = request_id  # the header X-Request-Id, which the service's log has too; may be empty
        self.retry_after = retry_after  # seconds, from the header Retry-After

    def __str__(self) -> str:
        return self.message


class BadRequest(ServiceError):
    """400: a field or a parameter is invalid."""


class Unauthorized(ServiceError):
    """401: the request needs a token, or the token is not valid."""


class Forbidden(ServiceError):
    """403: the caller does not have the right."""


class NotFound(ServiceError):
    """404: for this caller, there is no such image."""


class Conflict(ServiceError):
    """409: the request contradicts the state of the image, or an earlier request."""


class Gone(ServiceError):
    """410: the same request stored an image before, which was deleted since."""


class PreconditionFailed(ServiceError):
    """412: the image has another version than the change requires."""


class TooLarge(ServiceError):
    """413: the request exceeds a limit."""


class UnsupportedType(ServiceError):
    """415: the file is not an image of an accepted type."""


class TooManyRequests(ServiceError):
    """429: the service limits the rate of requests."""


class Unavailable(ServiceError):
    """502, 503 or 504: the service cannot answer at the moment."""


_BY_STATUS: Mapping[int, type[ServiceError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: PreconditionFailed,
    413: TooLarge,
    415: UnsupportedType,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def of_status(status: int) -> type[ServiceError]:
    """Return the class of an answer's error status (400 or more)."""
    return _BY_STATUS.get(status, ServiceError)
