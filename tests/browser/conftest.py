"""A browser, and a service to look at. A page must write no error to the console and contact no other host."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from dev.stack import Stack, running
from project.browser import chromium, launched
from tests.http.client import Service, User

# Small pictures go to S3 directly, and those of more than one part in parts. S3 requires parts of 5 MiB.
PART_BYTES = 5 * 1024 * 1024
LIMITS = {
    "MAX_FORM_IMAGE_BYTES": "1000000",
    "MULTIPART_THRESHOLD_BYTES": str(PART_BYTES),
    "PART_BYTES": str(PART_BYTES),
}

WAIT_MS = 30_000  # the longest that a test waits for something to appear, on a slow machine
expect.set_options(timeout=WAIT_MS)


@dataclass
class Witness:
    """What a page did that a user does not see."""

    errors: list[str] = field(default_factory=list)  # on the console, and uncaught
    requests: list[Request] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Note what the page does from now on."""
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def api_requests(self) -> list[Request]:
        """Return the requests to the API, without those for pages and their parts."""
        return [each for each in self.requests if each.resource_type in ("fetch", "xhr")]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(Path(tmp_path_factory.mktemp("stack")) / "data", environment=LIMITS) as stack:
        yield stack


@pytest.fixture(scope="session")
def service(stack: Stack) -> Service:
    return Service(stack.url)


@pytest.fixture
def alice(service: Service) -> Iterator[User]:
    """Create a user that no other test has. Her images are deleted after the test."""
    user = User(service, f"alice-{uuid.uuid4()}")
    yield user
    user.delete_all()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("There is no Chromium on this machine: install the package chromium to test the pages.")
    with launched() as browser:
        yield browser


@pytest.fixture
def address(service: Service) -> str:
    """Return the address of the service that the browser visits."""
    return service.url


@pytest.fixture
def context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=address, locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def page(context: BrowserContext, witness: Witness) -> Iterator[Page]:
    """Open a tab. After the test: it has written no error to the console, and contacted no other host."""
    page = context.new_page()
    witness.watch(page)
    yield page
    assert witness.errors == []
    hosts = {urlsplit(each.url).hostname for each in witness.requests}
    assert hosts <= {"127.0.0.1", "localhost", None, ""}, hosts  # None: data: and blob: URLs
