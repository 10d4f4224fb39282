"""The pages that the service serves itself: the gallery, the API reference, and what a browser loads for them.

`static` has them as a browser gets them: there is no build step. `static/vendor` has files of other projects, which
`vendored.json` names with version, licence and checksum. Every URL in a page is relative, so that the pages work at any
address: behind the name of a stage, a domain or a distribution.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chalicelib.config import settings
from chalicelib.errors import UnknownPath
from chalicelib.stores.secrets import secrets
from chalicelib.web import accept, caching

_FOLDER = Path(__file__).with_name("static")
_CONTENT_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
_RELEASE_CHARS = 12
_YEAR_SECONDS = 31_536_000

# A static import of JavaScript, as Biome formats it. A comment and a call of import() name no path after `from`.
_IMPORT = re.compile(r'^(?:import|\}) [^"\n]*?\bfrom "\./([^"]+)"', re.MULTILINE)

# A page and its parts may be kept forever: another release has other URLs.
_IMMUTABLE: caching.Headers = {"Cache-Control": f"public, max-age={_YEAR_SECONDS}, immutable"}

Page = tuple[str, caching.Headers]  # the text and the headers of an answer


def wants_html(accept_header: str) -> bool:
    """Whether a client prefers HTML to JSON. Only one that names HTML does: `*/*` gets JSON, as clients always did."""
    page, data = (accept.preference(accept_header, name) for name in ("text/html", "application/json"))
    return page.specificity == 2 and page.quality > 0 and page.quality >= data.quality


def gallery() -> Page:
    """Return the gallery."""
    limits = settings()
    config = {
        "auth": limits.auth,
        "max_form_image_bytes": limits.max_form_image_bytes,
        "max_direct_upload_bytes": limits.max_direct_upload_bytes,
        "max_page_size": limits.max_page_size,
        "issuer": limits.jwt_issuer if limits.oidc_client_id else "",
        "client_id": limits.oidc_client_id,
        "bearer": limits.oidc_token,
    }
    text, headers = _page("gallery.html", config)
    preloads = (
        f'<link rel="modulepreload" href="assets/{_release()}/{name}">' for name in sorted(_modules("gallery.js"))
    )
    return text.replace("{{modules}}", "\n".join(preloads)), caching.varying_by_accept(headers)


def reference() -> Page:
    """Return the API reference, which reads openapi.json and can send requests."""
    return _page("docs.html", {"auth": settings().auth})


def asset(release: str, name: str) -> Page:
    """Return a file that a page loads. Of another release than the present one, no cache may keep it.

    Raises UnknownPath: there is no such file.
    """
    file = _assets().get(name)
    if file is None:
        raise UnknownPath
    headers = _IMMUTABLE if release == _release() else caching.NO_STORE
    return file.read_text(), {**headers, "Content-Type": f"{_CONTENT_TYPES[file.suffix]}; charset=utf-8"}


def _page(name: str, config: Mapping[str, Any]) -> Page:
    """Return a page with the URLs of the present release and its configuration, as JSON that a script reads."""
    # Imported here: with its table of entities, it would slow down the cold starts of all other requests.
    import html

    text = (_FOLDER / name).read_text()
    text = text.replace("{{assets}}", f"assets/{_release()}").replace("{{config}}", html.escape(json.dumps(config)))
    return text, {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _policy(),
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


def _policy() -> str:
    """Return the Content-Security-Policy of a page: nothing inline, no eval, no other hosts (CSP Level 3).

    Images are at another origin: that of S3, and of the CDN if there is one.
    """
    storage = _storage()
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            " ".join(("img-src 'self' data: blob:", *storage)),
            " ".join(("connect-src 'self'", *storage, *_sign_in_origins())),
            "font-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def _storage() -> tuple[str, ...]:
    """Return where the files are that a page shows and sends.

    The hosts of S3 have the buckets of all its customers, so the buckets are named. After a redirect, for example of
    /render, only the host counts (CSP Level 3, section 6.7.2.8).
    """
    limits = settings()
    buckets = (limits.s3_bucket_name, limits.derived_bucket_name, limits.staged_bucket_name)
    objects = [f"{limits.presigned_endpoint_url}/{bucket}/" for bucket in buckets]
    form = f"{limits.presigned_endpoint_url}/{limits.staged_bucket_name}"  # of a direct upload
    return (*objects, form, *([_origin(secrets().cdn_url)] if secrets().cdn_url else []))


def _sign_in_origins() -> tuple[str, ...]:
    """Return the origins that a page asks for tokens."""
    limits = settings()
    return (_origin(limits.jwt_issuer), *limits.sign_in_origins.split()) if limits.oidc_client_id else ()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@cache
def _assets() -> Mapping[str, Path]:
    files = (path for path in sorted(_FOLDER.rglob("*")) if path.suffix in _CONTENT_TYPES)
    return {path.name: path for path in files}


@cache
def _modules(name: str) -> frozenset[str]:
    """Return a script and those that it imports at once, so that a browser need not read one to know the next."""
    found: set[str] = set()
    left = {name}
    while left:
        found |= left
        left = {each for name in left for each in _IMPORT.findall(_assets()[name].read_text())} - found
    return frozenset(found)


@cache
def _release() -> str:
    """Return a text that changes with any file that a page loads."""
    digest = hashlib.sha256()
    for name, path in _assets().items():
        digest.update(f"{name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:_RELEASE_CHARS]
