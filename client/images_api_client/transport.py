"""Send requests to the service and to its storage: sessions, time-outs, retries, and errors as exceptions."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
)
from tenacity.wait import wait_exponential_jitter

from images_api_client.credentials import Anonymous
from images_api_client.errors import ConnectionFailed, ServiceError, TooManyRequests, Unavailable, of_status

ATTEMPTS = 6  # at one request: with the pauses between them, about half a minute
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0  # without any byte of the answer
_LONGEST_PAUSE_SECONDS = 20.0

# A body is made anew for each attempt, because an attempt reads it. None: the request has no body.
MakeBody = Callable[[], Any]

_backoff = wait_exponential_jitter(initial=0.5, max=_LONGEST_PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a request may take."""

    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS


class Transport:
    """Sends requests. May be used by several threads: each has connections of its own.

    A request is repeated, after growing random pauses, if the connection fails or the answer is 429, 502, 503 or 504.
    Every request of this package is safe to repeat.
    """

    def __init__(self, url: str, auth: AuthBase, *, timeouts: Timeouts | None = None, attempts: int = ATTEMPTS) -> None:
        self.url = url.rstrip("/")
        self._auth = auth
        self._timeouts = timeouts or Timeouts()
        self._attempts = attempts
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
    ) -> dict[str, Any]:
        """Send a request to a path of the service, and return the JSON object of its answer.

        Raises ServiceError, ConnectionFailed.
        """
        answer = self._sent(
            method, f"{self.url}{path}", auth=self._auth, params=params, json=json, body=body, headers=headers
        )
        try:
            document: dict[str, Any] = answer.json()
        except ValueError:
            raise ConnectionFailed(f"{self.url} does not answer like this service: the answer is not JSON.") from None
        return document

    def store(
        self, method: str, url: str, *, body: MakeBody | None = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a request to a presigned URL, without credentials; the answer is a stream of bytes.

        Raises ServiceError, ConnectionFailed. Their texts do not have the URL, which is a secret for its lifetime.
        """
        return self._sent(method, url, auth=Anonymous(), body=body, headers=headers, stream=method == "GET")

    def close(self) -> None:
        """End the pauses of other threads: a request that would be repeated fails instead."""
        self._closed.set()

    def _sent(
        self,
        method: str,
        url: str,
        *,
        auth: AuthBase,
        body: MakeBody | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> requests.Response:
        def attempt() -> requests.Response:
            data = body() if body else None
            content_type = getattr(data, "content_type", None)  # of a requests_toolbelt.MultipartEncoder
            given = {**(headers or {}), **({"Content-Type": content_type} if content_type else {})}
            try:
                answer = self._session().request(
                    method,
                    url,
                    auth=auth,
                    data=data,
                    headers=given,
                    timeout=(self._timeouts.connect_seconds, self._timeouts.read_seconds),
                    **options,
                )
            except requests.RequestException as error:
                raise ConnectionFailed(_sentence(error, _host(url))) from error
            if answer.status_code >= requests.codes.bad_request:
                raise _error(answer)
            return answer

        retrying = Retrying(
            stop=stop_after_attempt(self._attempts) | stop_when_event_set(self._closed),
            wait=_pause,
            retry=retry_if_exception(_is_passing),
            sleep=sleep_using_event(self._closed),
            reraise=True,
        )
        return retrying(attempt)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.headers["User-Agent"] = f"images-api-client/{_version()}"
        session: requests.Session = self._local.session
        return session


def _is_passing(error: BaseException) -> bool:
    """Whether a repeated request may succeed."""
    return isinstance(error, ConnectionFailed | TooManyRequests | Unavailable)


def _pause(state: RetryCallState) -> float:
    """Return the seconds until the next attempt: as the service asks for, or else growing and random."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ServiceError) else None
    return max(_backoff(state), min(asked or 0.0, _LONGEST_PAUSE_SECONDS))


def _error(answer: requests.Response) -> ServiceError:
    headers = answer.headers
    try:
        message = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        message = f"The answer of {_host(answer.url)} is {answer.status_code} {answer.reason}."
    seconds = headers.get("Retry-After", "")
    return of_status(answer.status_code)(
        answer.status_code,
        str(message),
        headers.get("X-Request-Id", ""),
        float(seconds) if seconds.isdecimal() else None,
    )


def _sentence(error: requests.RequestException, host: str) -> str:
    """Return what failed. Messages of requests contain whole URLs, which may be presigned."""
    if isinstance(error, requests.Timeout):
        return f"{host} did not answer in time."
    if isinstance(
        error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema | requests.exceptions.InvalidSchema
    ):
        return "The address of the service is not a URL like https://images.example.com."
    if isinstance(error, requests.exceptions.SSLError):
        return f"The certificate of {host} cannot be verified."
    return f"{host} cannot be reached."


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or "The service"


def _version() -> str:
    try:
        return version("images-api-client")
    except PackageNotFoundError:  # the package is used without being installed
        return "0"
