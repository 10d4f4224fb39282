"""Signed URLs of CloudFront, with a canned policy (CloudFront Developer Guide, "signed URL", "canned policy")."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from chalicelib.config import settings

if TYPE_CHECKING:
    from botocore.signers import CloudFrontSigner


def signed_url(key: str, query: Mapping[str, str], expires_in: int) -> str:
    """A URL that opens an original or a derived image for `expires_in` seconds, without an AWS call.

    In which bucket it is, the distribution knows by its key (deploy/cloudfront.yaml). `query` is what S3 is to be asked
    beside it, by plain names. RSA takes some twenty times as long as what S3 asks for: docs/operations.md has figures.
    """
    limits = settings()
    asked = f"?{urlencode(query, quote_via=quote, safe='')}" if query else ""
    url = f"{limits.cdn_url.rstrip('/')}/{quote(key)}{asked}"
    until = datetime.now(UTC) + timedelta(seconds=expires_in)
    signed: str = _signer(limits.cdn_key_pair_id, limits.cdn_private_key).generate_presigned_url(url, until)
    return signed


@cache
def _signer(key_pair_id: str, private_key: str) -> "CloudFrontSigner":
    # Imported here: only who has a distribution pays for it.
    from botocore.signers import CloudFrontSigner
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(private_key.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("CDN_PRIVATE_KEY is no RSA key.")
    return CloudFrontSigner(key_pair_id, lambda policy: key.sign(policy, PKCS1v15(), SHA1()))  # noqa: S303
