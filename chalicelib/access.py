"""Who sends a request, and which images the caller may see and change."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib import logs
from chalicelib.config import settings
from chalicelib.errors import BadInput, Forbidden, NotFound, Unauthorized, Unavailable
from chalicelib.model import CONTROL, Caller, Image, Visibility
from chalicelib.stores.secrets import secrets

if TYPE_CHECKING:
    from jwt import PyJWKClient

_ISSUER_ALGORITHMS = ["RS256", "ES256", "EdDSA"]


def caller(token: str | None, named_user: str | None) -> Caller:
    """Return the caller: under AUTH=jwt the subject of the token, under AUTH=open the user that the request names.

    Also notes the caller for the log.
    Raises Unauthorized: the token is not valid. Raises Unavailable: the issuer's keys cannot be fetched.
    Raises Forbidden, BadInput: the subject of the token, or the named user, can't be a user_id.
    """
    if settings().auth == "open":
        caller = Caller(named_user, verified=False)
    else:
        caller = Caller(None if token is None else _subject(token), verified=True)
    if caller.user_id is not None and (fault := fault_of_user_id(caller.user_id)):
        if caller.verified:
            raise Forbidden(f"The subject of the token {fault}: it is the caller's user_id.")
        raise BadInput(f"user_id {fault}.")
    logs.note_caller(caller.user_id)
    return caller


def fault_of_user_id(text: str) -> str | None:
    """Return why a text can't be a user_id, as the end of a sentence; None if it can.

    A user_id is the first part of an object key and of a URL's path. The same rule holds for owners and for callers.
    """
    limit = settings().max_user_id_chars
    if not text.strip():
        return "is missing"
    if text != text.strip():
        return "must not have white space around it"
    if "/" in text or "\\" in text or text in (".", "..") or CONTROL.search(text):
        return "must not have slashes or control characters, nor be '.' or '..'"
    if len(text) > limit:
        return f"has more than {limit} characters, which is the limit (MAX_USER_ID_CHARS)"
    return None


def may_see(caller: Caller, owner: str, visibility: Visibility) -> bool:
    """Whether a caller may know that an image exists."""
    return visibility is Visibility.PUBLIC or caller.user_id == owner


def gets_original(caller: Caller, image: Image) -> bool:
    """Whether a caller who sees an image gets its original: its owner does and, under ORIGINALS=everyone, all others.

    Others get its largest variant, which has no metadata. Under AUTH=open, a caller is the owner by saying so.
    """
    return settings().originals != "owner" or is_owner(caller, image)


def is_owner(caller: Caller, image: Image) -> bool:
    """Whether a caller is the owner of an image: as a token proves or, under AUTH=open, as the request states."""
    return caller.user_id == image.user_id


def owns(caller: Caller, user_id: str) -> bool:
    """Whether a caller writes in their own name. A caller who is not verified passes."""
    return not caller.verified or caller.user_id == user_id


def check_owner(caller: Caller, user_id: str) -> None:
    """Check that a caller writes in their own name: see owns.

    Raises Unauthorized: the caller is anonymous. Raises Forbidden: the caller is another user.
    """
    if caller.verified and caller.user_id is None:
        raise Unauthorized("This request needs a bearer token.")
    if not owns(caller, user_id):
        raise Forbidden("The token belongs to another user_id.")


def check_change(caller: Caller, image: Image) -> None:
    """Check that a caller may change an image.

    Under AUTH=open, everyone who sees an image may change it: contracts A to D require this.
    Raises NotFound: the caller may not see the image, or it is gone and not the caller's.
    Raises Unauthorized, Forbidden: see check_owner.
    """
    # For others, an image that is gone is like an id that never existed.
    hidden = image.is_gone and not owns(caller, image.user_id)
    if hidden or not may_see(caller, image.user_id, image.visibility):
        raise NotFound(image.image_id)
    check_owner(caller, image.user_id)


def check_location(caller: Caller, image: Image) -> None:
    """Check that a caller may know where an image was taken. Only its owner may.

    Under AUTH=open, a caller who states to be the owner is the owner.
    Raises Unauthorized: the caller is anonymous, and there are tokens. Raises Forbidden: the caller is another user.
    """
    if caller.verified and caller.user_id is None:
        raise Unauthorized("Only the owner may see where an image was taken: this request needs a bearer token.")
    if not is_owner(caller, image):
        raise Forbidden("Only the owner may see where an image was taken; leave location out of include.")


def _subject(token: str) -> str:
    # Imported here, so that only a request with a token pays for the import.
    import jwt

    options: Any = {"require": ["exp", "sub"], "verify_aud": bool(settings().jwt_audience)}
    expected = {"audience": settings().jwt_audience or None, "options": options}
    try:
        if accepted := secrets().jwt_secrets:
            claims = _signed_with_one_of(accepted, token, expected)
        else:
            key = _issuer_keys().get_signing_key_from_jwt(token)
            claims = jwt.decode(token, key, algorithms=_ISSUER_ALGORITHMS, issuer=settings().jwt_issuer, **expected)
    except jwt.PyJWKClientConnectionError as error:
        raise Unavailable("The keys of the token's issuer cannot be fetched; try again in a moment.") from error
    except jwt.ExpiredSignatureError:  # of a token that is valid otherwise
        raise Unauthorized("The bearer token has expired.") from None
    except (jwt.PyJWTError, ValueError):
        raise Unauthorized("The bearer token is not valid.") from None
    return str(claims["sub"])


def _signed_with_one_of(accepted: Sequence[str], token: str, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims of a token. Raises PyJWTError: no secret has signed it, or it is not valid."""
    import jwt

    *others, last = accepted
    for secret in others:
        with suppress(jwt.InvalidSignatureError):
            return jwt.decode(token, secret, algorithms=["HS256"], **expected)
    return jwt.decode(token, last, algorithms=["HS256"], **expected)


@cache
def _issuer_keys() -> "PyJWKClient":
    import jwt

    return jwt.PyJWKClient(settings().jwt_jwks_url, timeout=3)
