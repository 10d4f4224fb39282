"""Bearer tokens."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from tests.app.conftest import Api

SECRET = "s" * 32


def token(subject: str, key: Any = SECRET, algorithm: str = "HS256", headers: Any = None, **claims: object) -> str:
    """A token that is valid for five minutes, unless other claims are given."""
    valid = {"sub": subject, "exp": datetime.now(UTC) + timedelta(minutes=5)}
    return jwt.encode({**valid, **claims}, key, algorithm, headers=headers)


def authorization(bearer: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {bearer}"}


def bearing(api: Api, bearer: str) -> Api:
    """The client with a token."""
    return Api(api.client, authorization(bearer))
