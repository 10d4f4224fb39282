"""Who calls, and what they may see and change."""

from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib import logs
from chalicelib.config import settings
from chalicelib.errors import Forbidden, NotFound, Unauthorized, Unavailable
from chalicelib.model import Caller, Image, Visibility

if TYPE_CHECKING:
    from jwt import PyJWKClient

_ISSUER_ALGORITHMS = ["RS256", "ES256", "EdDSA"]


def caller(token: str | None, named: str | None) -> Caller:
    """Who calls: under AUTH=jwt the subject of the bearer token, under AUTH=open whom the request names.

    Raises Unauthorized: the token can't be trusted.
    Raises Unavailable: the issuer's keys can't be had.
    """
    if settings().auth == "open":
        found = Caller(named, verified=False)
    else:
        found = Caller(None if token is None else _subject(token), verified=True)
    logs.note_caller(found.user_id)
    return found


def may_see(caller: Caller, owner: str, visibility: Visibility) -> bool:
    """Whether a caller may know of an image at all."""
    return visibility is Visibility.PUBLIC or caller.user_id == owner


def check_owner(caller: Caller, user_id: str) -> None:
    """Let a verified caller write in their own name alone.

    Raises Unauthorized: anonymous. Raises Forbidden: someone else.
    """
    if caller.verified and caller.user_id is None:
        raise Unauthorized("A bearer token is needed for this.")
    if caller.verified and caller.user_id != user_id:
        raise Forbidden("The token is not for that user_id.")


def check_change(caller: Caller, image: Image) -> None:
    """Let a caller change an image.

    Under AUTH=open whoever sees an image may change it, as contracts A to D have it.
    Raises NotFound: the caller may not even see it. Raises Unauthorized, Forbidden: see check_owner.
    """
    if not may_see(caller, image.user_id, image.visibility):
        raise NotFound(image.image_id)
    check_owner(caller, image.user_id)


def _subject(token: str) -> str:
    # Imported here: only a request with a token pays for it.
    import jwt

    options: Any = {"require": ["exp", "sub"], "verify_aud": bool(settings().jwt_audience)}
    expected = {"audience": settings().jwt_audience or None, "options": options}
    try:
        if settings().jwt_secret:
            claims = jwt.decode(token, settings().jwt_secret, algorithms=["HS256"], **expected)
        else:
            key = _issuer_keys().get_signing_key_from_jwt(token)
            claims = jwt.decode(token, key, algorithms=_ISSUER_ALGORITHMS, issuer=settings().jwt_issuer, **expected)
    except jwt.PyJWKClientConnectionError as error:
        raise Unavailable("The keys of the token's issuer can't be had; try again in a moment.") from error
    except (jwt.PyJWTError, ValueError):
        raise Unauthorized("The bearer token is not valid.") from None
    return str(claims["sub"])


@cache
def _issuer_keys() -> "PyJWKClient":
    import jwt

    return jwt.PyJWKClient(settings().jwt_jwks_url, timeout=3)
