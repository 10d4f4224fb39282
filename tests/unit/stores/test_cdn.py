import base64
import time
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chalicelib.model import Variant
from chalicelib.stores import derived, originals, s3
from tests.unit.samples import IMAGE

BASE = "https://d1.cloudfront.net"
OTHER_KEY = generate_private_key(public_exponent=65537, key_size=2048).public_key()


@pytest.fixture(params=[PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def public_key(request: pytest.FixtureRequest, configured: Callable[..., None]) -> RSAPublicKey:
    """The public key of the distribution. The service signs with the private key."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, request.param, NoEncryption()).decode()
    configured(CDN_URL=f"{BASE}/", CDN_KEY_PAIR_ID="K2JCJMDEHXQW5F", CDN_PRIVATE_KEY=pem)
    return key.public_key()


def opened(url: str, key: RSAPublicKey) -> str:
    """Check a signed URL as CloudFront does, and return it without the signature. Raises InvalidSignature.

    CloudFront Developer Guide, "Create a signed URL using a canned policy": the policy has no white space. It contains
    the URL and its query, without the last three parameters. Three characters of base64 are replaced.
    """
    resource, _, signed = url.replace("?Expires=", "&Expires=").partition("&Expires=")
    parameters = dict(parse_qsl(f"Expires={signed}", strict_parsing=True))
    assert list(parameters) == ["Expires", "Signature", "Key-Pair-Id"]
    assert parameters["Key-Pair-Id"] == "K2JCJMDEHXQW5F"
    condition = f'{{"DateLessThan":{{"AWS:EpochTime":{parameters["Expires"]}}}}}'
    policy = f'{{"Statement":[{{"Resource":"{resource}","Condition":{condition}}}]}}'
    signature = base64.b64decode(parameters["Signature"].translate(str.maketrans("-_~", "+=/")), validate=True)
    key.verify(signature, policy.encode(), PKCS1v15(), SHA1())  # noqa: S303
    assert time.time() < int(parameters["Expires"]) <= time.time() + 60
    return resource


@pytest.mark.parametrize("owner", ["alice", "a b+c", "Zoë & 月", '"~*?#%2F'])
def test_cloudfront_accepts_a_url_signed_with_its_key(public_key: RSAPublicKey, owner: str) -> None:
    assert opened(originals.view_url(f"{owner}/1", 60), public_key) == f"{BASE}/{quote(owner)}/1"


def test_cloudfront_rejects_other_keys_and_changed_urls(public_key: RSAPublicKey) -> None:
    url = originals.view_url("alice/1", 60)
    for other, key in ((url, OTHER_KEY), (url.replace("alice", "bob"), public_key), (_later(url), public_key)):
        with pytest.raises(InvalidSignature):
            opened(other, key)


def test_the_filename_of_a_download_is_signed(public_key: RSAPublicKey) -> None:
    disposition = originals.attachment("Küste & more.jpg")
    resource = opened(originals.view_url("alice/1", 60, disposition), public_key)
    assert dict(parse_qsl(urlsplit(resource).query)) == {"response-content-disposition": disposition}


def test_the_path_of_a_variant_has_one_more_slash_than_that_of_the_original(
    public_key: RSAPublicKey,
) -> None:
    variant = Variant(width=320, height=240, content_type="image/webp", size=1)
    original_url = urlsplit(opened(originals.view_url(IMAGE.s3_key, 60), public_key))
    derived_url = urlsplit(opened(derived.view_url(IMAGE, variant, 60), public_key))
    assert derived_url.path == f"{original_url.path}/320.webp"
    assert (original_url.path.count("/"), derived_url.path.count("/")) == (2, 3)


def test_presigned_uploads_go_directly_to_s3(public_key: RSAPublicKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    url = s3.presigned_url("PUT", "images-staged", "alice/1", {"partNumber": "1"}, 60)
    assert url.startswith("https://s3.us-east-1.amazonaws.com/images-staged/alice/1?")


def _later(url: str) -> str:
    expires = dict(parse_qsl(urlsplit(url).query))["Expires"]
    return url.replace(expires, str(int(expires) + 1))
