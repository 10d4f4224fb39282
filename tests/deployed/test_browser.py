"""A page of another origin uploads by a presigned form and reads presigned URLs, in a real browser."""

import html
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from project.browser import chromium
from tests.pictures import picture

CHROMIUM = chromium()
# For a browser that may run as root in a container and contacts only this machine.
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
OPTIONS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

PAGE = """<!doctype html><meta charset="utf-8"><pre id="seen"></pre><script>
const api = %s
async function json(path, options) {
  const answer = await fetch(api + path, options)
  return {status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.json()}
}
async function main() {
  const photo = await (await fetch("photo.png")).blob()
  const headers = {"Content-Type": "application/json"}
  const announced = await json("/images/direct-upload", {method: "POST", headers, body: JSON.stringify(
    {user_id: "page", title: "From a page", filename: "photo.png", content_type: "image/png", size: photo.size})})
  const form = new FormData()
  for (const [name, value] of Object.entries(announced.body.fields)) form.append(name, value)
  form.append("file", photo)
  const sent = await fetch(announced.body.url, {method: "POST", body: form})
  const path = "/images/" + announced.body.image_id
  let view = await json(path)
  while (["awaiting_upload", "processing"].includes(view.body.state)) {
    await new Promise(resolve => setTimeout(resolve, 500))
    view = await json(path)
  }
  const original = await (await fetch(view.body.presigned_url)).blob()
  const missing = await json("/nothing/here")
  const patched = await json(path, {method: "PUT", headers: {...headers, "If-Match": view.headers.etag},
                                    body: JSON.stringify({title: "Changed"})})
  return {announced: announced.status, sent: sent.status, etag: sent.headers.has("ETag"), state: view.body.state,
          same: original.size === photo.size, missing: missing.status, title: patched.body.metadata.title}
}
main().catch(error => ({error: String(error)})).then(seen => {
  document.getElementById("seen").textContent = JSON.stringify(seen)
})
</script>"""


@pytest.fixture
def folder(tmp_path: Path, address: str) -> Path:
    """Return the folder that the page's own server serves."""
    (tmp_path / "index.html").write_text(PAGE % json.dumps(address))
    (tmp_path / "photo.png").write_bytes(picture("PNG", width=300, height=200))
    return tmp_path


@pytest.fixture
def serve(folder: Path) -> Iterator[Any]:
    """Return a function that serves the folder at a port of this machine, and returns the origin."""
    servers: list[ThreadingHTTPServer] = []

    def start(port: int) -> str:
        servers.append(ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(folder))))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://localhost:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def result_in_browser(url: str, profile: Path) -> Any:
    if CHROMIUM is None:
        pytest.skip("There is no Chromium on this machine.")
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", "--virtual-time-budget=60000", "--dump-dom", url]
    document = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    (text,) = re.findall(r'<pre id="seen">(.*?)</pre>', document, re.DOTALL)
    return json.loads(html.unescape(text))


def test_a_page_of_a_configured_origin_can_upload_view_and_update(serve: Any, tmp_path: Path) -> None:
    assert result_in_browser(serve(5173), tmp_path / "profile") == {
        "announced": 201,
        "sent": 204,
        "etag": True,
        "state": "ready",
        "same": True,
        "missing": 404,
        "title": "Changed",
    }


def test_a_page_of_another_origin_can_read_nothing(serve: Any, tmp_path: Path) -> None:
    assert result_in_browser(serve(0), tmp_path / "profile") == {"error": "TypeError: Failed to fetch"}
