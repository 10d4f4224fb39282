"""The secrets of the service: what signs and encrypts what it hands out. They are no settings, and in no log.

`Secrets` is the one list of them; docs/settings.md is generated from it, too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from chalicelib.config import Settings, WrongSetting, setting, values_of

_CDN_URL = ("an https URL without a path", r"https://[^\s?#/]+/?")
_KEY_PAIR_ID = ("the ID of a CloudFront public key", r"[A-Z0-9]+")
_PRIVATE_KEY = re.compile(r"-----BEGIN (RSA )?PRIVATE KEY-----\s[\s\S]+\s-----END (RSA )?PRIVATE KEY-----")

# Of any form: the error message about another form would contain the secret.
_secret = partial(setting, form=("text", r"[\s\S]*"))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Secrets:
    """The secrets. During a rotation, the next and the previous value of a secret are accepted, too."""

    jwt_secret: str = _secret(
        "", "Shared secret of HS256 tokens, at least 32 bytes. If set, the issuer is ignored.", "JWT_SECRET"
    )
    jwt_secret_next: str = _secret("", "Also accepted: the next value of `JWT_SECRET`.", "JWT_SECRET_NEXT")
    jwt_secret_previous: str = _secret("", "Also accepted: the previous value of `JWT_SECRET`.", "JWT_SECRET_PREVIOUS")
    cursor_secret: str = _secret(
        "",
        "Key that encrypts list cursors and signs the URLs of private pictures. Empty: a key derived from the table "
        "name, which detects damaged cursors but not forged ones. With `AUTH=jwt`, a secret of less than 32 bytes "
        "signs no URL.",
        "CURSOR_SECRET",
    )
    cursor_secret_next: str = _secret("", "Also accepted: the next value of `CURSOR_SECRET`.", "CURSOR_SECRET_NEXT")
    cursor_secret_previous: str = _secret(
        "", "Also accepted: the previous value of `CURSOR_SECRET`.", "CURSOR_SECRET_PREVIOUS"
    )
    # The URL and the ID are no secrets. They are here, because the three must change at the same time.
    cdn_url: str = setting(
        "",
        "Address of a CloudFront distribution in front of originals and variants (docs/cloudfront.md). Clients then "
        "receive signed CloudFront URLs instead of S3 URLs. Requires the next two.",
        "CDN_URL",
        form=_CDN_URL,
    )
    cdn_key_pair_id: str = setting(
        "", "ID of the CloudFront public key that verifies these URLs.", "CDN_KEY_PAIR_ID", form=_KEY_PAIR_ID
    )
    cdn_private_key: str = _secret("", "Private key that signs these URLs: RSA, in PEM format.", "CDN_PRIVATE_KEY")

    @property
    def jwt_secrets(self) -> tuple[str, ...]:
        """The secrets of accepted tokens; empty if JWT_SECRET is not set, because tokens come from an issuer."""
        others = (self.jwt_secret_next, self.jwt_secret_previous)
        return tuple(filter(None, (self.jwt_secret, *others))) if self.jwt_secret else ()

    @property
    def cursor_keys(self) -> tuple[bytes, ...]:
        """The keys of accepted cursors. The first one encrypts."""
        accepted = filter(None, (self.cursor_secret, self.cursor_secret_next, self.cursor_secret_previous))
        return tuple(secret.encode() for secret in accepted)


def read(values: Mapping[str, str], settings: Settings) -> Secrets:
    """Return the secrets in these variables, as a service with these settings uses them. An empty one is not set.

    Raises WrongSetting: a secret is missing or can't be used. The message never contains a secret.
    """
    parsed = values_of(Secrets, values)
    secrets = Secrets(**{"cursor_secret": default_cursor_secret(settings), **parsed})
    if settings.auth == "jwt" and not (secrets.jwt_secret or (settings.jwt_issuer and settings.jwt_jwks_url)):
        raise WrongSetting("AUTH=jwt requires JWT_SECRET, or JWT_ISSUER and JWT_JWKS_URL.")
    if settings.oidc_client_id and secrets.jwt_secret:
        raise WrongSetting("OIDC_CLIENT_ID requires that JWT_SECRET is not set: the issuer's tokens are ignored then.")
    if any(len(secret.encode()) < 32 for secret in secrets.jwt_secrets):
        raise WrongSetting("JWT_SECRET must have at least 32 bytes (RFC 7518 section 3.2).")
    cdn = (secrets.cdn_url, secrets.cdn_key_pair_id, secrets.cdn_private_key)
    if any(cdn) and not all(cdn):
        raise WrongSetting("CDN_URL, CDN_KEY_PAIR_ID and CDN_PRIVATE_KEY must be set together.")
    if secrets.cdn_private_key and not _PRIVATE_KEY.fullmatch(secrets.cdn_private_key):
        raise WrongSetting("CDN_PRIVATE_KEY must be an RSA private key in PEM format.")
    return secrets


def default_cursor_secret(settings: Settings) -> str:
    """Return what takes the place of CURSOR_SECRET if it is not set. It is not secret."""
    return f"cursors of {settings.images_table_name}"
