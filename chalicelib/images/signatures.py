"""Signatures of /render: what shows a private image to an `<img>`, which sends no header.

A signature shows the picture of one image, to everyone who has it, until it expires. It is an HMAC of the image, its
owner and the time, with a key that is derived from the key of cursors.
"""

import hmac
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence

from chalicelib.config import settings
from chalicelib.model import Image
from chalicelib.secrets import default_cursor_secret
from chalicelib.stores.secrets import secrets

# The time in seconds since the epoch, and the HMAC.
_FORM = re.compile(r"([1-9][0-9]{0,11})\.([A-Za-z0-9_-]{43})", re.ASCII)
_PURPOSE = b"signature of /render"  # so that no other use of the same secret has this key
_MIN_SECRET_BYTES = 32  # as of JWT_SECRET


def keys() -> Sequence[bytes]:
    """Return the keys of accepted signatures; the first one signs.

    If callers are verified, a secret counts only if nobody can guess it from a signature or know it: one of at least 32
    bytes that is not what takes the place of CURSOR_SECRET. Without any such secret, there are no keys.
    """
    known = default_cursor_secret(settings()).encode()
    is_open = settings().auth == "open"  # everyone can claim to be the owner, and gets a signature
    accepted = (key for key in secrets().cursor_keys if is_open or (key != known and len(key) >= _MIN_SECRET_BYTES))
    return [hmac.digest(key, _PURPOSE, "sha256") for key in accepted]


def sign(image: Image, key: bytes, lifetime_seconds: int) -> str:
    """Return a signature that shows an image for this time."""
    return _signed(image, str(int(time.time()) + lifetime_seconds), key)


def is_valid(signature: str, image: Image, accepted: Sequence[bytes]) -> bool:
    """Whether a signature shows an image now: `sign` has made it with one of the keys, and it has not expired."""
    form = _FORM.fullmatch(signature)
    if form is None or int(form[1]) <= time.time():
        return False
    return any(hmac.compare_digest(_signed(image, form[1], key), signature) for key in accepted)


def _signed(image: Image, expires: str, key: bytes) -> str:
    # No part has a line break: see access.fault_of_user_id.
    signed = hmac.digest(key, f"{image.image_id}\n{image.user_id}\n{expires}".encode(), "sha256")
    return f"{expires}.{urlsafe_b64encode(signed).decode().rstrip('=')}"
