import pytest

from chalicelib.web import cors
from chalicelib.web.cors import Headers

PHOTOS, LOCAL, OTHER = "https://photos.example.org", "http://localhost:5173", "https://example.com"
ORIGINS = (PHOTOS, LOCAL)


def allowed(headers: Headers) -> object:
    return headers.get("Access-Control-Allow-Origin")


def test_no_headers_are_added_without_configured_origins() -> None:
    assert cors.readable({"ETag": '"1"'}, PHOTOS, ()) == {"ETag": '"1"'}
    assert cors.preflight(PHOTOS, (), ["GET"], 60) == {}


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_configured_origin_may_read_an_answer(origin: str) -> None:
    headers = cors.readable({"ETag": '"1"'}, origin, ORIGINS)
    assert (headers["ETag"], allowed(headers), headers["Vary"]) == ('"1"', origin, "Origin")
    assert "X-Request-Id" in str(headers["Access-Control-Expose-Headers"]).split(", ")


@pytest.mark.parametrize("origin", ["", "null", OTHER, f"{PHOTOS}:8443", f"{PHOTOS} {LOCAL}", PHOTOS.upper()])
def test_other_origins_get_only_the_header_vary(origin: str) -> None:
    assert cors.readable({}, origin, ORIGINS) == {"Vary": "Origin"}
    assert cors.preflight(origin, ORIGINS, ["GET"], 60) == {}


@pytest.mark.parametrize("origin", ["", OTHER])
def test_an_answer_for_all_origins_is_the_same_for_each(origin: str) -> None:
    headers = cors.readable({"Vary": "Accept"}, origin, ("*",))
    assert (allowed(headers), headers["Vary"]) == ("*", "Accept")


@pytest.mark.parametrize(
    ("before", "after"),
    [("Accept", "Accept, Origin"), (["Accept", "X-User-Id"], "Accept, X-User-Id, Origin"), ([], "Origin")],
)
def test_the_header_vary_keeps_its_other_values(before: str | list[str], after: str) -> None:
    assert cors.readable({"Vary": before}, OTHER, ORIGINS) == {"Vary": after}


@pytest.mark.parametrize(("origin", "origins"), [(PHOTOS, ORIGINS), (OTHER, ("*",))])
def test_a_preflight_answer_lists_methods_and_headers(origin: str, origins: tuple[str, ...]) -> None:
    assert cors.preflight(origin, origins, ["POST", "GET"], 60) == {
        "Access-Control-Allow-Methods": "POST, GET",
        "Access-Control-Allow-Headers": (
            "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Description, "
            "X-Filename, X-Request-Id, X-Tags, X-Title, X-User-Id, X-Visibility"
        ),
        "Access-Control-Max-Age": "60",
    }


def test_a_request_without_an_origin_is_not_a_preflight() -> None:
    assert cors.preflight("", ("*",), ["GET"], 60) == {}


def is_foreign(headers: dict[str, str], method: str = "POST", origins: tuple[str, ...] = ORIGINS) -> bool:
    return cors.is_foreign_write(method, headers, origins)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": OTHER, "host": "127.0.0.1:8000"},
        {"origin": OTHER, "host": "127.0.0.1:8000", "sec-fetch-site": "cross-site"},
        {"origin": "null", "host": "127.0.0.1:8000"},
        {"origin": "null"},
        {"origin": "http://[", "host": "127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:9000", "host": "127.0.0.1:8000"},
        {"origin": "http://localhost", "host": "localhost:8000", "sec-fetch-site": "same-site"},
        {"origin": "https://example.com.evil.example", "host": "example.com"},
        {"host": "127.0.0.1:8000", "sec-fetch-site": "cross-site"},
        {"host": "127.0.0.1:8000", "sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_a_write_by_a_page_of_another_site_is_foreign(method: str, headers: dict[str, str]) -> None:
    assert is_foreign(headers, method)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "127.0.0.1:8000"},
        {"origin": PHOTOS, "host": "127.0.0.1:8000", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:8000", "host": "127.0.0.1:8000"},
        {"origin": "http://gallery.lan:8000", "host": "Gallery.lan:8000"},
        {
            "origin": "https://example.com",
            "host": "abc.execute-api.eu-west-1.amazonaws.com",
            "sec-fetch-site": "same-origin",
        },
        {"origin": "https://example.com", "host": "10.0.0.1:8000", "x-forwarded-host": "example.com"},
        {"host": "127.0.0.1:8000", "sec-fetch-site": "none"},
    ],
    ids=str,
)
def test_writes_of_own_pages_configured_origins_and_other_clients_are_not_foreign(headers: dict[str, str]) -> None:
    assert not is_foreign(headers)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reads_are_not_foreign_writes(method: str) -> None:
    assert not is_foreign({"origin": OTHER, "host": "127.0.0.1:8000", "sec-fetch-site": "cross-site"}, method)


@pytest.mark.parametrize("origin", [OTHER, "null"])
def test_no_write_is_foreign_if_every_origin_is_allowed(origin: str) -> None:
    assert not is_foreign({"origin": origin, "host": "127.0.0.1:8000", "sec-fetch-site": "cross-site"}, origins=("*",))
