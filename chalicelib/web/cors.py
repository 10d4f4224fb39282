"""Answers that scripts of other origins may read: CORS, as the Fetch standard has it (section "HTTP extensions").

There is no Access-Control-Allow-Credentials: a caller is known by a token in Authorization, which a script sets itself,
and never by a cookie, which a browser would send of its own accord.
"""

from collections.abc import Iterable, Sequence

Headers = dict[str, str | list[str]]  # as Chalice takes them

# What the service reads, of what a script may not send unasked.
_READ = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-User-Id")
# What the service sends, of what a script could not see.
_SENT = ("Allow", "Content-Disposition", "ETag", "Link", "Location", "Retry-After", "WWW-Authenticate", "X-Request-Id")


def readable(headers: Headers, origin: str, origins: Sequence[str]) -> Headers:
    """An answer's headers, and those by which scripts of `origins` may read it; `origin` is empty if there is none.

    What is for some origins alone says so to all, or a cache would give one of them what another was answered; what is
    for any is the same whoever asks (Fetch, "CORS protocol and HTTP caches").
    """
    if not origins:
        return headers
    if "*" not in origins:
        headers = _varying(headers)
    if origin not in origins and "*" not in origins:
        return headers
    return {
        **headers,
        "Access-Control-Allow-Origin": "*" if "*" in origins else origin,
        "Access-Control-Expose-Headers": ", ".join(_SENT),
    }


def preflight(origin: str, origins: Sequence[str], methods: Iterable[str], max_age_seconds: int) -> Headers:
    """What a script of an origin may send to a path that takes `methods`; nothing where it may not."""
    if not origin or (origin not in origins and "*" not in origins):
        return {}
    return {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": ", ".join(_READ),
        "Access-Control-Max-Age": str(max_age_seconds),
    }


def _varying(headers: Headers) -> Headers:
    before = headers.get("Vary", [])
    return {**headers, "Vary": ", ".join([*([before] if isinstance(before, str) else before), "Origin"])}
