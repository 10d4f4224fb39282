"""Bearer tokens."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from tests.app.conftest import Api

SECRET = "s" * 32


def token(subject: str, key: Any = SECRET, algorithm: str = "HS256", headers: Any = None, **claims: object) -> str:
    """Return a token that is valid for five minutes. Other claims can be given."""
    valid = {"sub": subject, "exp": datetime.now(UTC) + timedelta(minutes=5)}
    return jwt.encode({**valid, **claims}, key, algorithm, headers=headers)


def authorization(bearer: str) -> dict[str, str]:
    """Return the Authorization header of a token."""
    return {"Authorization": f"Bearer {bearer}"}


def with_token(api: Api, bearer: str) -> Api:
    """Return the client with a token."""
    return Api(api.client, authorization(bearer))
