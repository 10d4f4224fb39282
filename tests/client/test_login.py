"""Logging in: profiles, tokens and what the environment changes."""

import json
import stat
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from dev.stack import Stack
from tests.client.commands import Ended, Shell
from tests.client.conftest import SECRET
from tests.client.scripted import answer, scripted

USER = "walter"


@pytest.fixture(scope="module")
def token() -> str:
    return jwt.encode({"sub": USER, "exp": int(time.time()) + 3600}, SECRET, "HS256")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Return the shell of a user who has no profiles."""
    return Shell(tmp_path, {})


def host(address: str) -> str:
    return address.removeprefix("http://")


def test_a_login_without_tokens_keeps_the_address_and_the_user(shell: Shell, url: str, owner: str) -> None:
    ended = shell.images("login", f"{url}/", "--user", owner)
    said = f"Logged in to {url} as {owner}. The profile '{host(url)}' is now the default.\n"
    assert ended == Ended(0, "", said)
    assert shell.images("count", "--mine") == Ended(0, "0\n", "")


def test_a_token_from_standard_input_is_kept_for_the_user_alone(shell: Shell, guarded: Stack, token: str) -> None:
    ended = shell.images("login", guarded.url, "--with-token", stdin=f"{token}\n")
    said = f"Logged in to {guarded.url} as {USER}. The profile '{host(guarded.url)}' is now the default.\n"
    assert ended == Ended(0, "", said)
    assert stat.S_IMODE(shell.config.stat().st_mode) == 0o600
    assert [each.name for each in shell.config.parent.iterdir()] == ["config.toml"]
    assert token in shell.config.read_text()
    assert shell.images("count", "--visibility", "private", "--mine").out == "0\n"


def test_a_terminal_asks_for_the_token_and_does_not_show_it(shell: Shell, guarded: Stack, token: str) -> None:
    ended = shell.on_terminal("login", guarded.url, typed=f"{token}\n")
    assert ended.status == 0
    assert "Token" in ended.out
    assert token not in ended.out
    assert token in shell.config.read_text()


@pytest.mark.parametrize("wrong", ["not-a-token", "a token", ""])
def test_a_wrong_token_is_not_kept(shell: Shell, guarded: Stack, wrong: str) -> None:
    ended = shell.images("login", guarded.url, "--with-token", "--verbose", stdin=wrong)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert not wrong or wrong not in ended.err
    assert not shell.config.exists()


@pytest.mark.parametrize("address", ["images.example.com", "ftp://images.example.com", "http://me:secret@127.0.0.1"])
def test_an_address_that_cannot_be_used_is_not_kept(shell: Shell, address: str) -> None:
    ended = shell.images("login", address)
    assert (ended.status, ended.err.count("\n"), "secret" in ended.err) == (1, 1, False)
    assert not shell.config.exists()


@pytest.mark.parametrize("body", [{"status": "ok"}, "<html>"])
def test_the_address_of_another_service_is_not_kept(shell: Shell, body: Any) -> None:
    with scripted(answer(document=body)) as server:
        ended = shell.images("login", server.url, "--user", "me")
    assert ended == Ended(1, "", f"{server.url} is not the address of an images-api: check it.\n")
    assert not shell.config.exists()


def test_a_token_that_the_network_can_read_is_a_warning(shell: Shell) -> None:
    ended = shell.images("login", "http://images.invalid", "--with-token", stdin="secret")
    warning = "Warning: http://images.invalid is not https, so the network can read your token."
    assert ended.err.splitlines() == [warning, "images.invalid cannot be reached."]


def test_profiles_are_listed_without_tokens(shell: Shell, guarded: Stack, token: str, url: str) -> None:
    shell.images("login", guarded.url, "--with-token", "--profile", "work", stdin=token)
    shell.images("login", url, "--user", "me", "--profile", "home")
    listed = shell.images("profiles")
    assert listed.lines == [f"\twork\t{guarded.url}\t\tstored", f"*\thome\t{url}\tme\tnone"]
    assert listed.err == f"They are stored in {shell.config}.\n"
    chosen = shell.images("profiles", "--default", "work", "--json")
    assert [json.loads(line) for line in chosen.lines] == [
        {"profile": "work", "default": True, "url": guarded.url, "user": None, "token": "stored"},
        {"profile": "home", "default": False, "url": url, "user": "me", "token": None},
    ]
    assert token not in listed.out + chosen.out
    assert shell.images("profiles", "--default", "play") == Ended(
        1, "", "There is no profile 'play': `images profiles` lists them.\n"
    )


def test_a_profile_is_chosen_by_an_option_or_the_environment(shell: Shell, url: str, owner: str) -> None:
    shell.images("login", url, "--user", owner, "--profile", "mine")
    shell.images("login", "http://127.0.0.1:1", "--user", "me", "--profile", "down")
    assert shell.images("count", "--mine", "--profile", "mine").out == "0\n"
    assert shell.having(IMAGES_PROFILE="mine").images("count", "--mine").out == "0\n"
    assert shell.images("count", "--profile", "play").status == 1


def test_a_logout_deletes_the_token_and_chooses_no_other_profile(shell: Shell, url: str) -> None:
    for name in ("first", "second"):
        shell.images("login", url, "--with-token", "--profile", name, stdin=f"{name}-token")
    ended = shell.images("logout")
    assert ended.err.splitlines() == [
        "The profile 'second' and its token are deleted.",
        "No profile is the default now: choose one with `images profiles --default NAME`.",
    ]
    assert ("first-token" in shell.config.read_text(), "second-token" in shell.config.read_text()) == (True, False)
    assert shell.images("list").status == 1
    assert shell.images("logout", "first").status == 0
    assert shell.images("logout") == Ended(
        1, "", "There is no default profile: name one that `images profiles` lists.\n"
    )


def test_the_environment_comes_before_the_default_profile(shell: Shell, url: str, guarded: Stack, token: str) -> None:
    shell.images("login", url, "--user", "me")
    elsewhere = shell.having(IMAGES_URL=guarded.url, IMAGES_TOKEN=token)
    uploaded = elsewhere.images("count", "--mine", "--visibility", "private")
    assert uploaded == Ended(0, "0\n", "")  # only the owner may count these, and the token says who that is
    assert elsewhere.images("profiles").err.splitlines()[-1] == (
        "The environment comes first: IMAGES_URL and IMAGES_TOKEN are set."
    )


def test_a_stored_token_is_sent_only_to_its_own_address(shell: Shell, guarded: Stack, token: str) -> None:
    shell.images("login", guarded.url, "--with-token", stdin=token)
    with scripted(answer()) as server:
        shell.images("list", "--url", server.url)
        shell.having(IMAGES_URL=server.url).images("list")
    assert server.headers("Authorization") == [None, None]
    refused = shell.images("list", "--url", server.url, "--profile", host(guarded.url))
    assert (refused.status, refused.out) == (1, "")


def test_a_profile_that_is_an_option_takes_no_token_from_the_environment(shell: Shell, url: str) -> None:
    with scripted(answer(document={"stores": {}, "images": [], "has_more": False})) as server:
        shell.images("login", server.url, "--user", "me", "--profile", "plain")
        shell.having(IMAGES_TOKEN="secret", IMAGES_URL=url).images("list", "--profile", "plain")
    assert server.headers("Authorization") == [None, None, None]


def test_a_damaged_file_of_profiles_is_one_sentence(shell: Shell, url: str) -> None:
    shell.config.parent.mkdir(parents=True)
    for text in ("[profiles", "profiles = 1", "[profiles.a]\nport = 1"):
        shell.config.write_text(text)
        said = f"The file {shell.config} is damaged: correct it, or delete it and log in.\n"
        assert shell.images("list") == Ended(1, "", said)
        assert shell.images("login", url, "--user", "me") == Ended(1, "", said)
        assert shell.config.read_text() == text
