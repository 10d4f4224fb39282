"""The client of the measurement: the same requests to each service, from one client and from several at once."""

import json
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import urllib3

from project import CannotRun

CLIENTS = 8  # at once, when requests per second are measured
OWNER = "bench"  # of all uploads

_WINDOWS = 3  # the median of their rates counts
_LEAST = 3  # requests of one client, however slow they are
_WARM_UP_SECONDS = 0.3
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Client:
    """Sends requests to a service, and keeps connections open if the service does."""

    url: str
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(maxsize=CLIENTS, timeout=_TIMEOUT_SECONDS, retries=False)
    )

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        """Send a GET. Raises CannotRun: the response is an error."""
        return _checked(self.pool.request("GET", self.url + path))

    def upload(self, photograph: bytes) -> urllib3.BaseHTTPResponse:
        """Upload a photograph in a form. Raises CannotRun: the response is an error."""
        form: dict[str, str | tuple[str, bytes, str]] = {
            "user_id": OWNER,
            "title": "Evening beside the sea",
            "tags": "evening,sea,red",
            "file": ("IMG_0001_sea.jpg", photograph, "image/jpeg"),
        }
        return _checked(self.pool.request("POST", f"{self.url}/images", fields=form))

    def picture(self, path: str) -> bytes:
        """Return a picture, after waiting for it and following redirects. Raises CannotRun: it is not a WebP."""
        answer = self.get(path)
        while answer.status == 202:  # this service, while it processes the image
            answer = self.get(path)
        if location := answer.get_redirect_location():
            answer = _checked(self.pool.request("GET", location))
        if answer.headers["Content-Type"] != "image/webp":
            raise CannotRun(f"{path} is not a WebP: {answer.headers['Content-Type']}")
        return answer.data

    def settle(self) -> None:
        """Wait until no upload is being processed in the background."""
        while any(image.get("state") == "processing" for image in self._newest()):
            time.sleep(0.5)

    def _newest(self) -> Iterable[dict[str, Any]]:
        images: list[dict[str, Any]] = self.get(f"/images?user_id={OWNER}&limit=100&include=analysis").json()["images"]
        return images


def _checked(answer: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse:
    if answer.status >= 400:
        raise CannotRun(f"{answer.url}: {answer.status} {answer.data[:500]!r}")
    return answer


def image_id(answer: urllib3.BaseHTTPResponse) -> str:
    """Return the id that an upload got."""
    found: str = json.loads(answer.data)["image_id"]
    return found


def milliseconds(work: Callable[[], object], seconds: float) -> float:
    """Return the median of the time that one client waits, in so many seconds of requests."""
    times: list[float] = []
    while len(times) < _LEAST or sum(times) < seconds:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1_000


def per_second(work: Callable[[], object], seconds: float) -> float:
    """Return how often CLIENTS do the work in a second. Slow work is done once by each."""
    rates: list[float] = []
    started = time.perf_counter()
    while not rates or (len(rates) < _WINDOWS and time.perf_counter() - started < seconds):
        rates.append(_rate(work, seconds / _WINDOWS))
    return statistics.median(rates)


def warm_up(work: Callable[[], object]) -> None:
    """Let each process of a service do the work, unmeasured."""
    _rate(work, _WARM_UP_SECONDS)


def _rate(work: Callable[[], object], seconds: float) -> float:
    started = time.perf_counter()

    def repeated() -> int:
        done = 0
        while True:
            work()
            done += 1
            if time.perf_counter() - started >= seconds:
                return done

    with ThreadPoolExecutor(CLIENTS) as pool:
        done = sum(future.result() for future in [pool.submit(repeated) for _ in range(CLIENTS)])
    return done / (time.perf_counter() - started)
