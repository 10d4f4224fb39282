"""CORS: what scripts of other origins can read and write (Fetch standard, section "HTTP extensions").

There is no Access-Control-Allow-Credentials. A script sets the caller's token itself, in the header Authorization; the
service never reads a cookie, which a browser would send without being asked.
"""

from collections.abc import Iterable, Mapping, Sequence

Headers = dict[str, str | list[str]]  # as Chalice expects them

# Headers that the service reads and that a script can send only if a preflight allows them.
_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Description",
    "X-Filename",
    "X-Request-Id",
    "X-Tags",
    "X-Title",
    "X-User-Id",
    "X-Visibility",
)
# Headers that the service sends and that a script can read only if the answer exposes them.
_RESPONSE_HEADERS = (
    "Allow",
    "Content-Disposition",
    "ETag",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)


def readable(headers: Headers, origin: str, origins: Sequence[str]) -> Headers:
    """Return an answer's headers with those that let scripts of `origins` read it.

    `origin` is the request's origin, or empty. If only some origins may read answers, every answer varies by origin:
    otherwise a cache could give one origin the answer to another. If every origin may read answers, the headers are the
    same for all (Fetch, "CORS protocol and HTTP caches").
    """
    if not origins:
        return headers
    if "*" not in origins:
        headers = _varying_by_origin(headers)
    if origin not in origins and "*" not in origins:
        return headers
    return {
        **headers,
        "Access-Control-Allow-Origin": "*" if "*" in origins else origin,
        "Access-Control-Expose-Headers": ", ".join(_RESPONSE_HEADERS),
    }


def preflight(origin: str, origins: Sequence[str], methods: Iterable[str], max_age_seconds: int) -> Headers:
    """Return the headers that tell a script of an origin what it may send to a path that allows `methods`.

    Empty if the origin is not one of `origins`.
    """
    if not origin or (origin not in origins and "*" not in origins):
        return {}
    return {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": ", ".join(_REQUEST_HEADERS),
        "Access-Control-Max-Age": str(max_age_seconds),
    }


def is_foreign_write(method: str, headers: Mapping[str, str], origins: Sequence[str]) -> bool:
    """Whether a web page of another site than the service and `origins` sends a request that may write.

    A browser sends some writes of any page without a preflight: forms, and requests without a body or a content type.
    Without tokens, nothing else tells them from the user's own (Fetch, "CORS-preflight fetch"; Fetch Metadata, section
    2.3). Clients other than browsers send neither header. `headers` has names in lower case.
    """
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
    if site in ("same-origin", "none") or origin in origins or "*" in origins:
        return False
    if not origin:
        return site != ""
    # The scheme may differ behind a proxy that ends TLS. A page cannot set either header without a preflight.
    host = origin.partition("://")[2]
    return host not in (headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()) or not host


def _varying_by_origin(headers: Headers) -> Headers:
    vary = headers.get("Vary", [])
    return {**headers, "Vary": ", ".join([*([vary] if isinstance(vary, str) else vary), "Origin"])}
