"""Who sends the requests: a bearer token or, where the service needs none, a user's name.

Any requests.auth.AuthBase can take the place of these, for a service behind another kind of sign-in.
"""

import re
from collections.abc import Callable
from typing import Any

import jwt
from requests import PreparedRequest
from requests.auth import AuthBase

from images_api_client.errors import BadCredentials

# A function returns a token that is valid now. It is called before each request, also before a repeated one, so it
# keeps a token until shortly before it expires. Threads may call it at the same time.
Token = str | Callable[[], str]


class BearerToken(AuthBase):
    """Sends a bearer token (RFC 6750). Raises BadCredentials, and what the function that returns the token raises."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the header Authorization."""
        request.headers["Authorization"] = f"Bearer {self.value()}"
        return request

    def value(self) -> str:
        """Return the token as it is now, without white space around it. Raises BadCredentials."""
        token = (self._token() if callable(self._token) else self._token).strip()
        if not token or not token.isascii() or not token.isprintable():
            raise BadCredentials("The bearer token is empty, or has other characters than printable ASCII.")
        return token

    def subject(self) -> str | None:
        """Return the user that the token names, or None if the token does not say it. Nothing is verified."""
        try:
            claims: dict[str, Any] = jwt.decode(self.value(), options={"verify_signature": False})
        except jwt.InvalidTokenError:
            return None
        return claims.get("sub")


class NamedUser(AuthBase):
    """Names the user in a header, for a service that requires no tokens (AUTH=open). Raises BadCredentials."""

    def __init__(self, user: str) -> None:
        if not user.strip() or re.search(r"[\x00-\x1f\x7f]", user):
            raise BadCredentials("The user name is empty, or has a control character such as a line break.")
        self._user = user

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the header X-User-Id, in UTF-8: the service and API Gateway read it so."""
        request.headers["X-User-Id"] = self._user.encode()  # type: ignore[assignment]  # requests also sends bytes
        return request


class Anonymous(AuthBase):
    """Sends no credentials, also none of a .netrc file."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add nothing."""
        return request
