"""During a rotation of a secret, functions with different secrets run at the same time: see deploy/secrets.py."""

from collections.abc import Callable

import pytest

from tests.app.conftest import Api
from tests.app.tokens import token, with_token

OLD, NEW = "o" * 32, "n" * 32


def steps(secret: str) -> list[dict[str, str]]:
    """Return what functions have before a rotation, in its middle, and at its end. Empty variables are not set."""
    current, following, previous = secret, f"{secret}_NEXT", f"{secret}_PREVIOUS"
    return [
        {current: OLD, following: "", previous: ""},
        {current: OLD, following: NEW, previous: ""},
        {current: NEW, following: "", previous: OLD},
    ]


@pytest.mark.parametrize("collection", ["images", "items", "tags"])
def test_a_function_accepts_the_cursors_of_the_steps_before_and_after_its_own(
    api: Api, configured: Callable[..., None], collection: str
) -> None:
    configured()
    for number in range(2):
        api.upload(tags=[f"tag{number}"])
        api.call("POST", "/items", {"name": "x"})
    path = f"/{collection}?limit=1"
    cursors = []
    for step in steps("CURSOR_SECRET"):
        configured(**step)
        cursors.append(api.get(path).json_body["last_evaluated_key"])
    accepted = []
    for step in steps("CURSOR_SECRET"):
        configured(**step)
        accepted.append([api.get(f"{path}&last_evaluated_key={cursor}").status_code for cursor in cursors])
    assert accepted == [[200, 200, 400], [200, 200, 200], [200, 200, 200]]


def test_a_function_accepts_tokens_of_both_secrets_from_the_first_step_on(
    api: Api, configured: Callable[..., None]
) -> None:
    accepted = []
    for step in (*steps("JWT_SECRET"), {"JWT_SECRET": NEW, "JWT_SECRET_PREVIOUS": ""}):
        configured(AUTH="jwt", **step)
        clients = [with_token(api, token("alice", secret)) for secret in (OLD, NEW, "x" * 32)]
        accepted.append([client.get("/images").status_code for client in clients])
    assert accepted == [[200, 401, 401], [200, 200, 401], [200, 200, 401], [401, 200, 401]]


def test_an_expired_token_of_an_accepted_secret_is_refused(api: Api, configured: Callable[..., None]) -> None:
    configured(AUTH="jwt", JWT_SECRET=NEW, JWT_SECRET_PREVIOUS=OLD)
    for secret in OLD, NEW:
        assert with_token(api, token("alice", secret, exp=1)).get("/images").status_code == 401
