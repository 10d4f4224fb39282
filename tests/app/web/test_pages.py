"""The pages and what they load, as an HTTP client sees them."""

import re
from collections.abc import Callable
from urllib.parse import urljoin

import pytest
from chalice.test import HTTPResponse

from chalicelib.config import settings
from tests.app.conftest import Api
from tests.app.web.test_caching import with_headers

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PAGES = ["/", "/docs"]


def page(api: Api, path: str = "/") -> HTTPResponse:
    return with_headers(api, Accept=BROWSER).get(path)


def parts(answer: HTTPResponse) -> list[str]:
    """Return the paths of the files that a page names."""
    return ["/" + name for name in re.findall(r'(?:src|href)="(assets/[^"]*)"', answer.body.decode())]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (BROWSER, "text/html; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("text/html;q=0, application/json", "application/json"),
        ("text/*", "application/json"),
        ("*/*", "application/json"),
        ("", "application/json"),
    ],
)
def test_only_a_client_that_prefers_html_gets_the_gallery(api: Api, accept: str, kind: str) -> None:
    answer = with_headers(api, Accept=accept).get("/")
    assert (answer.status_code, answer.headers["Content-Type"], answer.headers["Vary"].split(", ")[0]) == (
        200,
        kind,
        "Accept",
    )


@pytest.mark.parametrize(
    ("contract", "kind"), [("a", "text/html"), ("c", "text/html"), ("d", "application/json"), ("e", "application/json")]
)
def test_a_contract_whose_lists_the_gallery_cannot_read_has_none(
    api: Api, configured: Callable[..., None], contract: str, kind: str
) -> None:
    configured(CONTRACT=contract)
    assert page(api).headers["Content-Type"].split(";")[0] == kind


def test_the_reference_needs_no_accept_header(api: Api) -> None:
    for accept in (BROWSER, "application/json", "*/*", ""):
        answer = with_headers(api, Accept=accept).get("/docs")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "Accept" not in answer.headers.get("Vary", "")


def test_the_gallery_names_every_script_that_its_scripts_import_at_once(api: Api) -> None:
    named = {path for path in parts(page(api)) if path.endswith(".js")}
    for path in named:
        imported = re.findall(r'^(?:import|export|\}).*\bfrom "\./(.+)"$', api.get(path).body.decode(), re.MULTILINE)
        assert {urljoin(path, name) for name in imported} <= named
    assert {"gallery.js", "grid.js"} < {path.rpartition("/")[2] for path in named}
    assert "oidc.js" not in str(named)  # read when somebody signs in


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_asked_for_again_and_not_sent_again(api: Api, path: str) -> None:
    first = page(api, path)
    assert first.headers["Cache-Control"] == "no-cache"
    again = page(with_headers(api, If_None_Match=first.headers["ETag"]), path)
    assert (again.status_code, again.body) == (304, b"")
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_allows_nothing_inline_no_eval_and_no_other_host(api: Api, path: str) -> None:
    answer = page(api, path)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert not re.search(rb"<script(?![^>]*src=)|<style| style=| on\w+=|\{\{", answer.body)
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_page_reaches_the_buckets_of_the_service_alone(api: Api) -> None:
    """S3's host has the buckets of all its customers."""
    policy = page(api).headers["Content-Security-Policy"]
    allowed = {name: sources for name, *sources in (directive.split() for directive in policy.split("; "))}
    s3 = settings().presigned_endpoint_url
    buckets = [f"{s3}/images-{each}" for each in ("originals/", "derived/", "staged/", "staged")]
    assert allowed["img-src"] == ["'self'", "data:", "blob:", *buckets]
    assert allowed["connect-src"] == ["'self'", *buckets]
    assert allowed["form-action"] == ["'self'"]


@pytest.mark.parametrize("path", PAGES)
def test_what_a_page_loads_is_there_and_may_be_kept_for_a_year(api: Api, path: str) -> None:
    loaded = parts(page(api, path))
    assert len(loaded) >= 4
    for part in loaded:
        answer = api.get(part)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        assert answer.headers["Content-Type"] in {
            "text/css; charset=utf-8",
            "text/javascript; charset=utf-8",
            "image/svg+xml; charset=utf-8",
            "text/plain; charset=utf-8",
        }
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
def test_every_module_that_a_page_imports_is_there(api: Api, path: str) -> None:
    found, known = parts(page(api, path)), set[str]()
    while found:
        part = found.pop()
        known.add(part)
        answer = api.get(part)
        assert answer.status_code == 200, part
        if part.endswith(".js"):
            named = re.findall(r"""(?:from|import)\s*\(?\s*["'](\./[\w.-]+\.js)["']""", answer.body.decode())
            found += {urljoin(part, name) for name in named} - known


@pytest.mark.parametrize("path", PAGES)
def test_head_has_the_headers_of_a_page(api: Api, path: str) -> None:
    full, head = page(api, path), with_headers(api, Accept=BROWSER).call("HEAD", path)
    assert (head.status_code, head.body) == (200, b"")
    assert {**full.headers, "Content-Length": str(len(full.body))} == {
        **head.headers,
        "X-Request-Id": full.headers["X-Request-Id"],
    }


def test_a_file_of_another_release_must_not_be_kept(api: Api) -> None:
    # A page from before a deployment, whose parts come from after it.
    answer = api.get("/assets/older/gallery.js")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "gallery.html",
        "docs.html",
        "vendor",
        "vendored.json",
        "pages.py",
        "vendor%2Fthumbhash.js",
        "..%2Fpages.py",
        "%2E%2E%2Fopenapi.yaml",
        "..",
        "gallery.js%00",
        "Gallery.js",
    ],
)
def test_only_the_files_that_pages_load_are_there(api: Api, name: str) -> None:
    assert api.get(f"/assets/x/{name}").status_code == 404
