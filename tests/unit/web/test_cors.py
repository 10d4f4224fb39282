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
