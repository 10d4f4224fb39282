"""Signing in to the gallery under AUTH=jwt: with a token that the user has, or at an issuer."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, expect

from dev.stack import Stack, running
from tests.browser import issuer
from tests.browser.conftest import Witness
from tests.browser.steps import check_accessible, choose, pictures, row
from tests.pictures import base64_picture

CLIENT_ID = "gallery"


@pytest.fixture(scope="module")
def issuer_url() -> Iterator[str]:
    with issuer.running() as url:
        yield url


@pytest.fixture(scope="module")
def guarded(issuer_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a service that accepts the issuer's tokens. Its user has one private image, titled Diary."""
    environment = {
        "AUTH": "jwt",
        "JWT_ISSUER": issuer_url,
        "JWT_JWKS_URL": f"{issuer_url}/jwks",
        "JWT_AUDIENCE": CLIENT_ID,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "SIGN_IN_ORIGINS": "https://tokens.example.org",
        "CURSOR_SECRET": "a secret of these tests, long enough to sign with",
    }
    with running(tmp_path_factory.mktemp("guarded") / "data", environment=environment) as stack:
        image = {"user_id": issuer.USER, "title": "Diary", "visibility": "private", "image_data": base64_picture()}
        headers = {"Authorization": f"Bearer {issuer.id_token(issuer_url, CLIENT_ID)}"}
        assert requests.post(f"{stack.url}/images", json=image, headers=headers, timeout=30).status_code == 201
        yield stack


@pytest.fixture
def address(guarded: Stack) -> str:
    return guarded.url


@pytest.fixture
def page(context: BrowserContext, witness: Witness) -> Page:
    page = context.new_page()
    witness.watch(page)
    return page


def test_the_owner_opens_a_private_picture(page: Page, issuer_url: str) -> None:
    session = {"user": issuer.USER, "token": issuer.id_token(issuer_url, CLIENT_ID)}
    page.add_init_script(f"sessionStorage.setItem('images-api.session', '{json.dumps(session)}')")
    page.goto("/")
    page.get_by_role("link", name="Diary Private").click()
    picture = page.get_by_role("dialog", name="Pictures").get_by_role("img", name="Diary")
    expect(picture).to_have_attribute("srcset", re.compile("signature="))
    expect(picture).not_to_have_js_property("naturalWidth", 0)


def test_a_pasted_token_is_checked_and_kept_for_the_tab(page: Page, issuer_url: str) -> None:
    page.goto("/")
    expect(page.get_by_text("No images yet")).to_be_visible()
    page.get_by_role("button", name="Sign in", exact=True).click()
    check_accessible(page)
    field = page.get_by_label("Bearer token")
    field.fill("no token")
    page.get_by_role("button", name="Use this token").click()
    expect(page.get_by_role("alert")).to_have_text("This is not a JSON Web Token (JWT).")
    field.fill(issuer.id_token(issuer_url, "another-client"))
    page.get_by_role("button", name="Use this token").click()
    expect(page.get_by_role("alert")).to_have_text("The bearer token is not valid.")
    field.fill(issuer.id_token(issuer_url, CLIENT_ID))
    page.get_by_role("button", name="Use this token").click()
    expect(page.get_by_role("link", name="Diary Private")).to_be_visible()
    expect(page.get_by_text(issuer.USER)).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="Diary Private")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("No images yet")).to_be_visible()
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_signing_in_at_the_issuer_leads_back_to_the_same_address(page: Page, issuer_url: str, witness: Witness) -> None:
    page.goto("/?visibility=private")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name=f"Sign in with {urlsplit(issuer_url).netloc}").click()
    expect(page.get_by_role("link", name="Diary Private")).to_be_visible()
    expect(page.get_by_text(issuer.USER)).to_be_visible()
    assert parse_qs(urlsplit(page.url).query) == {"visibility": ["private"]}
    assert witness.errors == []
    asked = next(each for each in witness.requests if urlsplit(each.url).path == "/authorize")
    assert parse_qs(urlsplit(asked.url).query)["code_challenge_method"] == ["S256"]
    assert not any("code" in parse_qs(urlsplit(each.url).query) for each in witness.api_requests())


def test_an_answer_of_the_issuer_that_was_not_asked_for_signs_nobody_in(page: Page) -> None:
    page.goto("/?code=stolen&state=unknown")
    expect(page.get_by_text("You are not signed in")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    assert urlsplit(page.url).query == ""


def test_a_token_that_has_expired_is_asked_for_again_and_the_request_repeated(page: Page, issuer_url: str) -> None:
    page.goto("/")
    expect(page.get_by_text("No images yet")).to_be_visible()
    # A token that the service does not accept any more, as one that has expired.
    page.evaluate('sessionStorage.setItem(\'images-api.session\', \'{"user": "johndoe", "token": "old"}\')')
    page.reload()
    expect(page.get_by_role("dialog")).to_contain_text("The bearer token is not valid.")
    page.get_by_label("Bearer token").fill(issuer.id_token(issuer_url, CLIENT_ID))
    page.get_by_role("button", name="Use this token").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("link", name="Diary Private")).to_be_visible()


def test_who_cancels_the_dialog_goes_on_anonymously(page: Page) -> None:
    page.goto("/")
    page.evaluate('sessionStorage.setItem(\'images-api.session\', \'{"user": "johndoe", "token": "old"}\')')
    page.reload()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("No images yet")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_the_policy_names_where_users_sign_in(guarded: Stack, issuer_url: str) -> None:
    answer = requests.get(guarded.url, headers={"Accept": "text/html"}, timeout=30)
    (rule,) = (part for part in answer.headers["Content-Security-Policy"].split("; ") if part.startswith("connect-src"))
    assert rule.split()[-2:] == [issuer_url, "https://tokens.example.org"]


def test_an_upload_belongs_to_the_subject_of_the_token(page: Page, issuer_url: str, tmp_path: Path) -> None:
    _, file = pictures(tmp_path, 2)  # the first is the picture titled Diary
    page.goto("/")
    choose(page, file)
    page.get_by_label("Bearer token").fill(issuer.id_token(issuer_url, CLIENT_ID))
    page.get_by_role("button", name="Use this token").click()
    expect(row(page, file.name)).to_contain_text("Uploaded")
    expect(page.get_by_role("link", name="picture 1", exact=True)).to_be_visible()
    headers = {"Authorization": f"Bearer {issuer.id_token(issuer_url, CLIENT_ID)}"}
    query = {"user_id": issuer.USER, "filename": "picture"}
    (image,) = requests.get(f"{page.url}images", params=query, headers=headers, timeout=30).json()["images"]
    assert image["filename"] == file.name
    requests.delete(f"{page.url}images/{image['image_id']}", headers=headers, timeout=30)
