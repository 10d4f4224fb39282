"""Send requests to the service and to its storage: connections, time-outs, retries, and errors as exceptions."""

import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception, sleep_using_event, stop_after_attempt
from tenacity.wait import wait_random_exponential
from urllib3.exceptions import InvalidHeader, ProtocolError
from urllib3.util import Retry

from images_api_client.credentials import Anonymous
from images_api_client.errors import (
    BadAddress,
    BadRequest,
    ClientClosed,
    ConnectionFailed,
    ServiceError,
    UnexpectedAnswer,
    of_status,
)

ATTEMPTS = 6  # at one request; the pauses between them are up to half a minute in total
CONNECT_SECONDS = 10.0  # also for sending one block of a body
READ_SECONDS = 60.0  # without any byte of the answer

LONGEST_PAUSE_SECONDS = 30.0  # if the service asks for a longer one, the request is not repeated

# Statuses of answers that say "try again". S3 asks clients to repeat a request after a 500, too (S3 API Reference,
# "Error responses", InternalError). A 500 of the service is an error in the service, which a repetition meets again.
_PASSING = frozenset({429, 502, 503, 504})
_PASSING_OF_STORAGE = _PASSING | {500}

# urllib3 reads a body in blocks of 16 KB by default. 50 MB to S3 on the same machine: 0.57 s with these, 0.43 s with
# 64 KB, hardly less with larger ones. On a slow line, a block must be sent within CONNECT_SECONDS.
_BLOCK_BYTES = 64 * 1024

# Connections to one host that are kept open. More threads than that work, too, but open a connection for each request.
_KEPT_CONNECTIONS = 32

# Up to 1, 2, 4, ... seconds, at random, so that clients that failed together do not come back together.
_backoff = wait_random_exponential(multiplier=1, min=0.2, max=LONGEST_PAUSE_SECONDS)


class Body(Protocol):
    """The body of a request, which is read while it is sent: for example a requests_toolbelt.MultipartEncoder.

    If it has a `content_type`, this is the content type of the request.
    """

    @property
    def len(self) -> int:
        """The bytes that are left to read."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""


# A body is made again for each attempt, because an attempt reads it.
MakeBody = Callable[[], Body]

# Gets the bytes of a file that were sent or received; fewer than before when the transfer begins again.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a request may take."""

    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS


class Answer(dict[str, Any]):
    """A JSON object of the service.

    Reading a field that it does not have raises UnexpectedAnswer: then something else answers at the address.
    """

    def __missing__(self, name: str) -> Any:
        raise UnexpectedAnswer(
            f"The answer has no field {name!r}: check that the address is that of an images-api (with CONTRACT=b)."
        )


class Transport:
    """Sends requests. May be used by several threads.

    A request is repeated, after growing random pauses, if the connection fails or the answer is 429, 502, 503 or 504
    (or 500 of S3). The answer's Retry-After is respected. The service may have carried out a request whose answer was
    lost, so callers send only requests that are safe to repeat: GET; POST /images, PUT and DELETE with an
    Idempotency-Key; the PUT of a part and the form of a direct upload, which write the same object again; completing
    an upload. A repeated announcement of a direct upload leaves a record that the service deletes after one day.

    Redirects are not followed, so credentials are sent to no other host. Raises BadAddress: the URL cannot be used.
    """

    def __init__(self, url: str, auth: AuthBase, *, timeouts: Timeouts | None = None, attempts: int = ATTEMPTS) -> None:
        self.url = _checked(url)
        self._auth = auth
        self._timeouts = timeouts or Timeouts()
        self._attempts = attempts
        self._adapter = _Adapter(pool_maxsize=_KEPT_CONNECTIONS)
        self._local = threading.local()
        self._closed = threading.Event()

    def json(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        body: MakeBody | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request to a path of the service, and return the JSON object of its answer.

        Raises ServiceError, ConnectionFailed, UnexpectedAnswer, ClientClosed.
        """
        answer = self._sent(
            method, f"{self.url}{path}", _PASSING, self._auth, params=params, json=json, body=body, headers=headers
        )
        try:
            document = answer.json(object_hook=Answer)
        except ValueError:
            document = None
        if not isinstance(document, Answer):
            raise UnexpectedAnswer(
                f"{_host(self.url)} does not answer with a JSON object: check the address of the service."
            )
        return document

    def pages(self, path: str, params: Mapping[str, Any]) -> Iterator[Answer]:
        """Iterate over the pages of a list of the service. A page may be empty although others follow.

        If the service has smaller pages than `limit`, the pages have its default size. Raises as `json` does.
        """
        cursor: dict[str, str] = {}
        while True:
            try:
                page = self.json("GET", path, params={**params, **cursor})
            except BadRequest as error:
                if "limit" not in params or "MAX_PAGE_SIZE" not in error.message:
                    raise
                params = {name: value for name, value in params.items() if name != "limit"}
                continue
            yield page
            if not page["has_more"]:
                return
            cursor = {"last_evaluated_key": page["last_evaluated_key"]}

    def store(
        self, method: str, url: str, *, body: MakeBody | None = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a request to a presigned URL, without credentials. The answer to a GET is a stream of bytes.

        Raises ServiceError, ConnectionFailed, UnexpectedAnswer, ClientClosed. Their texts do not have the URL, which is
        a secret for its lifetime.
        """
        return self._sent(
            method, url, _PASSING_OF_STORAGE, Anonymous(), body=body, headers=headers, stream=method == "GET"
        )

    def pause(self, seconds: float) -> None:
        """Wait. Raises ClientClosed: another thread closes the client meanwhile."""
        if self._closed.wait(seconds):
            raise ClientClosed("The client is closed.")

    def close(self) -> None:
        """End pauses and the sending of bodies in other threads with ClientClosed, and close idle connections."""
        self._closed.set()
        self._adapter.close()

    def _sent(
        self,
        method: str,
        url: str,
        passing: Collection[int],
        auth: AuthBase,
        *,
        body: MakeBody | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> requests.Response:
        def attempt() -> requests.Response:
            self.pause(0)
            sent = _SentBody(body(), self._closed) if body else None
            try:
                answer = self._session().request(
                    method,
                    url,
                    auth=auth,
                    data=sent,
                    headers={**(headers or {}), **(sent.headers if sent else {})},
                    timeout=(self._timeouts.connect_seconds, self._timeouts.read_seconds),
                    allow_redirects=False,
                    **options,
                )
            except requests.RequestException:
                if sent and sent.error:
                    raise sent.error from None
                raise
            if answer.is_redirect:
                answer.close()
                raise UnexpectedAnswer(_redirected(answer))
            if answer.status_code >= requests.codes.bad_request:
                raise _error(answer)
            return answer

        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=_pause,
            retry=retry_if_exception(lambda error: _may_pass(error, passing)),
            sleep=sleep_using_event(self._closed),
            reraise=True,
        )
        try:
            return retrying(attempt)
        except requests.RequestException as error:
            # `from None`: messages of requests contain whole URLs, which may be presigned.
            raise ConnectionFailed(_sentence(error, _host(url))) from None

    def _session(self) -> requests.Session:
        """Return the session of this thread. Sessions are not made for several threads, but connection pools are."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.headers["User-Agent"] = f"images-api-client/{_version()}"
            session.mount("http://", self._adapter)
            session.mount("https://", self._adapter)
        return session


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, blocksize=_BLOCK_BYTES, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, blocksize=_BLOCK_BYTES, **options)


class _SentBody:
    """A body while it is sent, which ends when the client is closed.

    An OSError of a file is kept in `error`, because urllib3 takes it for one of the connection.
    """

    def __init__(self, body: Body, closed: threading.Event) -> None:
        self._body = body
        self._closed = closed
        self.len = body.len
        content_type = getattr(body, "content_type", None)
        self.headers = {"Content-Type": content_type} if content_type else {}
        self.error: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        if self._closed.is_set():
            raise ClientClosed("The client is closed.")
        try:
            return self._body.read(size)
        except OSError as error:
            self.error = error
            raise


def _checked(url: str) -> str:
    """Return the address of a service without a slash at its end. Raises BadAddress."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.query or parts.fragment:
        raise BadAddress(
            "The address of the service must be a URL like https://images.example.com, without a user name, a query or "
            "a fragment."
        )
    return url.strip().rstrip("/")


def _may_pass(error: BaseException, passing: Collection[int]) -> bool:
    """Whether a repeated request may succeed."""
    if isinstance(error, ServiceError):
        return error.status in passing and (error.retry_after or 0) <= LONGEST_PAUSE_SECONDS
    # Those that are a ValueError, too, are about the request itself: a URL, a header of another AuthBase.
    is_of_connection = isinstance(error, requests.RequestException) and not isinstance(error, ValueError)
    return is_of_connection and not _is_untrusted(error)


def _is_untrusted(error: BaseException) -> bool:
    return isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _pause(state: RetryCallState) -> float:
    """Return the seconds until the next attempt: a growing and random time, after what the service asks for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ServiceError) else None
    return _backoff(state) + (asked or 0)


def _error(answer: requests.Response) -> ServiceError:
    headers = answer.headers
    try:
        seconds = Retry().parse_retry_after(headers["Retry-After"]) if "Retry-After" in headers else None
    except InvalidHeader:
        seconds = None
    return of_status(answer.status_code)(answer.status_code, _message(answer), headers.get("X-Request-Id", ""), seconds)


def _message(answer: requests.Response) -> str:
    """Return the sentence of an error: of the service, of API Gateway ("message") or of S3 (XML)."""
    refused = f"{_host(answer.url)} answers {answer.status_code} {answer.reason}"
    try:
        document = answer.json()
    except ValueError:
        document = None
    if isinstance(document, dict) and (text := document.get("error") or document.get("message")):
        return str(text)
    found = re.search("<Message>([^<]+)</Message>", answer.text)
    return f"{refused}: {found[1]}" if found else f"{refused}."


def _redirected(answer: requests.Response) -> str:
    target = urlsplit(answer.headers["Location"])
    host = target.netloc.rpartition("@")[2]
    where = f"{target.scheme}://{host}" if host else "another path"
    return (
        f"{_host(answer.url)} redirects to {where}, and redirects are not followed: check the address of the service."
    )


def _sentence(error: requests.RequestException, host: str) -> str:
    """Return what failed."""
    if isinstance(error, requests.Timeout):
        return f"{host} did not answer in time."
    if _is_untrusted(error):
        return f"The certificate of {host} cannot be verified."
    if isinstance(error, requests.exceptions.SSLError):
        return f"{host} does not answer with HTTPS: check whether the address of the service begins with http://."
    if isinstance(error, requests.exceptions.ProxyError | requests.exceptions.InvalidProxyURL):
        return f"The proxy on the way to {host} cannot be reached: check the variables HTTP_PROXY and HTTPS_PROXY."
    if error.args and isinstance(error.args[0], ProtocolError):
        return f"{host} closed the connection before its answer was complete."
    return f"{host} cannot be reached."


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _version() -> str:
    try:
        return version("images-api-client")
    except PackageNotFoundError:  # the package is used without being installed
        return "0"
