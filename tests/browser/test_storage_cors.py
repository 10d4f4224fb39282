"""Scripts of web pages send files to S3 and read them, by the forms and URLs that the service signs.

S3 has another port than the service, so it has another origin than every page, also than the service's own pages.
"""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from playwright.sync_api import BrowserContext, Page

from dev.stack import Stack
from tests.browser.conftest import PART_BYTES
from tests.pictures import picture

# Two parts, the last of one byte.
MANY_BYTES = PART_BYTES + 1

POST = """async ({url, fields, bytes}) => {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append("file", new Blob([new Uint8Array(bytes)]))
  const answer = await fetch(url, {method: "POST", body: form})
  return {status: answer.status, etag: answer.headers.get("ETag")}
}"""
PUT = """async url => {
  const answer = await fetch(url, {method: "PUT", body: "x"})
  return {status: answer.status, etag: answer.headers.get("ETag")}
}"""
GET = """async url => {
  const answer = await fetch(url)
  return {status: answer.status, bytes: [...new Uint8Array(await answer.arrayBuffer())]}
}"""
READ = "async url => await (await fetch(url)).text()"


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Open a tab that may write errors to the console, and contact another name of this machine."""
    return context.new_page()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Serve an empty page at another port, and return its URL."""

    class EmptyPage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(params=["of the service", "of the service at another name", "of another site"])
def script(request: pytest.FixtureRequest, page: Page, stack: Stack, elsewhere: str) -> Page:
    """Return a page at one of three origins, whose scripts use S3."""
    own = f"{stack.url}/health"
    urls = {
        "of the service": own,
        "of the service at another name": own.replace("127.0.0.1", "localhost"),
        "of another site": elsewhere,
    }
    page.goto(urls[request.param])
    return page


def announced(stack: Stack, size: int) -> Any:
    body = {"user_id": "page", "filename": "photo.png", "content_type": "image/png", "size": size}
    answer = requests.post(f"{stack.url}/images/direct-upload", json=body, timeout=60)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_page_sends_a_file_by_a_presigned_form(script: Page, stack: Stack) -> None:
    content = picture()
    upload = announced(stack, len(content))
    sent = script.evaluate(POST, {"url": upload["url"], "fields": upload["fields"], "bytes": list(content)})
    assert sent == {"status": 204, "etag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'}


def test_a_page_sends_a_part_and_reads_its_etag(script: Page, stack: Stack) -> None:
    upload = announced(stack, MANY_BYTES)
    sent = script.evaluate(PUT, upload["parts"][-1]["url"])
    assert sent == {"status": 200, "etag": f'"{hashlib.md5(b"x", usedforsecurity=False).hexdigest()}"'}
    requests.post(f"{stack.url}/images/{upload['image_id']}/abort", timeout=60).raise_for_status()


def test_a_page_reads_a_file_by_a_presigned_url_and_why_s3_refuses_another(script: Page, stack: Stack) -> None:
    content = picture()
    uploaded = requests.post(
        f"{stack.url}/images", data={"user_id": "page"}, files={"file": ("photo.png", content)}, timeout=60
    ).json()
    view = requests.get(f"{stack.url}/images/{uploaded['image_id']}", timeout=60).json()
    assert script.evaluate(GET, view["presigned_url"]) == {"status": 200, "bytes": list(content)}
    assert "Sign the request with Signature Version 4" in script.evaluate(READ, view["presigned_url"].partition("?")[0])
